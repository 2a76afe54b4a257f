"""What a disk file is to its readers and to the writer of VirtualBox's own format: bytes at offsets."""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO, Protocol

SECTOR = 512


class Disk(Protocol):
    """A disk's contents."""

    size: int

    def read(self, offset: int, length: int) -> bytes:
        """Return bytes, zeros where nothing was ever written."""


class RawDisk:
    """A raw disk file."""

    def __init__(self, stream: BinaryIO, size: int) -> None:
        self._stream = stream
        self.size = size

    def read(self, offset: int, length: int) -> bytes:
        """Return bytes of the file."""
        self._stream.seek(offset)
        return self._stream.read(length).ljust(length, b"\0")


def blocks(offset: int, length: int, size: int) -> Iterator[tuple[int, int, int]]:
    """Yield the blocks of a size that a range touches: number, first byte wanted within it, how many from there."""
    while length > 0:
        number, within = divmod(offset, size)
        part = min(length, size - within)
        yield number, within, part
        offset, length = offset + part, length - part
