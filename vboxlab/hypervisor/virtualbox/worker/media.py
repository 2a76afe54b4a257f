"""What machines get of the disks and drives of the VM that they are clones of: judged from a description, no effects.

Clones hang on differencing children of a snapshot. What a snapshot does not hold would be shared with the VM itself and
among the clones, so it is left out, or refused where a clone would be nothing without it. Kinds of disks: VirtualBox
manual, "Special Image Write Modes"; IMedium::type.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Literal

from vboxlab.hypervisor.virtualbox.worker.told import Told
from vboxlab.lazily import dataclass

DISK = "HardDisk"
# Kinds that machines write to differencing children of, each to its own.
HELD = frozenset({"Normal", "MultiAttach"})
Outcome = Literal["link", "leave out", "empty", "refuse"]


@dataclass(frozen=True)
class Medium:
    """What is in one place of a VM's storage controllers, in VirtualBox's words (DeviceType, MediumType)."""

    controller: str
    port: int
    device: int
    type: str
    path: str = ""  # "" for a drive with nothing in it
    kind: str = "Normal"  # of a disk: that of the first of its chain
    present: bool = True  # it can be read
    physical: bool = False  # a drive or disk of the host itself

    @property
    def place(self) -> Told:
        """Return where it is."""
        if self.device:
            return Told("port-and-device", {"controller": self.controller, "port": self.port, "device": self.device})
        return Told("port", {"controller": self.controller, "port": self.port})


@dataclass(frozen=True)
class Judgement:
    """What machines get of one medium, and why it is not the thing itself. No medium: the VM has no disk."""

    medium: Medium | None
    outcome: Outcome
    why: Told | None = None

    @property
    def told(self) -> Told:
        """Return it as what is to be told."""
        if self.medium is None:
            return Told("no-disk")
        place, path = self.medium.place, self.medium.path
        if self.outcome == "link":
            return Told("disk-linked", {"place": place, "path": path})
        if self.outcome == "empty":
            drive = self.medium.type
            if self.why is None:
                return Told("drive-emptied", {"place": place, "path": path, "drive": drive})
            return Told("drive-emptied-since", {"place": place, "path": path, "drive": drive, "why": self.why})
        if self.outcome == "leave out":
            return Told("disk-left-out", {"place": place, "path": path, "why": self.why})
        return Told("disk-refused", {"place": place, "path": path, "why": self.why})


def judge(media: Sequence[Medium]) -> list[Judgement]:
    """Return what machines get of a VM's media, in the order of its controllers; of empty drives nothing is said."""
    found = list(_judged(media))
    if not any(medium.type == DISK for medium in media):
        found.append(Judgement(None, "refuse"))
    return found


def refusals(judgements: Sequence[Judgement]) -> list[Told]:
    """Return why no machines can be made, empty when they can."""
    return [judgement.told for judgement in judgements if judgement.outcome == "refuse"]


def _judged(media: Sequence[Medium]) -> Iterator[Judgement]:
    first = next((medium for medium in media if medium.type == DISK), None)
    for medium in media:
        if medium.type != DISK:
            if medium.path:
                yield Judgement(medium, "empty", _why_empty(medium))
            continue
        why = _why_not(medium)
        if why is None:
            yield Judgement(medium, "link")
        elif (
            medium is first or not medium.present
        ):  # nothing starts without its first disk, nor is a broken one guessed
            yield Judgement(medium, "refuse", why)
        else:
            yield Judgement(medium, "leave out", why)


def _why_not(disk: Medium) -> Told | None:
    if not disk.present:
        return Told("disk-gone-or-damaged")
    if disk.physical:
        return Told("disk-of-host")
    if disk.kind in HELD:
        return None
    kind = disk.kind.lower()
    if disk.kind in ("Writethrough", "Shareable"):
        return Told("disk-shared", {"kind": kind})
    if disk.kind == "Immutable":
        return Told("disk-immutable", {"kind": kind})
    return Told("disk-kind-unknown", {"kind": kind})


def _why_empty(medium: Medium) -> Told | None:
    if medium.physical:
        return Told("drive-of-host")
    return None if medium.present else Told("file-gone")
