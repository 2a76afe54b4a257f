"""Adapters: what they are plugged into, read and written. Slots are 0..7 for VirtualBox and 1..8 for people."""

from __future__ import annotations

from typing import Any

from vboxlab.hypervisor.virtualbox.worker import lookup, marks, networks, repeating
from vboxlab.hypervisor.virtualbox.worker.connection import Connection
from vboxlab.hypervisor.virtualbox.worker.protocol import Call, Failure
from vboxlab.hypervisor.virtualbox.worker.sessions import is_up, locked
from vboxlab.listening import LOOPBACK

SLOTS = range(8)  # a PIIX3 chipset has eight adapters (VirtualBox manual, "Introduction to Networking Modes")
RULE = "vboxlab-"


def read_adapters(connection: Connection, machine: Any) -> list[dict[str, Any]]:
    """Return the enabled adapters of a machine."""
    adapters = (machine.getNetworkAdapter(number) for number in SLOTS)
    return [read_adapter(connection, adapter) for adapter in adapters if adapter.enabled]


def read_adapter(connection: Connection, adapter: Any) -> dict[str, Any]:
    """Return one adapter as it is. A kind of attachment that we do not have is given by VirtualBox's name."""
    kind, attribute = networks.kind_of(connection.name_of("NetworkAttachmentType", adapter.attachmentType))
    read = {
        "slot": int(adapter.slot) + 1,
        "kind": kind,
        "name": str(getattr(adapter, attribute)) if attribute else "",
        "subnet": "",
        "forwards": [],
        "other_forwards": [],
        "mac": str(adapter.MACAddress).upper(),
        "cable": bool(adapter.cableConnected),
    }
    if kind == "nat":
        read["subnet"] = str(adapter.NATEngine.network or "")
        rules = _rules(connection, adapter)
        read["forwards"] = [[rule["host_port"], rule["guest_port"]] for rule in rules if _is_plain(rule)]
        read["other_forwards"] = [
            [rule["host_port"], rule["guest_port"], "tcp" if rule["tcp"] else "udp", rule["host"]]
            for rule in rules
            if not _is_plain(rule)
        ]
    return read


def _is_plain(rule: dict[str, Any]) -> bool:
    return bool(rule["tcp"]) and rule["host"] == LOOPBACK


def settings_of(adapters: list[dict[str, Any]]) -> dict[str, Any]:
    """Return adapters as a flat mapping, one entry a setting, to be compared one by one."""
    found: dict[str, Any] = {}
    for adapter in adapters:
        slot = adapter["slot"]
        found.update({f"adapter {slot} {key}": adapter[key] for key in ("kind", "name", "subnet", "mac", "cable")})
        for host_port, guest_port in adapter["forwards"]:
            found[f"adapter {slot} forward {host_port}"] = guest_port
    return found


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


def write_adapters(connection: Connection, machine: Any, adapters: list[dict[str, Any]], *, running: bool) -> None:
    """Give a machine exactly these adapters. Raises Failure when that cannot be done while it runs."""
    wanted = {int(adapter["slot"]): adapter for adapter in adapters}
    if running:
        present = read_adapters(connection, machine)
        if {adapter["slot"]: adapter["mac"] for adapter in present} != {n: wanted[n]["mac"] for n in wanted}:
            raise Failure("running", f"{machine.name} must be off to add or remove adapters or change their addresses")
        networks.check_ports(networks.ports(adapters) - networks.ports(present), str(machine.name))
    for number in SLOTS:
        adapter = machine.getNetworkAdapter(number)
        state = wanted.get(number + 1)
        if state is None:
            _clear(connection, adapter)
            continue
        if not running:
            if not adapter.enabled:
                adapter.enabled = True
            if adapter.MACAddress != state["mac"]:
                adapter.MACAddress = state["mac"]
        _plug(connection, adapter, state)
        if bool(adapter.cableConnected) != state["cable"]:
            adapter.cableConnected = state["cable"]


def add_adapters(connection: Connection, machine: Any, adapters: list[dict[str, Any]]) -> None:
    """Give a machine that has no adapter yet these: with fewer calls than to change those that are there."""
    for state in adapters:
        adapter = machine.getNetworkAdapter(state["slot"] - 1)
        adapter.enabled = True
        adapter.MACAddress = state["mac"]
        type_name, attribute = networks.attachment_of(state["kind"], connection.version)
        if attribute:
            setattr(adapter, attribute, state["name"])
        adapter.attachmentType = connection.value_of("NetworkAttachmentType", type_name)
        if state["kind"] == "nat":
            engine = adapter.NATEngine
            engine.network = state["subnet"]
            for number, (host, guest) in enumerate(state["forwards"]):
                _add_forward(connection, engine, _rule_name(number, host, guest), host, guest)
        if not state["cable"]:
            adapter.cableConnected = False


