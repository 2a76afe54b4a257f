"""Slips in names: the host name, and /etc/hosts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from vboxlab.guest.facts import HOSTNAME, Facts
from vboxlab.guest.findings import Finding, Where, in_file
from vboxlab.guest.place import Place
from vboxlab.guest.resources import File, Resource

HOSTS = "/etc/hosts"


def slips(place: Place, resources: Sequence[Resource], facts: Facts) -> Iterator[Finding]:
    """Yield what is wrong with the names that a machine has, and gives to others."""
    machine, expected = place.machine.name, place.machine.hostname
    kept = facts.files[HOSTNAME].content.strip() if HOSTNAME in facts.files else ""
    if facts.hostname != expected:
        code = "hostname-not-applied" if kept == expected else "hostname"
        values = {"found": facts.hostname or "-", "expected": expected, "kept": kept, "path": HOSTNAME}
        yield Finding(code, machine, Where("guest"), values, explains=("hostname",))
    elif kept != expected:
        values = {"found": kept or "-", "expected": expected}
        yield Finding("hostname", machine, Where("file", HOSTNAME), values, explains=("hostname",))
    wanted = next((r for r in resources if isinstance(r, File) and r.path == HOSTS), None)
    if wanted is not None and isinstance(wanted.content, str) and HOSTS in facts.files:
        yield from _hosts(machine, _names(wanted.content), facts)


def _names(content: str) -> list[tuple[int, str, str]]:
    """Return line, address and last name of each IPv4 line of a hosts file (hosts(5)), once for each of its names."""
    found = []
    for number, line in enumerate(content.splitlines(), 1):
        address, *names = line.partition("#")[0].split() or [""]
        if ":" not in address:
            found += [(number, address, name) for name in names]
    return found


def _hosts(machine: str, wanted: list[tuple[int, str, str]], facts: Facts) -> Iterator[Finding]:
    found = _names(facts.files[HOSTS].content)
    pairs = {(address, name) for _, address, name in found}
    allowed = {(address, name) for _, address, name in wanted}
    # A line of ours ends in the plain host name; with or without the domain in front is a matter of taste.
    plain = {number: (address, name) for number, address, name in wanted}
    for address, name in plain.values():
        if (address, name) in pairs:
            continue
        other = next(((n, a) for n, a, called in found if called == name and (a, name) not in allowed), None)
        if other is None:
            yield in_file("hosts-missing", machine, HOSTS, None, name=name, address=address)
        else:
            yield in_file("hosts-other", machine, HOSTS, other[0], name=name, found=other[1], address=address)
