"""Regions, metadata and block tables of VHDX files (Microsoft's [MS-VHDX])."""

from __future__ import annotations

import struct
import uuid

from vboxlab.hypervisor.diskfiles.reading import SECTOR, WHOLE, Unfit, Window, cut_short, damaged
from vboxlab.language import _

MAGIC = b"vhdxfile"
REGION_TABLES = (192 << 10, 256 << 10)
TABLE_SIZE = 64 << 10
REGION_HEADER = struct.Struct("<4s4xI4x")
REGION = struct.Struct("<16sQI4x")
METADATA_HEADER = struct.Struct("<8s2xH20x")
ITEM = struct.Struct("<16sII8x")
MAX_ENTRIES = 2047
BLOCKS = uuid.UUID("2dc27766-f623-4200-9d64-115e9bfd4a08").bytes_le
METADATA = uuid.UUID("8b7ca206-4790-4b9a-b8fe-575f050f886e").bytes_le
PARAMETERS = uuid.UUID("caa16737-fa36-4d43-b3b6-33f0aa44e76b").bytes_le
SIZE = uuid.UUID("2fa54224-cd1b-4876-b211-5dbed83bf4b8").bytes_le
SECTOR_SIZE = uuid.UUID("8141bf1d-a96f-4709-ba47-f233a8faab5f").bytes_le
HAS_PARENT = 2
PRESENT = (6, 7)  # states of a block whose data is in the file, all of it or some
MIB = 1 << 20
SECTORS_A_BITMAP = 1 << 23


def read(file: Window) -> int:
    """Return the size of a VHDX' disk. Raises Unfit when it cannot stand alone or not all of its blocks are there."""
    regions = _regions(file)
    if BLOCKS not in regions or METADATA not in regions:
        raise damaged(_("its block table or metadata are missing"))
    items = _items(file, *regions[METADATA])
    if not {PARAMETERS, SIZE, SECTOR_SIZE} <= items.keys():
        raise damaged(_("its metadata do not say how large the disk is"))
    block, flags = file.table(items[PARAMETERS], 2, "<I")
    (size,) = file.table(items[SIZE], 1, "<Q")
    (sector,) = file.table(items[SECTOR_SIZE], 1, "<I")
    if flags & HAS_PARENT:
        raise Unfit(_("is a VHDX with a parent, of no use without it"), WHOLE)
    if not size or sector not in (SECTOR, 4096) or not MIB <= block <= 256 * MIB or block & (block - 1):
        raise damaged(
            _("sectors of {sector} and blocks of {block} bytes for a disk of {size}").format(
                sector=sector, block=block, size=size
            )
        )
    _check_blocks(file, regions[BLOCKS], block, size, SECTORS_A_BITMAP * sector // block)
    return size


def _regions(file: Window) -> dict[bytes, tuple[int, int]]:
    """Return the places and lengths of the regions, from the first region table that is one."""
    for at in REGION_TABLES:
        signature, count = REGION_HEADER.unpack(file.read(at, REGION_HEADER.size))
        if signature == b"regi" and count <= MAX_ENTRIES:
            found = file.read(at + REGION_HEADER.size, count * REGION.size)
            return {kind: (offset, length) for kind, offset, length in REGION.iter_unpack(found)}
    raise damaged(_("its region tables are missing"))


def _items(file: Window, at: int, length: int) -> dict[bytes, int]:
    """Return the places of the metadata."""
    signature, count = METADATA_HEADER.unpack(file.read(at, METADATA_HEADER.size))
    if signature != b"metadata" or count > MAX_ENTRIES or length < TABLE_SIZE:
        raise damaged(_("its metadata are missing"))
    found = file.read(at + METADATA_HEADER.size, count * ITEM.size)
    return {kind: at + offset for kind, offset, _length in ITEM.iter_unpack(found)}


def _check_blocks(file: Window, region: tuple[int, int], block: int, size: int, ratio: int) -> None:
    at, length = region
    blocks = -(-size // block)
    entries = blocks + (blocks - 1) // ratio  # a bitmap's entry after each `ratio` blocks
    if entries * 8 > length:
        raise damaged(_("a table of {length} bytes for {blocks} blocks").format(length=length, blocks=blocks))
    end = 0
    for number, entry in enumerate(file.table(at, entries, "<Q")):
        if entry & 7 in PRESENT and number % (ratio + 1) != ratio:
            end = max(end, (entry >> 20) * MIB + block)
    if end > file.length:
        raise cut_short(end, file.length)
