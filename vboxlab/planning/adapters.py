"""How adapters as they are differ from what they shall be: the one comparison, told in whatever words. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from vboxlab.planning.observed import AdapterState, Attachment, Forward

Kind = Literal["missing", "extra", "network", "nat", "cable", "mac"]
"""`network`: another one; `nat`: the same kind of NAT, with another address range or other forwards."""


@dataclass(frozen=True)
class AdapterDifference:
    """One way in which the adapter in a slot differs; a missing one was not found, an extra one is not wanted."""

    slot: int
    kind: Kind
    wanted: AdapterState | None
    found: AdapterState | None


def compare(wanted: tuple[AdapterState, ...], found: tuple[AdapterState, ...]) -> list[AdapterDifference]:
    """Return every difference, by slot; empty when there is none."""
    have = {adapter.slot: adapter for adapter in found}
    need = {adapter.slot: adapter for adapter in wanted}
    return [
        AdapterDifference(slot, kind, need.get(slot), have.get(slot))
        for slot in sorted(have.keys() | need.keys())
        for kind in _kinds(need.get(slot), have.get(slot))
    ]


def _kinds(wanted: AdapterState | None, found: AdapterState | None) -> Iterator[Kind]:
    if wanted is None or found is None:
        yield "missing" if found is None else "extra"
        return
    if not same_network(wanted.attachment, found.attachment):
        yield "network"
    elif wanted.attachment != found.attachment:
        yield "nat"
    if wanted.cable != found.cable:
        yield "cable"
    if wanted.mac.upper() != found.mac.upper():
        yield "mac"


def same_network(one: Attachment, other: Attachment) -> bool:
    """Tell whether two adapters are plugged into the same network, whatever its addresses and forwards are."""
    return (one.kind, one.name) == (other.kind, other.name)


def devices(adapters: tuple[AdapterState, ...]) -> set[tuple[int, str]]:
    """Return what a guest sees of its adapters and no machine that is on can change: slots and MAC addresses."""
    return {(adapter.slot, adapter.mac.upper()) for adapter in adapters}


def in_words(wanted: tuple[AdapterState, ...], found: tuple[AdapterState, ...]) -> list[str]:
    """Return how the adapters found differ from those wanted, a text each; empty when they do not."""
    return [text for difference in compare(wanted, found) for text in _words(difference)]


def _words(difference: AdapterDifference) -> Iterator[str]:
    found, wanted, which = difference.found, difference.wanted, f"adapter {difference.slot}"
    if wanted is None or found is None:
        if wanted is not None:
            yield f"{which} is missing, expected on {wanted.attachment}"
        elif found is not None:
            yield f"{which} on {found.attachment} is not expected"
        return
    have, need = found.attachment, wanted.attachment
    match difference.kind:
        case "network":
            yield f"{which} is on {have}, expected {need}"
        case "nat":
            if have.forwards != need.forwards:
                yield f"{which} forwards {ports(have.forwards)}, expected {ports(need.forwards)}"
            if have.subnet != need.subnet:
                yield f"{which} has network {have.subnet or 'default'}, expected {need.subnet or 'default'}"
        case "cable":
            cable = "has its cable unplugged" if wanted.cable else "has its cable plugged in, expected unplugged"
            yield f"{which} {cable}"
        case _:
            yield f"{which} has MAC {found.mac}, expected {wanted.mac}"


def ports(forwards: tuple[Forward, ...]) -> str:
    """Return forwards in words: a port alone is one of TCP on 127.0.0.1."""
    return f"port {', '.join(map(str, forwards))}" if forwards else "no port"
