"""Headers and tables of qcow2 files (QEMU's docs/interop/qcow2.txt)."""

from __future__ import annotations

import struct

from vboxlab.hypervisor.diskfiles.reading import SECTOR, Unfit, Window, cut_short, damaged
from vboxlab.language import N_, _
from vboxlab.lazily import dataclass

MAGIC = b"QFI\xfb"
# version, backing file at and length, cluster bits, disk size, encryption, entries and place of the first level
HEADER = struct.Struct(">4xIQIIQIIQ")
FEATURES = struct.Struct(">Q20xI")  # version 3, from byte 72: incompatible features, header length
FEATURES_AT = 72
EXTENSION = struct.Struct(">II")
DIRTY, CORRUPT, DATA_FILE, COMPRESSION, LONG_ENTRIES = 1, 2, 4, 8, 16
DATA_FILE_NAME = 0x44415441
LUKS = 0x0537BE77
OFFSET = 0x00FFFFFFFFFFFE00
COMPRESSED = 1 << 62
MAX_LEVEL_1 = 4 << 20  # entries, as QEMU's own limit
ALONE = N_("when you trust what it names, `qemu-img convert -O qcow2 OLD NEW` makes a disk that stands alone")


@dataclass(frozen=True)
class Qcow2:
    """What a qcow2 file says of itself."""

    size: int
    backing: str  # "" for none


def read(file: Window) -> Qcow2:
    """Return what a qcow2 file says of itself. Raises Unfit when not all of its clusters are there."""
    version, backing_at, backing_length, bits, size, encryption, entries, level_1 = file.unpack(HEADER, 0)
    if version not in (2, 3):
        raise Unfit(_("is qcow of version {version}").format(version=version),
                    N_("convert it: `qemu-img convert -O qcow2 OLD NEW`"),
                    expected=N_("qcow2, version 2 or 3"))  # fmt: skip
    features, header_length = file.unpack(FEATURES, FEATURES_AT) if version == 3 else (0, FEATURES_AT)
    if encryption:
        raise Unfit(_("is encrypted"), N_("decrypt it: `qemu-img convert -O qcow2 OLD NEW` with its secret"))
    if not 9 <= bits <= 21 or not size or level_1 % (1 << bits):
        raise damaged(
            _("cluster bits {bits}, disk size {size}, table at {place}").format(bits=bits, size=size, place=level_1)
        )
    _check_features(features)
    _check_extensions(file, header_length, min(1 << bits, file.length))
    backing = file.read(backing_at, min(backing_length, 1023)).decode(errors="replace") if backing_at else ""
    _check_clusters(file, bits, size, entries, level_1, 16 if features & LONG_ENTRIES else 8)
    return Qcow2(size, backing)


def _check_features(features: int) -> None:
    if features & DATA_FILE:
        raise Unfit(_("keeps its contents in another file (external data file)"), ALONE)
    if features & CORRUPT:
        raise Unfit(_("is marked as damaged by QEMU"), N_("repair it: `qemu-img check -r all FILE`"))
    unknown = features & ~(DIRTY | COMPRESSION | LONG_ENTRIES)
    if unknown:
        raise Unfit(_("has features that are not known here ({features:#x})").format(features=unknown),
                    N_("convert it: `qemu-img convert -O qcow2 -o compat=0.10 OLD NEW`"))  # fmt: skip


def _check_extensions(file: Window, offset: int, end: int) -> None:
    while offset + EXTENSION.size <= end:
        kind, length = file.unpack(EXTENSION, offset)
        if kind == 0:
            return
        if kind == DATA_FILE_NAME:
            raise Unfit(_("names another file for its contents (external data file)"), ALONE)
        if kind == LUKS:
            raise Unfit(_("is encrypted"), N_("decrypt it: `qemu-img convert -O qcow2 OLD NEW` with its secret"))
        offset += EXTENSION.size + -(-length // 8) * 8
        if offset > end:
            raise damaged(_("a header extension goes beyond the first cluster"))


def _check_clusters(file: Window, bits: int, size: int, entries: int, level_1: int, entry: int) -> None:
    """Raise Unfit when a cluster lies beyond the file's end; only a disk's last one may end early.

    QEMU reads zeros there, without a word.
    """
    cluster = 1 << bits
    per_table = cluster // entry
    if entries > MAX_LEVEL_1 or entries * per_table * cluster < size:
        raise damaged(
            _("a first level of {entries} entries for a disk of {size} bytes").format(entries=entries, size=size)
        )
    seen = set()
    for which, pointer in enumerate(file.table(level_1, entries, ">Q")):
        table_at = pointer & OFFSET
        if not table_at or table_at in seen:
            continue
        seen.add(table_at)
        if table_at % cluster:
            raise damaged(
                _("a table at {place}, which is no multiple of {cluster}").format(place=table_at, cluster=cluster)
            )
        found = file.table(table_at, cluster // 8, ">Q")[:: entry // 8]
        end = max(_end(number, value, bits, size) for number, value in enumerate(found, which * per_table))
        if end > file.length:
            raise cut_short(end, file.length)


def _end(number: int, value: int, bits: int, size: int) -> int:
    """Return where in the file the data of a cluster ends."""
    if value & COMPRESSED:
        split = 62 - (bits - 8)
        at, more = value & ((1 << split) - 1), (value & (COMPRESSED - 1)) >> split
        return at - at % SECTOR + more * SECTOR + 1  # it ends somewhere in the last of these sectors
    at = value & OFFSET
    return at + max(0, min(1 << bits, size - (number << bits))) if at else 0
