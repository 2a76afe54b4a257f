"""`handout`: the sheet that students are given."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Literal

from vboxlab.errors import DriverUnavailable, UsageError, said_by_system
from vboxlab.grading.sheet import sheet_html, sheet_markdown, sheet_of
from vboxlab.language import _
from vboxlab.lazily import dataclass
from vboxlab.operations.copies import choose
from vboxlab.operations.door import Door
from vboxlab.operations.reporting import report_file
from vboxlab.operations.request import LabRequest
from vboxlab.operations.session import opened
from vboxlab.operations.targets import load_blueprint
from vboxlab.settings import load_settings
from vboxlab.topology.addressing import LabName
from vboxlab.topology.library import Library
from vboxlab.topology.model import Topology

Format = Literal["md", "html"]
_RENDER = {"md": sheet_markdown, "html": sheet_html}


@dataclass(frozen=True, kw_only=True)
class HandoutRequest(LabRequest):
    """The sheet of which topology, and how; `target` is its file, with the copy's name where there are several."""

    topology: str
    format: Format = "md"
    target: Path | None = None


def handout(request: HandoutRequest, door: Door) -> str | list[Path]:
    """Return the sheet as text, or the files that were written: each copy's own, with its values and addresses.

    Values that a lab was brought up with hold. Where there is no driver, what the request says holds alone. Raises
    UsageError where the topology has neither an exercise nor a scheme, or a file cannot be written.
    """
    if request.which.several and request.target is None:
        raise UsageError(_("each copy's sheet is a file of its own"), resolution=_("add -o FILE"))
    sheets = [(lab, _rendered(request, lab, topology)) for lab, topology in _topologies(request, door)]
    if request.target is None:
        ((_lab, text),) = sheets
        return text
    return [_written(request.target, lab if request.which.several else None, text) for lab, text in sheets]


def _rendered(request: HandoutRequest, lab: LabName, topology: Topology) -> str:
    if topology.exercise is None and topology.grading is None:
        raise UsageError(
            _("{topology} says nothing about an exercise").format(topology=topology.name),
            resolution=_("add `exercise:` and `grading:` to it; docs/handout.md says how"),
        )
    return _RENDER[request.format](sheet_of(topology, Path(request.topology).stem, lab.copy))


def _topologies(request: HandoutRequest, door: Door) -> Sequence[tuple[LabName, Topology]]:
    try:
        with opened(door, request.driver) as session:
            chosen = choose(session, request.topology, request, parameters=True)
            return [(entry.lab, entry.target(session).needed.topology) for entry in chosen]
    except DriverUnavailable as error:
        if request.driver is not None or request.which.everything:
            raise
        text = _("note: without what is kept of labs: {problem}")
        door.remark(text.format(problem=error.brief))
    return list(_as_asked(request))


def _as_asked(request: HandoutRequest) -> Iterator[tuple[LabName, Topology]]:
    """Yield what a request asks for, without a look at labs."""
    library, roll = Library(load_settings()), request.which.roll
    if roll is None:
        topology = load_blueprint(library, request.topology, request.values, request.which.copy).topology
        yield LabName(topology.lab, request.which.copy), topology
        return
    plain = library.topology(library.find_topology(request.topology))
    roll.check_columns(list(plain.parameters), plain.name)
    for copy in roll.copies:
        values = {**copy.values, **request.values}
        yield LabName(plain.lab, copy.name), load_blueprint(library, request.topology, values, copy.name).topology


def _written(target: Path, lab: LabName | None, text: str) -> Path:
    path = report_file(target, lab)
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        brief = _("{file} cannot be written").format(file=path)
        raise UsageError(brief, details=[said_by_system(error)]) from error
    return path
