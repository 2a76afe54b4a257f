"""Adapters: what they are plugged into, read and written. Slots are 0..7 for VirtualBox and 1..8 for people."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from vboxlab.hypervisor.virtualbox.worker import lookup, marks, networks, repeating
from vboxlab.hypervisor.virtualbox.worker.calls import Adapter, Attachment, PlugAdapter, SetAdapters
from vboxlab.hypervisor.virtualbox.worker.connection import Connection
from vboxlab.hypervisor.virtualbox.worker.protocol import Call, Failure
from vboxlab.hypervisor.virtualbox.worker.sessions import is_up, locked
from vboxlab.hypervisor.virtualbox.worker.told import Told
from vboxlab.listening import LOOPBACK

SLOTS = range(8)  # a PIIX3 chipset has eight adapters (VirtualBox manual, "Introduction to Networking Modes")
RULE = "vboxlab-"


def read_adapters(connection: Connection, machine: Any) -> list[Adapter]:
    """Return the enabled adapters of a machine."""
    adapters = (machine.getNetworkAdapter(number) for number in SLOTS)
    return [read_adapter(connection, adapter) for adapter in adapters if adapter.enabled]


def read_adapter(connection: Connection, adapter: Any) -> Adapter:
    """Return one adapter as it is. A kind of attachment that we do not have is given by VirtualBox's name."""
    kind, attribute = networks.kind_of(connection.name_of("NetworkAttachmentType", adapter.attachmentType))
    attachment = Attachment(kind, str(getattr(adapter, attribute)) if attribute else "")
    if kind == "nat":
        rules = _rules(connection, adapter)
        attachment = Attachment(
            kind,
            subnet=str(adapter.NATEngine.network or ""),
            forwards=tuple((rule["host_port"], rule["guest_port"]) for rule in rules if _is_plain(rule)),
            other_forwards=tuple(
                (rule["host_port"], rule["guest_port"], "tcp" if rule["tcp"] else "udp", rule["host"])
                for rule in rules
                if not _is_plain(rule)
            ),
        )
    return Adapter(int(adapter.slot) + 1, attachment, str(adapter.MACAddress).upper(), bool(adapter.cableConnected))


def _is_plain(rule: dict[str, Any]) -> bool:
    return bool(rule["tcp"]) and rule["host"] == LOOPBACK


def settings_of(adapters: Sequence[Adapter]) -> dict[str, Any]:
    """Return adapters as a flat mapping, one entry a setting, to be compared one by one."""
    found: dict[str, Any] = {}
    for adapter in adapters:
        slot, attachment = adapter.slot, adapter.attachment
        found.update({
            f"{slot}.kind": attachment.kind, f"{slot}.name": attachment.name, f"{slot}.subnet": attachment.subnet,
            f"{slot}.mac": adapter.mac, f"{slot}.cable": adapter.cable,
        })  # fmt: skip
        for host_port, guest_port in attachment.forwards:
            found[f"{slot}.forward.{host_port}"] = guest_port
    return found


def _setting(key: str) -> Told:
    """Return one of these settings as what is to be told."""
    slot, name, *port = key.split(".")
    if port:
        return Told("adapter-forward", {"slot": slot, "port": port[0]})
    return {
        "kind": Told("adapter-kind", {"slot": slot}),
        "name": Told("adapter-name", {"slot": slot}),
        "subnet": Told("adapter-subnet", {"slot": slot}),
        "mac": Told("adapter-mac", {"slot": slot}),
        "cable": Told("adapter-cable", {"slot": slot}),
    }[name]


def _rules(connection: Connection, adapter: Any) -> list[dict[str, Any]]:
    """Return the port forwards of a NAT adapter: VirtualBox gives "name,protocol,host ip,port,guest ip,port"."""
    rules = []
    for text in connection.array(adapter.NATEngine, "redirects"):
        name, protocol, host, host_port, guest, guest_port = str(text).rsplit(",", 5)
        rules.append({
            "name": name, "tcp": int(protocol) == connection.value_of("NATProtocol", "TCP"), "host": host,
            "guest": guest, "host_port": int(host_port), "guest_port": int(guest_port),
        })  # fmt: skip
    return sorted(rules, key=lambda rule: str(rule["name"]))


def write_adapters(connection: Connection, machine: Any, adapters: Sequence[Adapter], *, running: bool) -> None:
    """Give a machine exactly these adapters. Raises Failure when that cannot be done while it runs."""
    wanted = {adapter.slot: adapter for adapter in adapters}
    if running:
        present = read_adapters(connection, machine)
        if {adapter.slot: adapter.mac for adapter in present} != {slot: each.mac for slot, each in wanted.items()}:
            raise Failure("running", Told("adapters-need-off", {"machine": str(machine.name)}))
        taken = networks.ports(each.attachment for each in present)
        networks.check_ports(networks.ports(each.attachment for each in adapters) - taken, str(machine.name))
    for number in SLOTS:
        adapter = machine.getNetworkAdapter(number)
        state = wanted.get(number + 1)
        if state is None:
            _clear(connection, adapter)
            continue
        if not running:
            if not adapter.enabled:
                adapter.enabled = True
            if adapter.MACAddress != state.mac:
                adapter.MACAddress = state.mac
        _plug(connection, adapter, state.attachment)
        if bool(adapter.cableConnected) != state.cable:
            adapter.cableConnected = state.cable


