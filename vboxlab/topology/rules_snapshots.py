"""Rules for snapshot-set files, against the topology that makes the set."""

from __future__ import annotations

from collections.abc import Iterator

from vboxlab.language import _
from vboxlab.topology.model import SnapshotSet, Topology
from vboxlab.topology.problems import Problem, did_you_mean, one_of
from vboxlab.topology.source import Source


def snapshot_problems(found: SnapshotSet, source: Source, topology: Topology | None) -> Iterator[Problem]:
    """Find no-machines, duplicate-name, other-lab, unknown-machine, unknown-stage and stage-without-snapshot."""
    if not found.machines:
        message = _("the snapshot set has no machines; expected at least one")
        yield Problem("no-machines", source.key(("machines",)), message)
    for index, machine in enumerate(found.machines):
        place = ("machines", index)
        if machine in found.machines[:index]:
            message = _("machine `{machine}` stands twice; expected it once").format(machine=machine)
            yield Problem("duplicate-name", source.value(place), message, place)
        if topology is not None and machine not in topology.machines:
            expected = one_of(topology.machines) + did_you_mean(machine, topology.machines)
            message = _("topology `{topology}` has no machine `{machine}`; {expected}").format(
                topology=topology.name, machine=machine, expected=expected
            )
            yield Problem("unknown-machine", source.value(place), message, place)
    if topology is not None:
        yield from _stage_problems(found, source, topology)


def _stage_problems(found: SnapshotSet, source: Source, topology: Topology) -> Iterator[Problem]:
    if found.lab != topology.lab:
        message = _("topology `{topology}` is of lab `{lab}`, not `{other}`; expected {lab}").format(
            topology=topology.name, lab=topology.lab, other=found.lab
        )
        yield Problem("other-lab", source.value(("lab",)), message)
    stage = next((stage for stage in topology.stages if stage.name == found.stage), None)
    place = source.value(("stage",))
    if stage is None:
        names = topology.stage_order
        message = _("topology `{topology}` has no stage `{stage}`; {expected}").format(
            topology=topology.name, stage=found.stage, expected=one_of(names) + did_you_mean(found.stage, names)
        )
        yield Problem("unknown-stage", place, message)
    elif stage.snapshot != found.name:
        if stage.snapshot:
            text = _(
                "stage `{stage}` of topology `{topology}` takes the snapshot `{snapshot}`; "
                "expected `snapshot: {wanted}` there"
            )
        else:
            text = _("stage `{stage}` of topology `{topology}` takes no snapshot; expected `snapshot: {wanted}` there")
        message = text.format(stage=found.stage, topology=topology.name, snapshot=stage.snapshot, wanted=found.name)
        yield Problem("stage-without-snapshot", place, message)
