"""Machines as the worker tells of them, in vboxlab's words, and back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from vboxlab.errors import CapabilityMissing, DriverError
from vboxlab.hypervisor.virtualbox.adapters import NETWORK_KINDS, adapter_fields, adapter_of
from vboxlab.planning.observed import (
    MARK_COPY,
    MARK_LAB,
    AdapterState,
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
    "Paused": "it is paused: by hand, or by VirtualBox because the host's disk is full",
    "Stuck": "VirtualBox stopped it (guru meditation): VBox.log in its Logs folder says why",
}


def observed(fields: Mapping[str, Any]) -> ObservedMachine:
    """Return the machine that the worker described."""
    state = fields["state"]
    power = POWER_STATES.get(state, PowerState.CHANGING)
    return ObservedMachine(
        handle=fields["handle"],
        name=fields["name"],
        power=power,
        cpus=fields["cpus"],
        memory=fields["memory"],
        image=fields["image"],
        adapters=tuple(adapter_of(adapter) for adapter in fields["adapters"]),
        marks=fields["marks"],
        snapshots=tuple(SnapshotState(**snapshot) for snapshot in fields["snapshots"]),
        current_snapshot=fields["current_snapshot"],
        problem=fields["problem"] or PROBLEMS.get(state, ""),
        untouched=power is PowerState.OFF and fields["untouched"],
        last_power_change=fields["last_power_change"],
    )


def create_arguments(spec: MachineSpec) -> dict[str, Any]:
    """Return what the worker needs to make a machine."""
    return {
        "name": spec.name,
        "image": spec.image,
        "group": group_of(spec.marks),
        "cpus": spec.cpus,
        "memory": spec.memory,
        "adapters": [adapter_fields(adapter) for adapter in checked(spec.adapters)],
        "marks": dict(spec.marks),
    }


def group_of(marks: Mapping[str, str]) -> str:
    """Return the group that a machine is shown in: /vboxlab/LAB or /vboxlab/LAB/COPY."""
    parts = ["vboxlab", marks.get(MARK_LAB, ""), marks.get(MARK_COPY, "")]
    return "".join(f"/{part}" for part in parts if part)


def checked(adapters: Sequence[AdapterState]) -> Sequence[AdapterState]:
    """Return the adapters. Raises DriverError for slots that cannot be, CapabilityMissing for kinds that are not."""
    slots = [adapter.slot for adapter in adapters]
    if len(set(slots)) != len(slots) or not set(slots) <= set(SLOTS):
        raise DriverError(f"adapter slots must be different and 1 to 8, not {slots}")
    for adapter in adapters:
        if adapter.attachment.kind not in NETWORK_KINDS:
            raise CapabilityMissing(f"adapter {adapter.slot}: VirtualBox has no {adapter.attachment.kind} networks")
    return adapters
