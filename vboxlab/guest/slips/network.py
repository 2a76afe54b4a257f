"""Slips in the files of a machine's interfaces (interfaces(5)), and files that were not taken into use."""

from __future__ import annotations

from collections.abc import Iterator

from vboxlab.guest.facts import Facts
from vboxlab.guest.findings import Finding
from vboxlab.guest.grammars.interfaces import INTERFACES
from vboxlab.guest.place import Place
from vboxlab.guest.slips import interfaces

__all__ = ["INTERFACES", "slips"]


def slips(place: Place, facts: Facts) -> Iterator[Finding]:
    """Yield what is wrong with a machine's interfaces and routes."""
    if INTERFACES in facts.files:
        yield from interfaces.slips(place, facts)
