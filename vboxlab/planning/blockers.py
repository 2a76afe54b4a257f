"""Why a plan cannot be applied as it stands: found before anything is changed, each with what to do. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from vboxlab.language import _
from vboxlab.planning import actions as act
from vboxlab.planning.desired import Desired
from vboxlab.planning.disks import clashes
from vboxlab.planning.machine import Restored, is_configured
from vboxlab.planning.observed import MARK_EXERCISE, MARK_TOPOLOGY, ObservedLab, PendingRestore, PowerState, exercise_of
from vboxlab.planning.pending import FINISH_OR_DROP, describe_pending
from vboxlab.planning.snapshots import described
from vboxlab.topology.addressing import LabName
from vboxlab.topology.model import Topology


def conflicts(desired: Desired, observed: ObservedLab) -> list[str]:
    """Return what of the host is in the way of the machines."""
    blockers = [
        _taken(name, machine.vm_name, observed.others[machine.vm_name])
        for name, machine in desired.machines.items()
        if name not in observed.machines and machine.vm_name in observed.others
    ]
    renamed = {machine.name: other for other, machine in observed.machines.items()}
    blockers += [
        _("{machine}: the VM of {other} was renamed to {vm!r}; give it another name again").format(
            machine=name, other=renamed[machine.vm_name], vm=machine.vm_name
        )
        for name, machine in desired.machines.items()
        if name not in observed.machines and machine.vm_name in renamed
    ]
    blockers += [
        _("{machine}: the VM {vm} cannot be read ({reason})").format(
            machine=name, vm=machine.vm_name, reason=observed.unreadable[machine.vm_name]
        )
        for name, machine in desired.machines.items()
        if name not in observed.machines and machine.vm_name in observed.unreadable
    ]
    blockers += [
        _("{machine}: the VM cannot be read ({reason})").format(
            machine=name, reason=machine.problem or _("no reason given")
        )
        for name, machine in observed.machines.items()
        if machine.power is PowerState.INACCESSIBLE and name in desired.machines
    ]
    blockers += [
        _(
            "{machine}: it has no adapter 1, over which a clone of a stock base is first reached; give it one in the "
            "topology"
        ).format(machine=name)
        for name, machine in desired.machines.items()
        if machine.stock and not machine.has_first_slot
    ]
    blockers += [
        _("{machine}: adapter {slot} is on a {kind} network, which this driver does not have; it has: {kinds}").format(
            machine=name, slot=adapter.slot, kind=adapter.attachment.kind, kinds=", ".join(sorted(desired.kinds))
        )
        for name, machine in desired.machines.items()
        for adapter in machine.adapters
        if desired.kinds is not None and adapter.attachment.kind not in desired.kinds
    ]
    return blockers


def _taken(machine: str, vm: str, owner: LabName | None) -> str:
    """Tell whose a VM is that has a machine's name, and what can be done about it."""
    if owner is None:
        text = _(
            "{machine}: a VM named {vm!r} exists already and is not vboxlab's; rename it, or work in a copy "
            "(--copy NAME)"
        )
        return text.format(machine=machine, vm=vm)
    text = _(
        "{machine}: a VM named {vm!r} exists already and is lab {lab}'s; work in a copy (--copy NAME), or destroy that "
        "lab first"
    )
    return text.format(machine=machine, vm=vm, lab=owner)


def unfinished(pending: PendingRestore | None) -> list[str]:
    """Return what must be decided about an interrupted restore first."""
    if pending is None or pending.harmless:
        return []
    return [*describe_pending(pending), _(FINISH_OR_DROP)]


def is_other_exercise(observed: ObservedLab, topology: Topology) -> bool:
    """Tell whether a lab is a student's exercise of another topology."""
    return exercise_of(observed.machines.values()) not in (None, topology.name)


def other_exercise(desired: Desired, observed: ObservedLab) -> list[str]:
    """Return why a lab that is a student's exercise is not brought to a topology (or half of it is solved)."""
    if not is_other_exercise(observed, desired.topology):
        return _half_solved(desired, observed)
    found, topology = exercise_of(observed.machines.values()), desired.topology.name
    text = _(
        "lab {lab} is an exercise of {found}: what the student did in it is not thrown away for {topology}; destroy it "
        "(`vboxlab destroy`), or finish it first (`vboxlab up {found} --solution`)"
    )
    return [text.format(lab=observed.name, found=found, topology=topology)]


