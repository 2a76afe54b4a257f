"""Reading qcow2 and raw disk files, backing files included.

VirtualBox must not do it: its own qcow2 reader ignores backing files without a word, and writes to the file it opens
(seen with 7.2). Format: QEMU's docs/interop/qcow2.txt.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from vboxlab.errors import BaseError
from vboxlab.hypervisor.virtualbox.disks import SECTOR, Disk, RawDisk, blocks

MAGIC = b"QFI\xfb"
HEADER = struct.Struct(">4sIQIIQIIQQIIQ")  # up to snapshots_offset
FEATURES = struct.Struct(">QQQII")  # version 3: feature bits, refcount order, header length
SUPPORTED_FEATURES = 0b0001  # dirty: reference counts may be wrong, which a reader does not care about
OFFSET_MASK = 0x00FFFFFFFFFFFE00
COMPRESSED = 1 << 62
ZERO = 1
MAX_DEPTH = 16


class Qcow2Disk:
    """A qcow2 file over its backing file, if it has one."""

    def __init__(self, path: Path, stream: BinaryIO, backing: Disk | None) -> None:
        self._path, self._stream, self._backing = path, stream, backing
        stream.seek(0)
        fields = HEADER.unpack(stream.read(HEADER.size))
        _magic, version, _backing_at, _backing_length, bits, self.size, encryption, l1_size, l1_offset = fields[:9]
        features = FEATURES.unpack(stream.read(FEATURES.size))[0] if version >= 3 else 0
        if encryption or version not in (2, 3) or features & ~SUPPORTED_FEATURES:
            raise BaseError(
                f"{path}: this kind of qcow2 file cannot be read",
                details=[f"version {version}, encryption {encryption}, incompatible features {features:#x}"],
                resolution="convert it first: `qemu-img convert -O qcow2 OLD NEW`",
            )
        self._cluster_bits, self._cluster = bits, 1 << bits
        stream.seek(l1_offset)
        self._l1 = struct.unpack(f">{l1_size}Q", stream.read(8 * l1_size))
        self._tables: dict[int, tuple[int, ...]] = {}

    def read(self, offset: int, length: int) -> bytes:
        """Return bytes, from the backing file where this one has none."""
        return b"".join(self._read_cluster(*block) for block in blocks(offset, length, self._cluster))

    def _read_cluster(self, number: int, within: int, length: int) -> bytes:
        entry = self._entry(number)
        if entry & COMPRESSED:
            return self._inflate(entry)[within : within + length]
        at = entry & OFFSET_MASK
        if entry & ZERO or (at == 0 and self._backing is None):
            return bytes(length)
        if at == 0:
            assert self._backing is not None  # noqa: S101 -- looked at above
            return self._read_backing(self._backing, number * self._cluster + within, length)
        self._stream.seek(at + within)
        return self._stream.read(length).ljust(length, b"\0")

    @staticmethod
    def _read_backing(backing: Disk, offset: int, length: int) -> bytes:
        there = max(0, min(length, backing.size - offset))
        return (backing.read(offset, there) if there else b"").ljust(length, b"\0")

    def _entry(self, cluster: int) -> int:
        per_table = self._cluster // 8
        table_at = self._l1[cluster // per_table] & OFFSET_MASK
        if table_at == 0:
            return 0
        if table_at not in self._tables:
            self._stream.seek(table_at)
            self._tables[table_at] = struct.unpack(f">{per_table}Q", self._stream.read(self._cluster))
        return int(self._tables[table_at][cluster % per_table])

    def _inflate(self, entry: int) -> bytes:
        split = 62 - (self._cluster_bits - 8)
        at = entry & ((1 << split) - 1)
        sectors = ((entry & (COMPRESSED - 1)) >> split) + 1
        self._stream.seek(at)
        packed = self._stream.read(sectors * SECTOR - at % SECTOR)
        return zlib.decompressobj(-12).decompress(packed, self._cluster).ljust(self._cluster, b"\0")


def is_qcow2(path: Path) -> bool:
    """Tell whether a file is a qcow2 disk."""
    with path.open("rb") as stream:
        return stream.read(4) == MAGIC


@contextmanager
def open_disk(path: Path, depth: int = 0) -> Iterator[Disk]:
    """Open a qcow2 file (known by its first bytes) or a raw one for reading. Raises BaseError."""
    if depth > MAX_DEPTH:
        raise BaseError(f"{path}: too many backing files behind each other")
    try:
        stream = path.open("rb")
    except OSError as error:
        raise BaseError(f"{path}: cannot be read", details=[str(error)]) from error
    with stream:
        head = stream.read(HEADER.size)
        if head[:4] != MAGIC:
            yield RawDisk(stream, path.stat().st_size)
            return
        name_at, name_length = struct.unpack_from(">QI", head, 8)
        if not name_at:
            yield Qcow2Disk(path, stream, None)
            return
        stream.seek(name_at)
        name = stream.read(name_length).decode(errors="surrogateescape")
        with open_disk(path.parent / name, depth + 1) as backing:
            yield Qcow2Disk(path, stream, backing)
