"""What is noted on a machine of ours about disks besides its first, in its extra data.

Where a disk lies proves nothing, so each that we made is noted by its UUID. Those that are being made are noted before,
by their files' names without ending, so that looking for the files that settings name does not find these.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

from vboxlab.lazily import dataclass

KEY = "vboxlab/disks"
ENDING = ".vdi"


@dataclass(frozen=True)
class Entry:
    """A disk that we made, or attached: its size is in MiB."""

    id: str
    name: str
    size: int
    shared: bool


@dataclass(frozen=True)
class Noted:
    """The disks of a machine, now or once; whether we have changed what is in its drive."""

    disks: tuple[Entry, ...] = ()
    making: tuple[str, ...] = ()
    model: str = ""
    drive: bool = False


def read(machine: Any) -> Noted | None:
    """Return what is noted on a machine, None when that is nothing."""
    return parse(str(machine.getExtraData(KEY) or ""))


def parse(text: str) -> Noted | None:
    """Return what is noted in a text; of one that somebody has damaged, nothing."""
    try:
        found = json.loads(text)
        disks = tuple(Entry(str(e["id"]), str(e["name"]), int(e["size"]), bool(e["shared"])) for e in found["disks"])
        return Noted(disks, tuple(map(str, found["making"])), str(found["model"]), bool(found["drive"]))
    except (ValueError, TypeError, KeyError, RecursionError):
        return None


def write(machine: Any, noted: Noted) -> None:
    """Note it on a machine that a session holds: VirtualBox saves it at once, with all that the session changed."""
    machine.setExtraData(KEY, json.dumps(asdict(noted), ensure_ascii=True, sort_keys=True))


def own(machine: Any) -> set[str]:
    """Return the UUIDs of the disks that we made for a machine alone."""
    noted = read(machine)
    return set() if noted is None else {entry.id for entry in noted.disks if not entry.shared}
