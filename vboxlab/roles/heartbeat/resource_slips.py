"""Slips in haresources, judged by what a node has that took its resources."""

from __future__ import annotations

from collections.abc import Iterator, Set
from ipaddress import IPv4Interface

from vboxlab.guest.facts import Facts
from vboxlab.guest.findings import Finding, in_file
from vboxlab.guest.grammars.haresources import ADDRESS_SCRIPTS, Haresources, Taken, Word, read_haresources
from vboxlab.guest.place import Place
from vboxlab.roles.heartbeat.role import HeartbeatRole
from vboxlab.topology.problems import nearest


def haresources(role: HeartbeatRole, place: Place, facts: Facts, path: str, nodes: Set[str]) -> Iterator[Finding]:
    """Yield what is wrong with haresources; `nodes` are those of ha.cf, in small letters.

    What each node has then decides: other words for the same are nothing to tell.
    """
    machine = place.machine.name
    found = read_haresources(facts.files[path].data, nodes)
    master, *others = (place.topology.machines[name].hostname for name in role.nodes)
    services = list(role.services_owned())
    address = f"{'IPaddr' if role.tuning == 'practical' else 'FloatingAddress'}::{role.address}/{role.interface}"
    whole = " ".join((master, address, *services))
    for name, line in found.bad_nodes:
        yield in_file("haresources-bad-node", machine, path, line, found=name, expected=master)
    if not found.lines:
        yield in_file("haresources-empty", machine, path, None, expected=whole)
    if found.bad_nodes or not found.lines:
        return
    interfaces = frozenset(facts.interfaces) | {role.interface}
    scripts = _scripts(facts, found, services)
    taken = found.taken(master.lower(), scripts, interfaces)
    of_others = [found.taken(other.lower(), scripts, interfaces) for other in others]
    if _as_wanted(taken, role) and all(_has_nothing(each, services) for each in of_others):
        yield from _worth_a_word(machine, path, found, taken, services)
        return
    told = list(_reasons(role, machine, path, found, (master, address, services, scripts)))
    yield from told
    if all(each.severity != "error" for each in told):
        line = found.lines[0].number
        yield in_file("haresources-other", machine, path, line, found=_said(taken), expected=whole)


def _scripts(facts: Facts, found: Haresources, services: list[str]) -> Set[str]:
    """Return the resource scripts that the guest has; where it was not asked, there are all."""
    said = facts.said.get("scripts")
    known = {*ADDRESS_SCRIPTS, *services}
    if said is None:
        return known | {word.script for line in found.lines for word in line.words if not nearest(word.script, known)}
    return known | {name for names in said for each in names for name in each.split()}


def _as_wanted(taken: Taken, role: HeartbeatRole) -> bool:
    own: IPv4Interface = role.address
    wanted = [(str(own.ip), own.network.prefixlen, role.interface, str(own.network.broadcast_address))]
    found = [(each.address, each.length, each.interface, each.broadcast) for each in taken.addresses]
    return found == wanted and set(role.services_owned()) <= set(taken.services)


def _has_nothing(taken: Taken, services: list[str]) -> bool:
    return not taken.addresses and not set(taken.services) & set(services)


def _worth_a_word(machine: str, path: str, found: Haresources, taken: Taken, services: list[str]) -> Iterator[Finding]:
    if not taken.address_first:
        yield in_file("haresources-order", machine, path, found.lines[0].number, "hint")
    only = ", ".join(services) or "-"
    for line in found.lines:
        for word in line.words:
            if not word.is_address and word.script not in services:
                yield in_file("haresources-extra-service", machine, path, word.line, "warning",
                              found=word.text, expected=only)  # fmt: skip


_Wanted = tuple[str, str, list[str], Set[str]]


def _reasons(role: HeartbeatRole, machine: str, path: str, found: Haresources, wanted: _Wanted) -> Iterator[Finding]:
    """Yield what in the lines makes it differ."""
    master, address, services, scripts = wanted
    lines = [line for line in found.lines if line.words] or list(found.lines)
    holders = {line.node for line in lines if any(word.is_address for word in line.words)} or {lines[0].node}
    if len(holders) > 1:
        both = next(line for line in lines if line.node != lines[0].node)
        yield in_file("haresources-both", machine, path, both.number, found=", ".join(sorted(holders)), expected=master)
    elif holders != {master.lower()}:
        yield in_file("haresources-node", machine, path, lines[0].number, found=min(holders), expected=master)
    elif len({line.words[0].text for line in lines if line.words}) < len([line for line in lines if line.words]):
        yield in_file("haresources-twice", machine, path, lines[-1].number, expected=f"{master} {address}")
    words = [word for line in lines for word in line.words]
    floating = [word for word in words if word.is_address]
    if not floating:
        yield in_file("haresources-no-address", machine, path, lines[0].number, expected=address)
    for word in floating:
        yield from _address(machine, path, word, role, address)
    yield from _services(machine, path, [word for word in words if not word.is_address], services, scripts)
    for service in _missing(words, services):
        yield in_file("haresources-no-service", machine, path, lines[0].number, service=service)


def _address(machine: str, path: str, word: Word, role: HeartbeatRole, expected: str) -> Iterator[Finding]:
    made, own = word.floating(), role.address
    if made is not None and (made.address, made.length, made.interface) == (
        str(own.ip), own.network.prefixlen, role.interface,
    ) and made.broadcast == str(own.network.broadcast_address):  # fmt: skip
        return
    incomplete = word.arguments in ((str(own.ip),), (str(own),))
    code = "haresources-address-incomplete" if incomplete else "haresources-address"
    yield in_file(code, machine, path, word.line, found=word.text, expected=expected)


def _missing(words: list[Word], services: list[str]) -> list[str]:
    """Return the services that no word stands for, rightly written or nearly so."""
    found = [word.script for word in words if not word.is_address]
    missing = [service for service in services if service not in found]
    for script in found:
        meant = nearest(script, missing) if script not in services else None
        if meant is not None:
            missing.remove(meant)
    return missing


def _services(machine: str, path: str, words: list[Word], services: list[str], scripts: Set[str]) -> Iterator[Finding]:
    found = [word.script for word in words]
    missing = [service for service in services if service not in found]
    only = ", ".join(services) or "-"
    for word in words:
        if word.script in services:
            continue
        meant = nearest(word.script, missing)
        if meant is not None:
            missing.remove(meant)
            yield in_file("haresources-service", machine, path, word.line, found=word.text, expected=meant)
        elif word.script not in scripts:
            yield in_file("haresources-no-script", machine, path, word.line, found=word.text, expected=only)
        else:
            yield in_file("haresources-extra-service", machine, path, word.line, "warning",
                          found=word.text, expected=only)  # fmt: skip


def _said(taken: Taken) -> str:
    return " ".join((*map(str, taken.addresses), *taken.services)) or "-"
