"""Footers, headers and block tables of VHD files (Microsoft's "Virtual Hard Disk Image Format Specification", 2006)."""

from __future__ import annotations

import struct

from vboxlab.hypervisor.diskfiles.reading import SECTOR, WHOLE, Unfit, Window, cut_short, damaged
from vboxlab.language import N_, _

COOKIE = b"conectix"
DYNAMIC_COOKIE = b"cxsparse"
FOOTER_SIZES = (512, 511)  # old programs wrote one byte too few
FOOTER = struct.Struct(">16xQ24xQ4xII")  # dynamic header at, current size, type, checksum
CHECKSUM_AT, CHECKSUM_END = 64, 68
HEADER = struct.Struct(">16xQ4xII")  # table at, entries, block size
FIXED, DYNAMIC = 2, 3
FREE = 0xFFFFFFFF


def footer_of(file: Window) -> bytes:
    """Return the footer that a VHD ends in, b"" where there is none."""
    for size in FOOTER_SIZES:
        found = file.read(file.length - size, size) if file.length >= size else b""
        if found.startswith(COOKIE):
            return found.ljust(SECTOR, b"\0")
    return b""


def is_vhd(file: Window) -> bool:
    """Tell whether a file is a VHD: it ends in a footer, and one that grows also begins with a copy of it."""
    return bool(footer_of(file)) or file.start(len(COOKIE)) == COOKIE


def read(file: Window) -> int:
    """Return the size of a VHD's disk. Raises Unfit when it cannot stand alone or not all of its blocks are there."""
    footer = footer_of(file)
    if not footer:
        raise Unfit(_("is a VHD that is cut short: its last sector is missing"), N_("fetch or copy the file again"))
    header_at, size, kind, checksum = FOOTER.unpack_from(footer)
    if ~(sum(footer) - sum(footer[CHECKSUM_AT:CHECKSUM_END])) & 0xFFFFFFFF != checksum:
        raise damaged(_("the checksum of its footer is wrong"))
    if kind not in (FIXED, DYNAMIC):
        raise Unfit(
            _("is a VHD of type {kind}, of no use without its parent").format(kind=kind),
            WHOLE,
            expected=N_("fixed (2) or dynamic (3)"),
        )
    if not size or size % SECTOR:
        raise damaged(_("its disk has {size} bytes").format(size=size))
    end = size + FOOTER_SIZES[-1] if kind == FIXED else _end_of_blocks(file, header_at, size)
    if end > file.length:
        raise cut_short(end, file.length)
    return int(size)


def _end_of_blocks(file: Window, header_at: int, size: int) -> int:
    if file.read(header_at, len(DYNAMIC_COOKIE)) != DYNAMIC_COOKIE:
        raise damaged(_("the header of its block table is missing"))
    table_at, entries, block = file.unpack(HEADER, header_at)
    if not block or block % SECTOR or entries * block < size:
        raise damaged(
            _("{entries} blocks of {block} bytes for a disk of {size}").format(entries=entries, block=block, size=size)
        )
    used = [sector for sector in file.table(table_at, entries, ">I") if sector != FREE]
    # Each block begins with a bitmap of its sectors, rounded up to whole sectors.
    bitmap = -(-block // SECTOR // 8 // SECTOR) * SECTOR
    return max(used) * SECTOR + bitmap + block if used else 0
