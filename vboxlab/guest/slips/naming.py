"""Slips in names: the host name, and /etc/hosts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from vboxlab.guest.facts import HOSTNAME, Facts
from vboxlab.guest.findings import Finding, Where, in_file
from vboxlab.guest.grammars import hostname, hosts
from vboxlab.guest.grammars.hosts import Hosts
from vboxlab.guest.place import Place
from vboxlab.guest.resources import File, Resource
from vboxlab.guest.wording import clipped
from vboxlab.lazily import dataclass

HOSTS = "/etc/hosts"


@dataclass(frozen=True)
class _Names:
    """The names of a hosts file of ours: those that must have exactly their addresses, and those that may lack some.

    A line of ours ends in the plain host name; with or without the domain in front is a matter of taste.
    """

    plain: dict[str, tuple[str, ...]]
    longer: dict[str, tuple[str, ...]]


def slips(place: Place, resources: Sequence[Resource], facts: Facts) -> Iterator[Finding]:
    """Yield what is wrong with the names that a machine has, and gives to others."""
    machine, expected = place.machine.name, place.machine.hostname
    line, kept = (hostname.read(facts.files[HOSTNAME].data) if HOSTNAME in facts.files else None) or (None, "")
    if facts.hostname != expected:
        code = "hostname-not-applied" if kept == expected else "hostname"
        values = {"found": facts.hostname or "-", "expected": expected, "kept": kept, "path": HOSTNAME}
        yield Finding(code, machine, Where("guest"), values, explains=("hostname",))
    elif kept != expected:
        values = {"found": kept or "-", "expected": expected}
        yield Finding("hostname", machine, Where("file", HOSTNAME, line), values, explains=("hostname",))
    wanted = next((r for r in resources if isinstance(r, File) and r.path == HOSTS), None)
    if wanted is not None and isinstance(wanted.content, str) and HOSTS in facts.files:
        yield from _hosts(machine, _names(wanted.content), hosts.read(facts.files[HOSTS].data))


def same(wanted: bytes, found: bytes) -> bool:
    """Tell whether a hosts file gives the names of another the same addresses."""
    names, there = _names(wanted.decode()), hosts.read(found)
    return all(set(there.addresses(name)) == set(those) for name, those in names.plain.items()) and all(
        set(there.addresses(name)) <= set(those) for name, those in names.longer.items()
    )


def _names(content: str) -> _Names:
    plain: dict[str, list[str]] = {}
    longer: dict[str, list[str]] = {}
    for line in content.splitlines():
        address, *names = line.split() or [""]
        if names and ":" not in address:
            plain.setdefault(names[-1], []).append(address)
            for name in names[:-1]:
                longer.setdefault(name, []).append(address)
    return _Names(_fixed(plain), {name: those for name, those in _fixed(longer).items() if name not in plain})


def _fixed(found: dict[str, list[str]]) -> dict[str, tuple[str, ...]]:
    return {name: tuple(those) for name, those in found.items()}


def _hosts(machine: str, wanted: _Names, found: Hosts) -> Iterator[Finding]:
    """Yield each address that a name lacks, and each that it has besides."""
    wrong = [each for name, those in wanted.plain.items() for each in _name(machine, name, those, found)]
    told = {(each.where.line, each.values["found"]) for each in wrong if "found" in each.values}
    for name, those in wanted.longer.items():
        others = [(line, address) for line, address in found.of(name) if address not in those]
        code = "hosts-extra" if len(others) < len(found.of(name)) else "hosts-other"
        for line, other in others:
            if (line, other) not in told:
                values = {"name": name, "found": other, "address": ", ".join(those)}
                wrong.append(in_file(code, machine, HOSTS, line, **values))
    yield from wrong
    if wrong and found.garbled is not None:
        line, text = found.garbled
        yield in_file("hosts-garbled", machine, HOSTS, line, found=clipped(text))
    lacking = {str(each.values["name"]) for each in wrong if each.code == "hosts-missing"}
    for line, text in found.ignored:
        if any(name in text for name in lacking):
            yield in_file("hosts-ignored", machine, HOSTS, line, found=clipped(text))


def _name(machine: str, name: str, expected: tuple[str, ...], found: Hosts) -> Iterator[Finding]:
    there = found.of(name)
    others = [(line, address) for line, address in there if address not in expected]
    lacking = [address for address in expected if address not in found.addresses(name)]
    for address in lacking:
        if others:
            line, other = others.pop(0)
            yield in_file("hosts-other", machine, HOSTS, line, name=name, found=other, address=address)
        else:
            yield in_file("hosts-missing", machine, HOSTS, None, name=name, address=address)
    for line, other in others:
        yield in_file("hosts-extra", machine, HOSTS, line, name=name, found=other, address=", ".join(expected))