def _half_solved(desired: Desired, observed: ObservedLab) -> list[str]:
    """Return that a solution was broken off: some of the student's machines have it, and are no exercise any more."""
    topology = desired.topology.name
    solved = [
        name
        for name, machine in desired.machines.items()
        if machine.left
        and (found := observed.machines.get(name)) is not None
        and found.marks.get(MARK_TOPOLOGY) == topology
        and MARK_EXERCISE not in found.marks
    ]
    if not solved or exercise_of(observed.machines.values()) != topology:
        return []
    text = _(
        "the solution of lab {lab} was broken off, and {machines} have it already; `vboxlab up {topology} --solution` "
        "does all of it, `vboxlab reset {topology}` begins the exercise again"
    )
    return [text.format(lab=observed.name, machines=", ".join(solved), topology=topology)]


def doubtful_restores(observed: ObservedLab, restored: Mapping[str, Restored]) -> list[str]:
    """Return the machines of which it is not clear which snapshot they would go back to."""
    blockers = []
    for name, point in restored.items():
        found = observed.machines[name].find_snapshots(point.snapshot)
        if len(found) > 1:
            text = _(
                "{machine}: several snapshots may be meant by {snapshot} ({ids}); delete those that are not: "
                "`vboxlab snapshot delete ID`"
            )
            ids = _("; ").join(described(name, snapshot) for snapshot in found)
            blockers.append(text.format(machine=name, snapshot=point.snapshot, ids=ids))
    return blockers


def incomplete_restores(desired: Desired, observed: ObservedLab, restored: Mapping[str, Restored]) -> list[str]:
    """Return the machines that would stay as another topology left them where others of their set go back.

    The set that a topology starts from is none of these: it is made first.
    """
    names = {point.snapshot for point in restored.values() if point.stage is not None}
    return [
        _(
            "{machine}: there is no snapshot {snapshot} to go back to, as others of lab {lab} do; destroy the lab, or "
            "remove the machine in the hypervisor, to make it anew"
        ).format(machine=name, snapshot=snapshot, lab=observed.name)
        for snapshot in sorted(names - {desired.topology.start_from})
        for name in desired.snapshot_members[snapshot]
        if name in desired.machines.keys() - desired.spared
        and (machine := observed.machines.get(name)) is not None
        and not machine.has_snapshot(snapshot)
        and machine.marks.get(MARK_TOPOLOGY) not in (None, desired.topology.name)
        and not is_configured(desired.machines[name], machine)
    ]


def other_disks(desired: Desired, observed: ObservedLab) -> list[str]:
    """Return the disks that are otherwise than the topology says: they hold work, and are neither made anew nor cut."""
    text = _(
        "{machine}: {problem}; a disk that holds work is never changed: correct the topology, or give the disk another "
        "name there to have a new one beside it"
    )
    return [
        text.format(machine=name, problem=problem)
        for name, machine in desired.machines.items()
        if name in observed.machines
        for problem in clashes(machine.disks, observed.machines[name].disks)
    ]


def without_shared_disks(actions: Iterable[act.Action], desired: Desired) -> list[str]:
    """Return the snapshots that the plan would take without a disk that their machines share."""
    text = _(
        "snapshot {snapshot} would leave out the disk {disk}, which {machines} share; take these machines out of the "
        "snapshot set, or give each a disk of its own"
    )
    found: dict[tuple[str, str], list[str]] = {}
    for action in actions:
        if isinstance(action.step, act.TakeSnapshots):
            for name in action.step.machines:
                for disk in desired.machines[name].disks:
                    if disk.shared:
                        found.setdefault((action.step.snapshot, disk.name), []).append(name)
    return [
        text.format(snapshot=snapshot, disk=disk, machines=", ".join(names))
        for (snapshot, disk), names in found.items()
    ]
