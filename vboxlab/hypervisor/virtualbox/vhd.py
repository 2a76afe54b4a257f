"""Reading VHD disk files, fixed and dynamic (Microsoft's "Virtual Hard Disk Image Format Specification", 2006)."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from vboxlab.errors import BaseError
from vboxlab.hypervisor.virtualbox.disks import SECTOR, Disk, RawDisk, blocks

COOKIE = b"conectix"
FOOTER = 512
DYNAMIC_COOKIE = b"cxsparse"
FIXED, DYNAMIC = 2, 3
FREE = 0xFFFFFFFF


class DynamicVhd:
    """A VHD that has a block only where something was written."""

    def __init__(self, stream: BinaryIO, size: int, header_at: int) -> None:
        self._stream = stream
        self.size = size
        stream.seek(header_at)
        header = stream.read(1024)
        table_at, _version, entries, self._block = struct.unpack_from(">QIII", header, 16)
        if not header.startswith(DYNAMIC_COOKIE) or self._block % SECTOR:
            raise BaseError("the header of a dynamic VHD is damaged")
        # Each block begins with a bitmap of its sectors, rounded up to whole sectors.
        self._bitmap = -(-self._block // SECTOR // 8 // SECTOR) * SECTOR
        stream.seek(table_at)
        self._table = struct.unpack(f">{entries}I", stream.read(4 * entries))

    def read(self, offset: int, length: int) -> bytes:
        """Return bytes, zeros where nothing was ever written."""
        return b"".join(self._read_block(*block) for block in blocks(offset, length, self._block))

    def _read_block(self, number: int, within: int, length: int) -> bytes:
        sector = self._table[number] if number < len(self._table) else FREE
        if sector == FREE:
            return bytes(length)
        self._stream.seek(sector * SECTOR + self._bitmap + within)
        return self._stream.read(length).ljust(length, b"\0")


def is_vhd(path: Path) -> bool:
    """Tell whether a file is a VHD: it ends in a footer, which a few programs wrote one byte short."""
    with path.open("rb") as stream:
        stream.seek(0, 2)
        stream.seek(max(0, stream.tell() - FOOTER))
        return COOKIE in stream.read(16)


@contextmanager
def open_vhd(path: Path) -> Iterator[Disk]:
    """Open a VHD for reading. Raises BaseError for a kind that cannot stand alone."""
    with path.open("rb") as stream:
        end = stream.seek(0, 2)
        stream.seek(max(0, end - FOOTER))
        footer = stream.read()
        footer = footer[footer.index(COOKIE) :]
        (header_at,) = struct.unpack_from(">Q", footer, 16)
        size, kind = struct.unpack_from(">Q8xI", footer, 48)[0], struct.unpack_from(">I", footer, 60)[0]
        if kind == FIXED:
            yield RawDisk(stream, min(size, end))
        elif kind == DYNAMIC:
            yield DynamicVhd(stream, size, header_at)
        else:
            raise BaseError(
                f"{path}: this kind of VHD cannot be read",
                details=[f"its type is {kind}; fixed (2) and dynamic (3) ones can be read"],
                resolution="convert it first: `qemu-img convert -O qcow2 OLD NEW`",
            )