def _add_forward(connection: Connection, engine: Any, name: str, host: int, guest: int) -> None:
    engine.addRedirect(name, connection.value_of("NATProtocol", "TCP"), LOOPBACK, host, "", guest)


def _clear(connection: Connection, adapter: Any) -> None:
    if not adapter.enabled:
        return
    _set_forwards(connection, adapter, [])
    adapter.attachmentType = connection.value_of("NetworkAttachmentType", "Null")
    adapter.enabled = False


def _plug(connection: Connection, adapter: Any, state: dict[str, Any]) -> None:
    """Plug an adapter into a network, with the forwards of a NAT attachment."""
    type_name, attribute = networks.attachment_of(state["kind"], connection.version)
    attachment = connection.value_of("NetworkAttachmentType", type_name)
    if attribute and getattr(adapter, attribute) != state["name"]:
        setattr(adapter, attribute, state["name"])
    if state["kind"] == "nat" and str(adapter.NATEngine.network or "") != state["subnet"]:
        adapter.NATEngine.network = state["subnet"]
    if adapter.attachmentType != attachment:
        adapter.attachmentType = attachment
    _set_forwards(connection, adapter, state["forwards"] if state["kind"] == "nat" else [])


def _set_forwards(connection: Connection, adapter: Any, forwards: list[list[int]]) -> None:
    wanted = {_rule_name(number, *pair): pair for number, pair in enumerate(forwards)}
    kept = set()
    for rule in _rules(connection, adapter):
        pair = [rule["host_port"], rule["guest_port"]]
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


def set_adapters(connection: Connection, call: Call) -> None:
    """Give a machine exactly these adapters; while it runs, only what VirtualBox then allows."""
    machine = lookup.find_machine(connection, call.arguments["handle"])
    with connection.errors("reading the machine"):
        marks.check_ours(machine)
        now = settings_of(read_adapters(connection, machine))
        wanted = settings_of(call.arguments["adapters"])
        if not repeating.still_to_do(call, now, wanted, f"adapters of {machine.name}"):
            return
        running = is_up(connection, machine)
    with locked(connection, machine, "setting adapters") as session:
        write_adapters(connection, session.machine, call.arguments["adapters"], running=running)
        session.machine.saveSettings()


def plug_adapter(connection: Connection, call: Call) -> None:
    """Plug one adapter into another network, or its cable in or out."""
    machine = lookup.find_machine(connection, call.arguments["handle"])
    slot = int(call.arguments["slot"])
    with connection.errors("reading the machine"):
        marks.check_ours(machine)
        adapter = machine.getNetworkAdapter(slot - 1)
        if not adapter.enabled:
            raise Failure("no-adapter", f"{machine.name} has no adapter {slot}")
        read = read_adapter(connection, adapter)
        if not _is_to_be_plugged(call, read, f"adapter {slot} of {machine.name}"):
            return
        if "attachment" in call.arguments and is_up(connection, machine):
            before = networks.ports([read])
            networks.check_ports(networks.ports([call.arguments["attachment"]]) - before, str(machine.name))
    with locked(connection, machine, f"changing adapter {slot}") as session:
        adapter = session.machine.getNetworkAdapter(slot - 1)
        if "attachment" in call.arguments:
            _plug(connection, adapter, call.arguments["attachment"])
        if "cable" in call.arguments:
            adapter.cableConnected = call.arguments["cable"]
        session.machine.saveSettings()


def _is_to_be_plugged(call: Call, read: dict[str, Any], name: str) -> bool:
    wanted = {**read, **call.arguments.get("attachment", {})}
    if "cable" in call.arguments:
        wanted["cable"] = call.arguments["cable"]
    now, then = settings_of([read]), settings_of([wanted])
    if "attachment" not in call.arguments:  # what it is plugged into is somebody else's affair
        now, then = ({key: each[key] for key in each if key.endswith("cable")} for each in (now, then))
    elif "cable" not in call.arguments:
        now, then = ({key: each[key] for key in each if not key.endswith("cable")} for each in (now, then))
    return repeating.still_to_do(call, now, then, name)
