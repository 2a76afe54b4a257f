"""Slips in the network's files: the interfaces', and resolv.conf(5)."""

from __future__ import annotations

from collections.abc import Iterator

from vboxlab.guest.facts import Facts, FileFact
from vboxlab.guest.findings import Finding, in_file
from vboxlab.guest.grammars.interfaces import INTERFACES
from vboxlab.guest.place import Place
from vboxlab.guest.slips import interfaces

__all__ = ["INTERFACES", "RESOLVER", "slips"]
RESOLVER = "/etc/resolv.conf"


def slips(place: Place, facts: Facts) -> Iterator[Finding]:
    """Yield what is wrong with a machine's interfaces, routes and resolver."""
    if INTERFACES in facts.files:
        yield from interfaces.slips(place, facts)
    if RESOLVER in facts.files and place.machine.dns:
        yield from _resolver(place, facts.files[RESOLVER])


def _resolver(place: Place, file: FileFact) -> Iterator[Finding]:
    machine = place.machine
    said: dict[str, list[tuple[int, str]]] = {}
    for number, line in file.lines:
        word, _, rest = line.partition(" ")
        said.setdefault(word, []).append((number, " ".join(rest.split())))
    servers = [value for _, value in said.get("nameserver", [])]
    expected = [str(address) for address in machine.dns]
    if servers != expected:
        line_number = next((number for number, value in said.get("nameserver", []) if value not in expected), None)
        values = {"found": ", ".join(servers) or "-", "expected": ", ".join(expected)}
        yield in_file("resolver", machine.name, RESOLVER, line_number, **values)
    domain = place.topology.domain or ""
    wanted = {"search": " ".join(machine.search or ((domain,) if domain else ()))}
    if machine.resolver_domain:
        wanted["domain"] = domain
    for word, value in wanted.items():
        # `domain` and `search` set the same list (resolv.conf(5)): one of them is as good as the other.
        found = said.get(word) or (said.get("domain") if word == "search" else None) or []
        if value and value not in [text for _, text in found]:
            at = found[0][0] if found else None
            values = {"word": word, "found": found[0][1] if found else "-", "expected": value}
            yield in_file("resolver-search", machine.name, RESOLVER, at, "warning", **values)
