"""`explain`: the answer key of a topology."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field

from vboxlab.errors import UsageError
from vboxlab.guest import explain as answer_key
from vboxlab.guest.explain import Surroundings
from vboxlab.guest.role_registry import resources_for
from vboxlab.lab.planned import Blueprint
from vboxlab.language import _
from vboxlab.lazily import dataclass
from vboxlab.operations.targets import load_blueprint
from vboxlab.settings import load_settings
from vboxlab.topology.library import Library


@dataclass(frozen=True)
class ExplainRequest:
    """The topology; only one machine of it, or up to one stage."""

    topology: str
    values: Mapping[str, str] = field(default_factory=dict)
    stage: str | None = None
    machine: str | None = None


def explain(request: ExplainRequest) -> str:
    """Return the answer key as Markdown: every file and every command, as a student would type them.

    Raises UsageError for a machine or stage that the topology does not have, and as load_blueprint does.
    """
    blueprint = load_blueprint(Library(load_settings()), request.topology, request.values)
    topology, machine, stage = blueprint.topology, request.machine, request.stage
    if machine is not None and machine not in topology.machines:
        raise UsageError(
            _("--machine {machine}: expected {names}").format(machine=machine, names=", ".join(topology.machines))
        )
    if stage is not None and stage not in topology.stage_order:
        raise UsageError(
            _("--stage {stage}: expected {names}").format(stage=stage, names=", ".join(topology.stage_order))
        )
    surroundings = _surroundings(blueprint)
    return answer_key.explain(topology, machine=machine, stage=stage, surroundings=surroundings)


def _surroundings(blueprint: Blueprint) -> Surroundings:
    """Return the snapshot sets, and what is true in a machine restored from the one that the topology starts from."""
    members = {entry.name: entry.machines for entry in blueprint.sets}
    source = next((entry for entry in blueprint.sets if entry.name == blueprint.topology.start_from), None)
    if source is None:
        return Surroundings(members)
    maker = blueprint.load(source.topology).topology
    already = {
        name: resources_for(maker, maker.machines[name], source.stage)
        for name in source.machines
        if name in maker.machines and name in blueprint.topology.machines
    }
    return Surroundings(members, already)
