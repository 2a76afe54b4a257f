"""Whether Heartbeat's files in other words mean the same. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from vboxlab.guest.facts import Facts
from vboxlab.guest.grammars.ha_cf import TIMES, HaCf, read_ha_cf
from vboxlab.guest.grammars.haresources import Taken, read_haresources
from vboxlab.roles.heartbeat.slips import HA_CF, HARESOURCES

_IN_THE_MEANING = frozenset({*TIMES, "node", "bcast", "ucast", "mcast", "udpport", "ping", "auto_failback"})


def means_the_same(path: str, wanted: bytes, found: bytes, facts: Facts) -> bool:
    """Tell whether a file of which no slip tells lets Heartbeat do the same as ours does; in doubt it does not."""
    if path == HA_CF:
        one, other = (read_ha_cf(data, facts.hostname, frozenset(facts.interfaces), {}) for data in (wanted, found))
        meaning = other.meaning()
        return meaning is not None and meaning == one.meaning() and _besides(one) == _besides(other)
    return path == HARESOURCES and _taken(wanted) == _taken(found)


def _besides(found: HaCf) -> dict[str, str]:
    """Return what else is said, such as where to log."""
    return {word: text for word, (_line, text) in found.given.items() if word not in _IN_THE_MEANING}


def _taken(data: bytes) -> Mapping[str, Taken]:
    """Return what each node has that takes its resources, where it has all scripts and interfaces that are named."""
    lines = read_haresources(data, frozenset()).lines
    words = [word for line in lines for word in line.words]
    interfaces = {floating.interface for word in words if word.is_address and (floating := word.floating()) is not None}
    read = read_haresources(data, {line.node for line in lines})
    taken = {line.node: read.taken(line.node, {word.script for word in words}, interfaces) for line in lines}
    return {node: each for node, each in taken.items() if each != Taken()}
