"""Reading VMDK disk files: sparse and stream-optimised ones, and descriptors with flat or sparse extents beside them.

Format: VMware's "Virtual Disk Format 5.0" technical note.
"""

from __future__ import annotations

import re
import struct
import zlib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import BinaryIO

from vboxlab.errors import BaseError
from vboxlab.hypervisor.virtualbox.disks import SECTOR, Disk, RawDisk, blocks

MAGIC = b"KDMV"
DESCRIPTOR_START = b"# Disk DescriptorFile"
# magic, version, flags, capacity, grain size, descriptor at and size, entries a table, spare and real directory,
# overhead (all but the entries in sectors)
HEADER = struct.Struct("<4sIIQQQQIQQQ")
GRAIN = struct.Struct("<QI")  # before a compressed grain: its sector, its length
COMPRESSED = 1 << 16
AT_END = 0xFFFFFFFFFFFFFFFF  # the directory's place stands in the footer, a copy of the header
FOOTER_FROM_END = 1024
ZEROED = 1  # entry of a grain that was filled with zeros
EXTENT = re.compile(r'^(?:RW|RDONLY)\s+(\d+)\s+(FLAT|SPARSE|ZERO|VMFS)(?:\s+"([^"]+)"(?:\s+(\d+))?)?\s*$', re.M)
MAX_DESCRIPTOR = 1 << 16


class SparseVmdk:
    """One sparse extent."""

    def __init__(self, path: Path, stream: BinaryIO) -> None:
        self._path, self._stream = path, stream
        stream.seek(0)
        header = HEADER.unpack(stream.read(HEADER.size))
        if header[9] == AT_END:
            stream.seek(-FOOTER_FROM_END, 2)
            header = HEADER.unpack(stream.read(HEADER.size))
        magic, _version, flags, capacity, grain, descriptor_at, descriptor_size, entries, _spare, directory = header[
            :10
        ]
        if magic != MAGIC or not entries or not grain:
            raise BaseError(f"{path}: its VMDK header is damaged")
        self.size = capacity * SECTOR
        self._compressed = bool(flags & COMPRESSED)
        self._grain, self._entries = grain * SECTOR, entries
        self.descriptor = self._read_at(descriptor_at * SECTOR, descriptor_size * SECTOR)
        tables = -(-self.size // (self._grain * entries))
        self._directory = struct.unpack(f"<{tables}I", self._read_at(directory * SECTOR, 4 * tables))
        self._tables: dict[int, tuple[int, ...]] = {}

    def read(self, offset: int, length: int) -> bytes:
        """Return bytes, zeros where nothing was ever written."""
        return b"".join(
            self._read_grain(number)[within : within + part].ljust(part, b"\0")
            for number, within, part in blocks(offset, length, self._grain)
        )

    def _read_at(self, offset: int, length: int) -> bytes:
        self._stream.seek(offset)
        return self._stream.read(length)

    def _read_grain(self, number: int) -> bytes:
        sector = self._entry(number)
        if sector <= ZEROED:
            return bytes(self._grain)
        if not self._compressed:
            return self._read_at(sector * SECTOR, self._grain)
        _lba, length = GRAIN.unpack(self._read_at(sector * SECTOR, GRAIN.size))
        return zlib.decompress(self._stream.read(length))

    def _entry(self, number: int) -> int:
        which, index = divmod(number, self._entries)
        table_at = self._directory[which] if which < len(self._directory) else 0
        if not table_at:
            return 0
        if which not in self._tables:
            found = self._read_at(table_at * SECTOR, 4 * self._entries)
            self._tables[which] = struct.unpack(f"<{self._entries}I", found)
        return int(self._tables[which][index])


class Extents:
    """Several extents one behind the other; None stands for one of zeros."""

    def __init__(self, parts: list[tuple[int, Disk | None, int]]) -> None:
        self._parts = parts  # size, disk, where in the disk it begins
        self.size = sum(size for size, _, _ in parts)

    def read(self, offset: int, length: int) -> bytes:
        """Return bytes of the extents that the range touches."""
        found = []
        begin = 0
        for size, disk, start in self._parts:
            first, last = max(offset, begin), min(offset + length, begin + size)
            if first < last:
                span = last - first
                found.append(disk.read(start + first - begin, span) if disk else bytes(span))
            begin += size
        return b"".join(found).ljust(length, b"\0")


def is_vmdk(path: Path) -> bool:
    """Tell whether a file is a VMDK, or describes one."""
    with path.open("rb") as stream:
        return stream.read(len(DESCRIPTOR_START)).startswith((MAGIC, DESCRIPTOR_START))


@contextmanager
def open_vmdk(path: Path) -> Iterator[Disk]:
    """Open a VMDK for reading, with the files that it names. Raises BaseError."""
    with ExitStack() as stack:
        stream = stack.enter_context(path.open("rb"))
        if stream.read(4) == MAGIC:
            sparse = SparseVmdk(path, stream)
            _check_alone(path, sparse.descriptor.decode(errors="replace"))
            yield sparse
            return
        stream.seek(0)
        text = stream.read(MAX_DESCRIPTOR).decode(errors="replace")
        _check_alone(path, text)
        yield Extents([_extent(path, match, stack) for match in EXTENT.finditer(text)])


def _check_alone(path: Path, descriptor: str) -> None:
    parent = re.search(r"^parentCID\s*=\s*([0-9a-fA-F]+)", descriptor, re.M)
    if parent and parent[1].lower() != "ffffffff":
        raise BaseError(
            f"{path}: it is a snapshot's disk, of no use without its parent",
            resolution="give the whole disk: clone it in its own program, or export the VM as an OVA",
        )


def _extent(path: Path, match: re.Match[str], stack: ExitStack) -> tuple[int, Disk | None, int]:
    size, kind, name, start = int(match[1]) * SECTOR, match[2], match[3], int(match[4] or 0) * SECTOR
    if kind == "ZERO":
        return size, None, 0
    file = path.parent / (name or "")
    try:
        stream = stack.enter_context(file.open("rb"))
    except OSError as error:
        raise BaseError(f"{path}: its extent {name} cannot be read", details=[str(error)]) from error
    if kind == "SPARSE":
        return size, SparseVmdk(file, stream), 0
    return size, RawDisk(stream, file.stat().st_size), start
