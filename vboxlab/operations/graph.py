"""`graph`: a picture of a lab or a topology."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from typing import Literal

from vboxlab.errors import DriverUnavailable
from vboxlab.lab.graphs.dot import render_dot
from vboxlab.lab.graphs.drawing import Drawing, drawing
from vboxlab.lab.graphs.mermaid import render_mermaid
from vboxlab.lab.graphs.svg import render_svg
from vboxlab.lab.planned import make_plan
from vboxlab.language import _
from vboxlab.lazily import dataclass
from vboxlab.operations.door import Door
from vboxlab.operations.session import opened
from vboxlab.operations.targets import load_blueprint, only_target
from vboxlab.settings import load_settings
from vboxlab.topology.library import Library

Format = Literal["mermaid", "dot", "svg"]
_RENDER = {"mermaid": render_mermaid, "dot": render_dot, "svg": render_svg}


@dataclass(frozen=True)
class GraphRequest:
    """The lab or topology to draw (None: the only lab), and how."""

    name: str | None = None
    format: Format = "mermaid"
    values: Mapping[str, str] = field(default_factory=dict)
    copy: str | None = None
    driver: str | None = None


def graph(request: GraphRequest, door: Door) -> str:
    """Return the picture as text, coloured by the state of the machines where the lab exists.

    Raises DriverUnavailable where no topology is named or a driver is; else the topology alone is drawn.
    """
    return _RENDER[request.format](_observed(request, door))


def _observed(request: GraphRequest, door: Door) -> Drawing:
    """Return the drawing with the states of the lab's machines, or of the topology alone where there is no lab."""
    name, copy = request.name, request.copy
    try:
        with opened(door, request.driver) as session:
            target = only_target(session, name, {} if name is None else request.values, copy)
            topology = target.needed.topology
            _plan, desired, observed = make_plan(session.context, target.needed, target.lab)
            exists = bool(observed.machines or observed.adopted)
            return drawing(topology, desired, observed) if exists else drawing(topology)
    except DriverUnavailable as error:
        if name is None or request.driver is not None:
            raise
        text = _("note: drawn without the state of its machines: {problem}")
        door.remark(text.format(problem=error.brief))
    return drawing(load_blueprint(Library(load_settings()), name, request.values, copy).topology)
