"""Machines as the worker tells of them, in vboxlab's words, and back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from vboxlab.errors import CapabilityMissing, DriverError
from vboxlab.hypervisor.virtualbox.adapters import NETWORK_KINDS, adapter_of, asked_adapter
from vboxlab.hypervisor.virtualbox.sentences.telling import say
from vboxlab.hypervisor.virtualbox.worker import calls
from vboxlab.language import N_, _
from vboxlab.planning.observed import (
    MARK_COPY,
    MARK_LAB,
    AdapterState,
    DiskState,
    MachineSpec,
    ObservedMachine,
    PowerState,
    SnapshotState,
)
from vboxlab.topology.model import SLOTS

# States that pass by themselves are CHANGING; "Stuck" is a guest that VirtualBox stopped (guru meditation).
POWER_STATES = {
    "PoweredOff": PowerState.OFF,
    "Aborted": PowerState.OFF,  # also a machine whose client died while it held the lock: it may never have run
    "Teleported": PowerState.OFF,
    "Saved": PowerState.SAVED,
    "AbortedSaved": PowerState.SAVED,
    "Running": PowerState.RUNNING,
    "Paused": PowerState.PAUSED,
    "Stuck": PowerState.PAUSED,
    "Inaccessible": PowerState.INACCESSIBLE,
}
PROBLEMS = {
    "Paused": N_("it is paused: by hand, or by VirtualBox because the host's disk is full"),
    "Stuck": N_("VirtualBox stopped it (guru meditation): VBox.log in its Logs folder says why"),
}


def observed(told: calls.Machine) -> ObservedMachine:
    """Return the machine that the worker described."""
    power, details = POWER_STATES.get(told.state, PowerState.CHANGING), told.details
    problem = _(PROBLEMS[told.state]) if told.state in PROBLEMS else ""
    return ObservedMachine(
        handle=told.handle,
        name=told.name,
        power=power,
        cpus=told.cpus,
        memory=told.memory,
        image=told.image,
        adapters=tuple(adapter_of(adapter) for adapter in details.adapters),
        marks=told.marks,
        snapshots=tuple(_snapshot(snapshot) for snapshot in details.snapshots),
        current_snapshot=details.current_snapshot,
        problem=problem if told.problem is None else say(told.problem),
        untouched=power is PowerState.OFF and details.untouched,
        last_power_change=told.last_power_change,
        disks=tuple(DiskState(disk.name, disk.size, disk.shared) for disk in details.disks),
        dvd=details.dvd,
    )


def _snapshot(told: calls.Snapshot) -> SnapshotState:
    return SnapshotState(
        name=told.name, parent=told.parent, taken_at=told.taken_at, live=told.live, description=told.description,
        id=told.id,
    )  # fmt: skip


def asked_machine(spec: MachineSpec) -> calls.Create:
    """Return what the worker needs to make a machine."""
    return calls.Create(
        name=spec.name,
        image=spec.image,
        group=group_of(spec.marks),
        cpus=spec.cpus,
        memory=spec.memory,
        adapters=tuple(asked_adapter(adapter) for adapter in checked(spec.adapters)),
        marks=dict(spec.marks),
    )


def group_of(marks: Mapping[str, str]) -> str:
    """Return the group that a machine is shown in: /vboxlab/LAB or /vboxlab/LAB/COPY."""
    parts = ["vboxlab", marks.get(MARK_LAB, ""), marks.get(MARK_COPY, "")]
    return "".join(f"/{part}" for part in parts if part)


def checked(adapters: Sequence[AdapterState]) -> Sequence[AdapterState]:
    """Return the adapters. Raises DriverError for slots that cannot be, CapabilityMissing for kinds that are not."""
    slots = [adapter.slot for adapter in adapters]
    if len(set(slots)) != len(slots) or not set(slots) <= set(SLOTS):
        raise DriverError(_("adapter slots must be different and 1 to 8, not {slots}").format(slots=slots))
    for adapter in adapters:
        if adapter.attachment.kind not in NETWORK_KINDS:
            raise CapabilityMissing(
                _("adapter {slot}: VirtualBox has no {kind} networks").format(
                    slot=adapter.slot, kind=adapter.attachment.kind
                )
            )
    return adapters
