"""Why a plan cannot be applied as it stands: found before anything is changed, each with what to do. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from vboxlab.planning.desired import Desired
from vboxlab.planning.machine import Restored, is_configured
from vboxlab.planning.names import owned_by
from vboxlab.planning.observed import MARK_TOPOLOGY, ObservedLab, PendingRestore, PowerState
from vboxlab.planning.pending import FINISH_OR_DROP, describe_pending
from vboxlab.planning.snapshots import described


def conflicts(desired: Desired, observed: ObservedLab) -> list[str]:
    """Return what of the host is in the way of the machines."""
    blockers = [
        f"{name}: a VM named {machine.vm_name!r} exists already {owned_by(observed.others[machine.vm_name])}"
        for name, machine in desired.machines.items()
        if name not in observed.machines and machine.vm_name in observed.others
    ]
    renamed = {machine.name: other for other, machine in observed.machines.items()}
    blockers += [
        f"{name}: the VM of {renamed[machine.vm_name]} was renamed to {machine.vm_name!r}; give it another name again"
        for name, machine in desired.machines.items()
        if name not in observed.machines and machine.vm_name in renamed
    ]
    blockers += [
        f"{name}: the VM {machine.vm_name} cannot be read ({observed.unreadable[machine.vm_name]})"
        for name, machine in desired.machines.items()
        if name not in observed.machines and machine.vm_name in observed.unreadable
    ]
    blockers += [
        f"{name}: the VM cannot be read ({machine.problem or 'no reason given'})"
        for name, machine in observed.machines.items()
        if machine.power is PowerState.INACCESSIBLE and name in desired.machines
    ]
    blockers += [
        f"{name}: it has no adapter 1, over which a clone of a stock base is first reached; give it one in the topology"
        for name, machine in desired.machines.items()
        if machine.stock and not machine.has_first_slot
    ]
    blockers += [
        f"{name}: adapter {adapter.slot} is on a {adapter.attachment.kind} network, which this driver does not have; "
        f"it has: {', '.join(sorted(desired.kinds))}"
        for name, machine in desired.machines.items()
        for adapter in machine.adapters
        if desired.kinds is not None and adapter.attachment.kind not in desired.kinds
    ]
    return blockers


def unfinished(pending: PendingRestore | None) -> list[str]:
    """Return what must be decided about an interrupted restore first."""
    if pending is None or pending.harmless:
        return []
    return [*describe_pending(pending), FINISH_OR_DROP]


def doubtful_restores(observed: ObservedLab, restored: Mapping[str, Restored]) -> list[str]:
    """Return the machines of which it is not clear which snapshot they would go back to."""
    blockers = []
    for name, point in restored.items():
        found = observed.machines[name].find_snapshots(point.snapshot)
        if len(found) > 1:
            ids = "; ".join(described(name, snapshot) for snapshot in found)
            blockers.append(
                f"{name}: several snapshots may be meant by {point.snapshot} ({ids}); delete those that are not: "
                "`vboxlab snapshot delete ID`"
            )
    return blockers


def incomplete_restores(desired: Desired, observed: ObservedLab, restored: Mapping[str, Restored]) -> list[str]:
    """Return the machines that would stay as another topology left them where others of their set go back.

    The set that a topology starts from is none of these: it is made first.
    """
    names = {point.snapshot for point in restored.values() if point.stage is not None}
    return [
        f"{name}: there is no snapshot {snapshot} to go back to, as others of lab {observed.name} do; "
        "destroy the lab, or remove the machine in the hypervisor, to make it anew"
        for snapshot in sorted(names - {desired.topology.start_from})
        for name in desired.snapshot_members[snapshot]
        if name in desired.machines.keys() - desired.spared
        and (machine := observed.machines.get(name)) is not None
        and not machine.has_snapshot(snapshot)
        and machine.marks.get(MARK_TOPOLOGY) not in (None, desired.topology.name)
        and not is_configured(desired.machines[name], machine)
    ]
