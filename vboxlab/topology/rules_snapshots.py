"""Rules for snapshot-set files, against the topology that makes the set."""

from __future__ import annotations

from collections.abc import Iterator

from vboxlab.topology.model import SnapshotSet, Topology
from vboxlab.topology.problems import Problem, did_you_mean, one_of
from vboxlab.topology.source import Source


def snapshot_problems(found: SnapshotSet, source: Source, topology: Topology | None) -> Iterator[Problem]:
    """Find no-machines, duplicate-name, other-lab, unknown-machine, unknown-stage and stage-without-snapshot."""
    if not found.machines:
        message = "the snapshot set has no machines; expected at least one"
        yield Problem("no-machines", source.key(("machines",)), message)
    for index, machine in enumerate(found.machines):
        place = ("machines", index)
        if machine in found.machines[:index]:
            message = f"machine `{machine}` stands twice; expected it once"
            yield Problem("duplicate-name", source.value(place), message, place)
        if topology is not None and machine not in topology.machines:
            message = f"topology `{topology.name}` has no machine `{machine}`; {one_of(topology.machines)}"
            message += did_you_mean(machine, topology.machines)
            yield Problem("unknown-machine", source.value(place), message, place)
    if topology is not None:
        yield from _stage_problems(found, source, topology)


def _stage_problems(found: SnapshotSet, source: Source, topology: Topology) -> Iterator[Problem]:
    if found.lab != topology.lab:
        message = f"topology `{topology.name}` is of lab `{topology.lab}`, not `{found.lab}`; expected {topology.lab}"
        yield Problem("other-lab", source.value(("lab",)), message)
    stage = next((stage for stage in topology.stages if stage.name == found.stage), None)
    place = source.value(("stage",))
    if stage is None:
        names = topology.stage_order
        message = f"topology `{topology.name}` has no stage `{found.stage}`; {one_of(names)}"
        yield Problem("unknown-stage", place, message + did_you_mean(found.stage, names))
    elif stage.snapshot != found.name:
        taken = f"takes the snapshot `{stage.snapshot}`" if stage.snapshot else "takes no snapshot"
        message = (
            f"stage `{found.stage}` of topology `{topology.name}` {taken}; expected `snapshot: {found.name}` there"
        )
        yield Problem("stage-without-snapshot", place, message)
