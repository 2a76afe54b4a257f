"""How adapters as they are differ from what they shall be: the one comparison, told in whatever words. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from vboxlab.language import C_, _
from vboxlab.lazily import dataclass
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
    found, wanted, slot = difference.found, difference.wanted, difference.slot
    if wanted is None or found is None:
        if wanted is not None:
            text = _("adapter {slot} is missing, expected on {network}")
            yield text.format(slot=slot, network=wanted.attachment)
        elif found is not None:
            yield _("adapter {slot} on {network} is not expected").format(slot=slot, network=found.attachment)
        return
    have, need = found.attachment, wanted.attachment
    match difference.kind:
        case "network":
            yield _("adapter {slot} is on {found}, expected {wanted}").format(slot=slot, found=have, wanted=need)
        case "nat":
            if have.forwards != need.forwards:
                yield _forwards(slot, have.forwards, need.forwards)
            if have.subnet != need.subnet:
                text = _("adapter {slot} has network {found}, expected {wanted}")
                default = C_("network", "default")
                yield text.format(slot=slot, found=have.subnet or default, wanted=need.subnet or default)
        case "cable" if wanted.cable:
            yield _("adapter {slot} has its cable unplugged").format(slot=slot)
        case "cable":
            yield _("adapter {slot} has its cable plugged in, expected unplugged").format(slot=slot)
        case _:
            yield _("adapter {slot} has MAC {found}, expected {wanted}").format(
                slot=slot, found=found.mac, wanted=wanted.mac
            )


def _forwards(slot: int, found: tuple[Forward, ...], wanted: tuple[Forward, ...]) -> str:
    """Tell of forwards that differ: a port alone is one of TCP on 127.0.0.1."""
    if found and wanted:
        text = _("adapter {slot} forwards port {found}, expected port {wanted}")
    elif wanted:
        text = _("adapter {slot} forwards no port, expected port {wanted}")
    else:
        text = _("adapter {slot} forwards port {found}, expected no port")
    return text.format(slot=slot, found=", ".join(map(str, found)), wanted=", ".join(map(str, wanted)))
