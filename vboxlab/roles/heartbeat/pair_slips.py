"""Slips that only both nodes together show: keys, and ways on which they do not hear each other.

Names of nodes, times and resources are none of these: each node by itself must have those of the topology.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping

from vboxlab.guest.facts import Facts
from vboxlab.guest.findings import Finding, in_file
from vboxlab.guest.grammars.authkeys import AuthKeys, Key, read_authkeys
from vboxlab.guest.grammars.ha_cf import Medium
from vboxlab.guest.roles import Judged
from vboxlab.lazily import dataclass
from vboxlab.roles.heartbeat.role import HeartbeatRole
from vboxlab.roles.heartbeat.slips import ANOTHERS_KEY, AUTHKEYS, HA_CF, ha_cf, peers


def together(role: HeartbeatRole, nodes: Mapping[str, Judged]) -> Iterator[Finding]:
    """Yield what keeps the first of the nodes and another one from hearing each other."""
    first, *others = nodes.values()
    for other in others:
        departing, fitting = (first, other) if _departs(first) and not _departs(other) else (other, first)
        yield from _keys(departing, fitting)
        yield from _ways(role, other, first)


def _departs(node: Judged) -> bool:
    return node.has(ANOTHERS_KEY)


@dataclass(frozen=True)
class _Keys:
    """The keys of a node that starts: the one that it signs with, all of them, and the digests of the secrets."""

    signs: Key
    read: AuthKeys
    digests: Mapping[int, str]  # by line

    def why_not(self, key: Key, digest: str | None) -> str | None:
        """Return the code of why it does not believe what is signed with another node's key; None where it does."""
        own = self.read.known.get(key.number)
        if own is None or own.method != key.method:
            return "authkeys-pair-key"
        mine = self.digests.get(own.line)
        return "authkeys-pair-secret" if digest and mine and digest != mine else None


def _keys_of(facts: Facts) -> _Keys | None:
    for _rights, text in facts.said.get("authkeys", ()):
        read = read_authkeys(base64.b64decode(text))
        if read.used is not None:
            digests = {int(line): digest.split()[0] for line, digest in facts.said.get("authkeys-digest", ())}
            return _Keys(read.used, read, digests)
    return None


def _keys(node: Judged, other: Judged) -> Iterator[Finding]:
    here, there = _keys_of(node.facts), _keys_of(other.facts)
    if here is None or there is None:
        return
    code = here.why_not(there.signs, there.digests.get(there.signs.line)) or there.why_not(
        here.signs, here.digests.get(here.signs.line)
    )
    if code is not None:
        machine, line = node.place.machine.name, here.signs.line
        yield in_file(code, machine, AUTHKEYS, line, found=_said(here.signs), other=other.place.machine.name,
                      there=_said(there.signs))  # fmt: skip


def _said(key: Key) -> str:
    return f"{key.number} {key.method}"


def _ways(role: HeartbeatRole, node: Judged, other: Judged) -> Iterator[Finding]:
    here, there = _ways_of(role, node), _ways_of(role, other)
    if not here or not there or (_is_heard(here, there) and _is_heard(there, here)):
        return
    yield in_file("hacf-pair-ways", node.place.machine.name, HA_CF, here[0].line, found=_shown(here),
                  other=other.place.machine.name, there=_shown(there))  # fmt: skip


def _ways_of(role: HeartbeatRole, node: Judged) -> list[Medium]:
    """Return the ways that lead to the peer; none where the node does not start, or where one is not read here."""
    file = node.facts.files.get(HA_CF)
    if file is None:
        return []
    found = ha_cf(role, node.place, node.facts, file)
    if found.refused or found.other_media:
        return []
    addresses = set(peers(role, node.place).values())
    return [each for each in found.media
            if each.interface == role.interface and (each.kind != "ucast" or each.target in addresses)]  # fmt: skip


def _is_heard(sender: list[Medium], hearer: list[Medium]) -> bool:
    """Tell whether something that one sends arrives at a port, and in a group, that the other listens to."""
    return any(
        way.port == ear.port and (way.kind != "mcast" or (ear.kind, ear.target) == ("mcast", way.target))
        for way in sender
        for ear in hearer
    )


def _shown(ways: list[Medium]) -> str:
    return ", ".join(f"{' '.join(filter(None, (way.kind, way.interface, way.target)))} ({way.port})" for way in ways)
