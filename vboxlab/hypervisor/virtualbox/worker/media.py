"""What machines get of the disks and drives of the VM that they are clones of: judged from a description, no effects.

Clones hang on differencing children of a snapshot. What a snapshot does not hold would be shared with the VM itself and
among the clones, so it is left out, or refused where a clone would be nothing without it. Kinds of disks: VirtualBox
manual, "Special Image Write Modes"; IMedium::type.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

DISK = "HardDisk"
DRIVES = {"DVD": "DVD drive", "Floppy": "floppy drive"}
# Kinds that machines write to differencing children of, each to its own.
HELD = frozenset({"Normal", "MultiAttach"})
SHARED = "no snapshot holds it, and every machine would write to that very file"
NOT_HELD = {
    "Writethrough": SHARED,
    "Shareable": SHARED,
    "Immutable": "machines would lose what they wrote to it whenever they start",
}

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
    def place(self) -> str:
        """Return where it is, for people."""
        return f"{self.controller} port {self.port}" + (f" device {self.device}" if self.device else "")


@dataclass(frozen=True)
class Judgement:
    """What machines get of one medium, and why it is not the thing itself. No medium: it is about the whole VM."""

    medium: Medium | None
    outcome: Outcome
    why: str = ""

    def __str__(self) -> str:
        if self.medium is None:
            return self.why
        what = f"{self.medium.place}: {self.medium.path}"
        if self.outcome == "link":
            return f"{what}: every machine writes to a differencing disk of its own"
        if self.outcome == "empty":
            return f"{what}: machines have an empty {DRIVES[self.medium.type]}" + (f" ({self.why})" if self.why else "")
        return f"{what}: {'left out: ' if self.outcome == 'leave out' else ''}{self.why}"


def judge(media: Sequence[Medium]) -> list[Judgement]:
    """Return what machines get of a VM's media, in the order of its controllers; of empty drives nothing is said."""
    found = list(_judged(media))
    if not any(medium.type == DISK for medium in media):
        found.append(Judgement(None, "refuse", "it has no hard disk: there is nothing to clone"))
    return found


def refusals(judgements: Sequence[Judgement]) -> list[str]:
    """Return why no machines can be made, empty when they can."""
    return [str(judgement) for judgement in judgements if judgement.outcome == "refuse"]


def _judged(media: Sequence[Medium]) -> Iterator[Judgement]:
    first = next((medium for medium in media if medium.type == DISK), None)
    for medium in media:
        if medium.type != DISK:
            if medium.path:
                yield Judgement(medium, "empty", _why_empty(medium))
            continue
        why = _why_not(medium)
        if not why:
            yield Judgement(medium, "link")
        elif (
            medium is first or not medium.present
        ):  # nothing starts without its first disk, nor is a broken one guessed
            yield Judgement(medium, "refuse", why)
        else:
            yield Judgement(medium, "leave out", why)


def _why_not(disk: Medium) -> str:
    if not disk.present:
        return "it cannot be read: its file is gone or damaged"
    if disk.physical:
        return "it is a disk of this computer itself"
    if disk.kind in HELD:
        return ""
    return f"it is {disk.kind.lower()}: {NOT_HELD.get(disk.kind, 'vboxlab does not know that kind')}"


def _why_empty(medium: Medium) -> str:
    if medium.physical:
        return "this is a drive of this computer itself"
    return "" if medium.present else "the file is gone"
