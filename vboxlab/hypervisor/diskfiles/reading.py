"""A file as the readers of formats see it: bytes at offsets, never beyond its end, and never much of it at once."""

from __future__ import annotations

import struct
from typing import BinaryIO

from vboxlab.language import N_, _

SECTOR = 512
# The largest table that a disk within QEMU's limits has: qcow2's first level.
MAX_TABLE = 32 << 20
AGAIN = N_("fetch or copy the file again, and compare its checksum where one is published")
WHOLE = N_("give the whole disk: clone it in the program that made it, or export the VM as an OVA")


class Unfit(Exception):
    """What is wrong with a file, in words that go on after `FILE: it`, and what to do about it.

    What was expected and what to do are only marked for translation: whoever tells them translates them.
    """

    def __init__(self, what: str, resolution: str, *, expected: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.expected = expected
        self.resolution = resolution


class Window:
    """A part of a file, or all of it."""

    def __init__(self, stream: BinaryIO, length: int, start: int = 0) -> None:
        self._stream = stream
        self._start = start
        self.length = length

    def read(self, offset: int, length: int) -> bytes:
        """Return exactly these bytes. Raises Unfit when they are not all there."""
        self.require(offset + length)
        if length > MAX_TABLE:
            raise Unfit(
                _("is damaged: a table of {length} bytes is larger than any disk needs").format(length=length), AGAIN
            )
        self._stream.seek(self._start + offset)
        found = self._stream.read(length)
        if len(found) != length:
            raise cut_short(offset + length, self.length)
        return found

    def start(self, length: int) -> bytes:
        """Return the first bytes, fewer when there are no more."""
        return self.read(0, min(length, self.length))

    def unpack(self, fields: struct.Struct, offset: int) -> tuple[int, ...]:
        """Return the fields of a structure. Raises Unfit when it is not all there."""
        return fields.unpack(self.read(offset, fields.size))

    def table(self, offset: int, count: int, form: str) -> tuple[int, ...]:
        """Return a table of integers; `form` is byte order and type as in the module struct."""
        size = struct.calcsize(form)
        return struct.unpack(f"{form[0]}{count}{form[1]}", self.read(offset, count * size))

    def require(self, end: int) -> None:
        """Raise Unfit when the file ends before."""
        if end > self.length:
            raise cut_short(end, self.length)

    def part(self, offset: int, length: int) -> Window:
        """Return a part as a window of its own."""
        self.require(offset + length)
        return Window(self._stream, length, self._start + offset)


def cut_short(end: int, length: int) -> Unfit:
    """Return what is wrong with a file whose header speaks of more bytes than there are."""
    return Unfit(
        _("is cut short or damaged: {end} bytes belong to it, {length} are there").format(end=end, length=length), AGAIN
    )


def damaged(what: str) -> Unfit:
    """Return what is wrong with a file whose header contradicts itself."""
    return Unfit(_("is damaged: {problem}").format(problem=what), AGAIN)
