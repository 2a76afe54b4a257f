"""Bringing a lab back to where its exercise begins, whatever was done in it since."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from vboxlab.errors import CopyStopped, LabError, SnapshotNotFound, VboxlabError
from vboxlab.lab.context import Context
from vboxlab.lab.desire import members_of
from vboxlab.lab.each import afterwards
from vboxlab.lab.observe import begin, settle
from vboxlab.lab.planned import Blueprint, make_plan
from vboxlab.lab.snapshot_sets import check_has, check_takable, lost_by_restore, restore, take
from vboxlab.lab.up import UpResult, up
from vboxlab.language import _
from vboxlab.lazily import dataclass
from vboxlab.planning.describe import subject, title
from vboxlab.planning.observed import ObservedLab, PowerState
from vboxlab.topology.addressing import LabName
from vboxlab.topology.model import Topology


@dataclass(frozen=True)
class ResetResult:
    """What a reset did. `brought_up` is None for a lab that was off and stays off."""

    snapshot: str
    machines: tuple[str, ...]
    brought_up: UpResult | None


def reset_snapshot(topology: Topology) -> str | None:
    """Return the snapshot that a reset goes back to.

    It is the one that the topology names, else the last one that a stage ends in, else the one that it starts from.
    """
    if topology.reset is not None:
        return topology.reset
    taken = [stage.snapshot for stage in topology.stages if stage.snapshot]
    return taken[-1] if taken else topology.start_from


def reset_members(blueprint: Blueprint, observed: ObservedLab, snapshot: str) -> tuple[str, ...]:
    """Return the machines that go back: those of the snapshot set, or of one taken by hand those that have it."""
    declared = members_of(blueprint.sets).get(snapshot)
    having = (name for name, machine in observed.machines.items() if machine.find_snapshots(snapshot))
    return declared or tuple(having) or tuple(observed.machines)


def check_reset(
    context: Context, blueprint: Blueprint, observed: ObservedLab, snapshot: str | None, *, keep: str | None
) -> tuple[str, tuple[str, ...]]:
    """Return the snapshot and the machines that a reset would bring back to it. Changes nothing.

    Raises SnapshotNotFound with the table of who has the snapshot, MachineConflict when `keep` exists already.
    """
    name = snapshot or reset_snapshot(blueprint.topology)
    if name is None:
        raise SnapshotNotFound(
            _("lab {lab}: topology {topology} has no snapshot to go back to").format(
                lab=observed.name, topology=blueprint.topology.name
            ),
            resolution=_("let a stage end in one (`snapshot: NAME`), name one (`reset: NAME`), or give --to NAME"),
        )
    members = reset_members(blueprint, observed, name)
    check_has(observed, members, name)
    if keep is not None:
        check_takable(context, observed, list(observed.machines), keep, live=False)
    return name, members


def lost_by_reset(blueprint: Blueprint, observed: ObservedLab, snapshot: str | None) -> list[str]:
    """Return the machines on which a reset throws away what was done there; none where it cannot be done at all."""
    blueprint = blueprint.in_force(observed.machines.values())
    name = snapshot or reset_snapshot(blueprint.topology)
    members = reset_members(blueprint, observed, name) if name is not None else ()
    return lost_by_restore(observed, [member for member in members if member in observed.machines], name or "")


def reset(
    context: Context,
    blueprint: Blueprint,
    lab: LabName,
    *,
    snapshot: str | None = None,
    keep: str | None = None,
    bring_up: bool | None = None,
    before_up: Callable[[], None] = lambda: None,
    jobs: int,
) -> ResetResult:
    """Bring a lab back to a snapshot and to its topology, all or nothing. The caller holds the lab's lock.

    With `keep`, what the lab is now is kept as a snapshot of that name first. Without `bring_up`, a lab of which a
    machine ran is brought up, and one that was off stays off; `before_up` is done before. Raises what check_reset
    raises, before anything is touched, what context.confirm raises, and LabError when the lab is not what the topology
    says afterwards.
    """
    observed = begin(context, lab)
    blueprint = blueprint.in_force(observed.machines.values())
    name, members = check_reset(context, blueprint, observed, snapshot, keep=keep)
    if lost := lost_by_reset(blueprint, observed, snapshot):
        asked = _("throw away what was done on {machines} of lab {lab}?")
        context.confirm(lab, asked.format(machines=", ".join(lost), lab=lab))
    ran = any(machine.power is not PowerState.OFF for machine in observed.machines.values())
    if keep is not None:
        _keep(context, observed, keep, jobs)
        observed = settle(context, lab)
    restore(context, observed, members, name, start=False)
    if not (ran if bring_up is None else bring_up):
        return ResetResult(name, members, None)
    before_up()
    already = _("{machines} went back to {snapshot} before").format(machines=", ".join(members), snapshot=name)
    result = up(context, blueprint, lab, jobs=jobs, already=already)
    if result.stopped:
        brief = _("stopped after the restore of {snapshot}").format(snapshot=name)
        raise CopyStopped(brief, resolution=f"`vboxlab up {blueprint.topology.name}`")
    _check_converged(context, blueprint, lab)
    return ResetResult(name, members, result)


def _keep(context: Context, observed: ObservedLab, keep: str, jobs: int) -> None:
    try:
        take(context, observed, list(observed.machines), keep, start=False, jobs=jobs)
    except VboxlabError as error:
        afterwards(error, lambda: _start_again(context, observed))
        raise


def _start_again(context: Context, observed: ObservedLab) -> None:
    for machine in observed.machines.values():
        if machine.power is PowerState.RUNNING:
            context.driver.start(machine.handle)


def _check_converged(context: Context, blueprint: Blueprint, lab: LabName) -> None:
    changes, _desired, _observed = make_plan(context, blueprint, lab)
    left: Sequence[str] = [
        _("{subject}: {action}: {reason}").format(subject=subject(a.step), action=title(a.step), reason=a.reason)
        for a in changes.actions
    ]
    if left or changes.blockers:
        raise LabError(
            _("lab {lab} is not what {topology} says after its reset").format(lab=lab, topology=changes.topology),
            details=[*left, *changes.blockers],
            resolution=f"`vboxlab up {changes.topology}`",
        )
