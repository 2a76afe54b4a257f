"""Adapters of the memory driver's machines."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from vboxlab.errors import CapabilityMissing, DriverError
from vboxlab.language import _
from vboxlab.planning.observed import AdapterState, ObservedMachine
from vboxlab.topology.model import SLOTS


def checked(adapters: Sequence[AdapterState], kinds: Collection[str]) -> tuple[AdapterState, ...]:
    """Return adapters by slot.

    Raises DriverError for slots that cannot be, CapabilityMissing for kinds that are not.
    """
    slots = [adapter.slot for adapter in adapters]
    if len(set(slots)) != len(slots) or not set(slots) <= set(SLOTS):
        raise DriverError(_("adapter slots must be different and 1 to 8, not {slots}").format(slots=slots))
    for adapter in adapters:
        if adapter.attachment.kind not in kinds:
            brief = _("adapter {slot}: there are no {kind} networks here")
            raise CapabilityMissing(brief.format(slot=adapter.slot, kind=adapter.attachment.kind))
    return tuple(sorted(adapters, key=lambda adapter: adapter.slot))


def in_slot(machine: ObservedMachine, slot: int) -> AdapterState:
    """Return the adapter in a slot. Raises DriverError."""
    adapter = machine.adapter(slot)
    if adapter is None:
        raise DriverError(_("{machine} has no adapter {slot}").format(machine=machine.name, slot=slot))
    return adapter
