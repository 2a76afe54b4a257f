"""Slips in the network's files (interfaces(5)), and files that were not taken into use."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import field
from ipaddress import IPv4Interface

from vboxlab.guest.facts import Facts, FileFact
from vboxlab.guest.findings import Finding, Where, in_file
from vboxlab.guest.place import Place
from vboxlab.lazily import dataclass
from vboxlab.topology.addressing import MANAGEMENT_INTERFACE, interface_name
from vboxlab.topology.model import Adapter

INTERFACES = "/etc/network/interfaces"


@dataclass
class Stanza:
    """One `iface` stanza: its line, its method, and the line and value of each option."""

    line: int
    method: str
    options: dict[str, tuple[int, str]] = field(default_factory=dict)


def slips(place: Place, facts: Facts) -> Iterator[Finding]:
    """Yield what is wrong with a machine's interfaces and routes."""
    if INTERFACES in facts.files:
        stanzas, automatic = stanzas_of(facts.files[INTERFACES])
        for adapter in place.machine.adapters:
            if adapter.address is not None:
                written = list(_written(place.machine.name, adapter, stanzas, automatic, facts))
                yield from written
                if not written:
                    yield from _live(place.machine.name, adapter, facts)


def stanzas_of(file: FileFact) -> tuple[dict[str, Stanza], set[str]]:
    """Return the IPv4 stanzas of an interfaces file by interface, and the interfaces that come up by themselves."""
    stanzas: dict[str, Stanza] = {}
    automatic: set[str] = set()
    current: Stanza | None = None
    for number, line in file.lines:
        match line.split():
            case ["iface", name, "inet", method, *_]:
                current = stanzas.setdefault(name, Stanza(number, method))
            case [("iface" | "mapping" | "source" | "source-directory"), *_]:
                current = None
            case [word, *names] if word == "auto" or word.startswith("allow-"):
                automatic.update(names)
                current = None
            case [option, *values] if current is not None:
                current.options.setdefault(option, (number, " ".join(values)))
            case _:
                pass
    return stanzas, automatic


def _written(
    machine: str, adapter: Adapter, stanzas: dict[str, Stanza], automatic: set[str], facts: Facts
) -> Iterator[Finding]:
    """Yield what is wrong with the stanza of an adapter."""
    name = interface_name(adapter.slot)
    method = "dhcp" if adapter.address == "dhcp" else "static"
    stanza = stanzas.get(name)
    if stanza is None:
        strange = next((n for n in stanzas if n not in facts.interfaces and n != MANAGEMENT_INTERFACE), None)
        if strange is not None:
            line = stanzas[strange].line
            yield in_file("interfaces-name", machine, INTERFACES, line, found=strange, expected=name)
        else:
            yield in_file("interfaces-missing", machine, INTERFACES, None, interface=name, method=method)
        return
    if name not in automatic:
        yield in_file("interfaces-not-auto", machine, INTERFACES, stanza.line, interface=name)
    if stanza.method != method:
        values = {"interface": name, "found": stanza.method, "expected": method}
        yield in_file("interfaces-method", machine, INTERFACES, stanza.line, **values)
    elif isinstance(adapter.address, IPv4Interface):
        yield from _address(machine, name, adapter.address, stanza)
        yield from _gateway(machine, name, adapter, stanza)


def _address(machine: str, name: str, expected: IPv4Interface, stanza: Stanza) -> Iterator[Finding]:
    line, text = stanza.options.get("address", (stanza.line, ""))
    mask = stanza.options.get("netmask", (0, ""))[1]
    values = {"interface": name, "found": text, "expected": str(expected)}
    if not text:
        yield in_file("interfaces-no-address", machine, INTERFACES, line, **values)
    elif "/" not in text and not mask and text == str(expected.ip):
        yield in_file("interfaces-no-prefix", machine, INTERFACES, line, **values)
    elif _interface(text, mask) != expected:
        values["found"] = f"{text}/{mask}" if mask and "/" not in text else text
        yield in_file("interfaces-address", machine, INTERFACES, line, **values)


def _interface(address: str, mask: str) -> IPv4Interface | None:
    try:
        return IPv4Interface(address if "/" in address or not mask else f"{address}/{mask}")
    except ValueError:
        return None


def _gateway(machine: str, name: str, adapter: Adapter, stanza: Stanza) -> Iterator[Finding]:
    line, found = stanza.options.get("gateway", (stanza.line, ""))
    expected = str(adapter.gateway) if adapter.gateway is not None else ""
    values = {"interface": name, "found": found, "expected": expected}
    if expected and not found:
        yield in_file("interfaces-no-gateway", machine, INTERFACES, line, **values)
    elif expected and found != expected:
        yield in_file("interfaces-gateway", machine, INTERFACES, line, **values)
    elif found and not expected:
        yield in_file("interfaces-extra-gateway", machine, INTERFACES, line, "warning", **values)


def _live(machine: str, adapter: Adapter, facts: Facts) -> Iterator[Finding]:
    """Yield what of a file that is right has not been taken into use."""
    name = interface_name(adapter.slot)
    where, explains = Where("interface", name), (f"interface:{name}",)
    now = facts.addresses.get(name, ())
    if isinstance(adapter.address, IPv4Interface) and str(adapter.address) not in now:
        values = {"interface": name, "found": ", ".join(now) or "-", "expected": str(adapter.address)}
        yield Finding("address-live", machine, where, values, explains=explains)
    elif adapter.gateway is not None and (str(adapter.gateway), name) not in facts.gateways:
        yield Finding("gateway-live", machine, where, {"gateway": str(adapter.gateway)}, explains=explains)