def add_adapters(connection: Connection, machine: Any, adapters: Sequence[Adapter]) -> None:
    """Give a machine that has no adapter yet these: with fewer calls than to change those that are there."""
    for state in adapters:
        adapter, attachment = machine.getNetworkAdapter(state.slot - 1), state.attachment
        adapter.enabled = True
        adapter.MACAddress = state.mac
        type_name, attribute = networks.attachment_of(attachment.kind, connection.version)
        if attribute:
            setattr(adapter, attribute, attachment.name)
        adapter.attachmentType = connection.value_of("NetworkAttachmentType", type_name)
        if attachment.kind == "nat":
            engine = adapter.NATEngine
            engine.network = attachment.subnet
            for number, (host, guest) in enumerate(attachment.forwards):
                _add_forward(connection, engine, _rule_name(number, host, guest), host, guest)
        if not state.cable:
            adapter.cableConnected = False


def _add_forward(connection: Connection, engine: Any, name: str, host: int, guest: int) -> None:
    engine.addRedirect(name, connection.value_of("NATProtocol", "TCP"), LOOPBACK, host, "", guest)


def _clear(connection: Connection, adapter: Any) -> None:
    if not adapter.enabled:
        return
    _set_forwards(connection, adapter, ())
    adapter.attachmentType = connection.value_of("NetworkAttachmentType", "Null")
    adapter.enabled = False


def _plug(connection: Connection, adapter: Any, wanted: Attachment) -> None:
    """Plug an adapter into a network, with the forwards of a NAT attachment."""
    type_name, attribute = networks.attachment_of(wanted.kind, connection.version)
    attachment = connection.value_of("NetworkAttachmentType", type_name)
    if attribute and getattr(adapter, attribute) != wanted.name:
        setattr(adapter, attribute, wanted.name)
    if wanted.kind == "nat" and str(adapter.NATEngine.network or "") != wanted.subnet:
        adapter.NATEngine.network = wanted.subnet
    if adapter.attachmentType != attachment:
        adapter.attachmentType = attachment
    _set_forwards(connection, adapter, wanted.forwards if wanted.kind == "nat" else ())


def _set_forwards(connection: Connection, adapter: Any, forwards: Sequence[tuple[int, int]]) -> None:
    wanted = {_rule_name(number, *pair): pair for number, pair in enumerate(forwards)}
    kept = set()
    for rule in _rules(connection, adapter):
        pair = (rule["host_port"], rule["guest_port"])
        exact = rule["tcp"] and rule["host"] == LOOPBACK and not rule["guest"]
        if exact and wanted.get(rule["name"]) == pair:
            kept.add(rule["name"])
        else:
            adapter.NATEngine.removeRedirect(rule["name"])
    for name, (host, guest) in wanted.items():
        if name not in kept:
            _add_forward(connection, adapter.NATEngine, name, host, guest)


def _rule_name(number: int, host: int, guest: int) -> str:
    return f"{RULE}{number:02}-{host}-{guest}"  # VirtualBox gives rules back by name: so they keep their order


def set_adapters(connection: Connection, call: Call[SetAdapters]) -> None:
    """Give a machine exactly these adapters; while it runs, only what VirtualBox then allows."""
    machine = lookup.find_machine(connection, call.arguments.handle)
    with connection.errors(Told("reading-the-machine")):
        marks.check_ours(machine)
        now = settings_of(read_adapters(connection, machine))
        wanted = settings_of(call.arguments.adapters)
        told = Told("adapters-changed-meanwhile", {"machine": str(machine.name)})
        if not repeating.still_to_do(call, now, wanted, told, _setting):
            return
        running = is_up(connection, machine)
    with locked(connection, machine, Told("setting-adapters")) as session:
        write_adapters(connection, session.machine, call.arguments.adapters, running=running)
        session.machine.saveSettings()


def plug_adapter(connection: Connection, call: Call[PlugAdapter]) -> None:
    """Plug one adapter into another network, or its cable in or out."""
    machine = lookup.find_machine(connection, call.arguments.handle)
    slot, attachment, cable = call.arguments.slot, call.arguments.attachment, call.arguments.cable
    with connection.errors(Told("reading-the-machine")):
        marks.check_ours(machine)
        adapter = machine.getNetworkAdapter(slot - 1)
        if not adapter.enabled:
            raise Failure("no-adapter", Told("no-adapter", {"machine": str(machine.name), "slot": slot}))
        read = read_adapter(connection, adapter)
        told = Told("adapter-changed-meanwhile", {"machine": str(machine.name), "slot": slot})
        if not _is_to_be_plugged(call, read, told):
            return
        if attachment is not None and is_up(connection, machine):
            before = networks.ports([read.attachment])
            networks.check_ports(networks.ports([attachment]) - before, str(machine.name))
    with locked(connection, machine, Told("changing-adapter", {"slot": slot})) as session:
        adapter = session.machine.getNetworkAdapter(slot - 1)
        if attachment is not None:
            _plug(connection, adapter, attachment)
        if cable is not None:
            adapter.cableConnected = cable
        session.machine.saveSettings()


def _is_to_be_plugged(call: Call[PlugAdapter], read: Adapter, told: Told) -> bool:
    attachment, cable = call.arguments.attachment, call.arguments.cable
    wanted = read if attachment is None else replace(read, attachment=attachment)
    if cable is not None:
        wanted = replace(wanted, cable=cable)
    now, then = settings_of([read]), settings_of([wanted])
    if attachment is None:  # what it is plugged into is somebody else's affair
        now, then = ({key: each[key] for key in each if key.endswith("cable")} for each in (now, then))
    elif cable is None:
        now, then = ({key: each[key] for key in each if not key.endswith("cable")} for each in (now, then))
    return repeating.still_to_do(call, now, then, told, _setting)
