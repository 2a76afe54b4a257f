"""Changing adapters: what they are plugged into, their cables and their forwards, off or running."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace

from vboxlab.errors import CapabilityMissing, DriverError
from vboxlab.hypervisor.qemu.command import (
    DEFAULT_NAT_SUBNET,
    backend,
    backend_id,
    forward_rule,
    hub_port,
    hub_port_id,
    nic_id,
)
from vboxlab.hypervisor.qemu.definition import Definition
from vboxlab.hypervisor.qemu.machines import check_adapters
from vboxlab.hypervisor.qemu.networks import check_ports_free, port_taken
from vboxlab.hypervisor.qemu.refusals import MonitorRefused
from vboxlab.hypervisor.qemu.workspace import Workspace
from vboxlab.language import C_, _
from vboxlab.planning.adapters import devices
from vboxlab.planning.observed import AdapterState, Attachment, Impairment


class Adapters:
    """Adapters of all machines of one home."""

    def __init__(self, workspace: Workspace) -> None:
        self._work = workspace

    def set_all(self, machine_id: str, adapters: Sequence[AdapterState]) -> None:
        """Give a machine exactly these adapters. See Driver.set_adapters."""
        definition = self._work.owned(machine_id)
        check_adapters(adapters)
        wanted = definition.with_adapters(tuple(adapters))
        if not self._has_devices(definition):
            self._work.definitions.save(wanted)
            return
        if devices(wanted.hardware.adapters) != devices(definition.hardware.adapters):
            raise DriverError(
                _("{machine} is not off: adapters can be re-plugged, not added, removed or given another MAC").format(
                    machine=definition.name
                ),
                resolution=_("power it off first"),
            )
        for adapter in wanted.hardware.adapters:
            definition = self._change(definition, adapter)

    def attach(self, machine_id: str, slot: int, attachment: Attachment) -> None:
        """Plug one adapter into another network. See Driver.attach."""
        definition = self._work.owned(machine_id)
        adapter = replace(self._find(definition, slot), attachment=attachment)
        check_adapters([adapter])
        self._change(definition, adapter)

    def set_cable(self, machine_id: str, slot: int, connected: bool) -> None:
        """Plug a cable in or out. See Driver.set_cable."""
        definition = self._work.owned(machine_id)
        self._change(definition, replace(self._find(definition, slot), cable=connected))

    def impair(self, machine_id: str, slot: int, impairment: Impairment) -> None:
        """Make an adapter's line bad or good. See Driver.impair."""
        definition = self._with_line(machine_id, slot, ends=impairment == Impairment())
        self._work.switches.impair(definition, slot, impairment)

    def set_groups(self, machine_id: str, slot: int, groups: Collection[int]) -> None:
        """Let an adapter see only those of its groups. See Driver.set_groups."""
        self._work.switches.set_groups(self._with_line(machine_id, slot, ends=not groups), slot, groups)

    def _with_line(self, machine_id: str, slot: int, *, ends: bool) -> Definition:
        """Return a machine of ours whose adapter is plugged into our switch. Raises CapabilityMissing for others.

        What is wrong with a line can be ended also while the adapter is plugged in elsewhere.
        """
        definition = self._work.owned(machine_id)
        if self._find(definition, slot).attachment.kind != "internal" and not ends:
            brief = _("adapter {slot} of {machine} is on no internal network: its line cannot be changed")
            raise CapabilityMissing(brief.format(slot=slot, machine=definition.name))
        return definition

    def _has_devices(self, definition: Definition) -> bool:
        """Tell whether a running or saved guest already has its NICs."""
        return definition.saved is not None or self._work.is_running(definition.id)

    @staticmethod
    def _find(definition: Definition, slot: int) -> AdapterState:
        adapter = definition.adapter(slot)
        if adapter is None:
            slots = ", ".join(str(adapter.slot) for adapter in definition.hardware.adapters) or C_("slot", "none")
            raise DriverError(
                _("{machine} has no adapter {slot}").format(machine=definition.name, slot=slot),
                details=[_("slots that it has: {slots}").format(slots=slots)],
            )
        return adapter

    def _change(self, definition: Definition, new: AdapterState) -> Definition:
        """Replace one adapter: in the running machine first, so that what is written down has happened."""
        old = self._find(definition, new.slot)
        if old == new:
            return definition
        others = (a for a in definition.hardware.adapters if a.slot != new.slot)
        changed = definition.with_adapters((*others, new))
        if self._work.is_running(definition.id):
            self._change_running(changed, old, new)
        self._work.definitions.save(changed)
        return changed

    def _change_running(self, changed: Definition, old: AdapterState, new: AdapterState) -> None:
        monitor = self._work.layout.monitor(changed.id)
        if old.attachment != new.attachment:
            kinds = {old.attachment.kind, new.attachment.kind}
            if kinds == {"nat"} and _subnet(old) == _subnet(new):
                self._change_forwards(changed, old.attachment, new)
            elif kinds != {"internal"}:
                self._exchange_backend(changed, old, new)
        # The switch reads which network a port is on, and whether its cable is in: no more is needed among networks.
        self._work.switches.plug(changed)
        if old.cable != new.cable:
            self._work.monitors.execute(monitor, ("set_link", {"name": nic_id(new.slot), "up": new.cable}))

    def _change_forwards(self, changed: Definition, old: Attachment, new: AdapterState) -> None:
        monitor = self._work.layout.monitor(changed.id)
        added = [forward for forward in new.attachment.forwards if forward not in old.forwards]
        gone = [forward for forward in old.forwards if forward not in new.attachment.forwards]
        for forward in added:
            rule = f"hostfwd_add {backend_id(new.slot)} {forward_rule(forward)}"
            if self._work.monitors.command_line(monitor, rule):
                raise port_taken(forward.host_port)
        for forward in gone:
            rule = f"hostfwd_remove {backend_id(new.slot)} tcp:127.0.0.1:{forward.host_port}"
            self._work.monitors.command_line(monitor, rule)

    def _exchange_backend(self, changed: Definition, old: AdapterState, new: AdapterState) -> None:
        slot = new.slot
        kept = {forward.host_port for forward in old.attachment.forwards}
        fresh = tuple(f for f in new.attachment.forwards if f.host_port not in kept)
        check_ports_free((replace(new, attachment=replace(new.attachment, forwards=fresh)),))
        self._work.switches.plug(changed)
        self._unplug_backend(changed, slot)
        try:
            self._plug_backend(changed, new)
        except MonitorRefused:
            self._unplug_backend(changed, slot)
            self._plug_backend(changed, old)
            raise

    def _unplug_backend(self, changed: Definition, slot: int) -> None:
        monitor = self._work.layout.monitor(changed.id)
        for netdev in (hub_port_id(slot), backend_id(slot)):
            with suppress(MonitorRefused):  # it is gone already: an earlier try got as far as this
                self._work.monitors.execute(monitor, ("netdev_del", {"id": netdev}))

    def _plug_backend(self, changed: Definition, adapter: AdapterState) -> None:
        self._work.monitors.execute(
            self._work.layout.monitor(changed.id),
            ("netdev_add", _for_qmp(backend(adapter, self._work.switches.ports(changed)))),
            ("netdev_add", hub_port(adapter.slot)),
        )


def _subnet(adapter: AdapterState) -> str:
    return adapter.attachment.subnet or DEFAULT_NAT_SUBNET


def _for_qmp(options: Mapping[str, object]) -> Mapping[str, object]:
    """Return netdev options in QMP's form, where a forward is an object (QAPI type String)."""
    forwards = options.get("hostfwd")
    return {**options, "hostfwd": [{"str": rule} for rule in forwards]} if isinstance(forwards, list) else options
