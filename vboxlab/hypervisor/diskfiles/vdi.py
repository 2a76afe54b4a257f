"""Headers and block maps of VDI files (VirtualBox's src/VBox/Storage/VDICore.h)."""

from __future__ import annotations

import struct

from vboxlab.hypervisor.diskfiles.reading import WHOLE, Unfit, Window, cut_short, damaged
from vboxlab.language import N_, _

SIGNATURE = 0xBEDA107F
MAGIC = struct.pack("<I", SIGNATURE)
MAGIC_AT = 64
VERSION_AT = 68
VERSION = 0x00010001
HEADER_AT = 72
# type; places of block map and data; disk size, block size, extra bytes a block, blocks
HEADER = struct.Struct("<4xI4x256xII20xQIII")
PARENT_AT = HEADER_AT + 352
DYNAMIC, FIXED = 1, 2
UNUSED = 0xFFFFFFFE  # this and the next: a block of zeros, a block that was never written


def read(file: Window) -> int:
    """Return the size of a VDI's disk. Raises Unfit when not all of its blocks are there."""
    (version,) = file.table(VERSION_AT, 1, "<I")
    if version != VERSION:
        raise Unfit(_("is a VDI of version {major}.{minor}").format(major=version >> 16, minor=version & 0xFFFF),
                    N_("let VirtualBox copy it: `VBoxManage clonemedium OLD NEW`"),
                    expected=N_("version 1.1"))  # fmt: skip
    kind, map_at, data_at, size, block, extra, blocks = file.unpack(HEADER, HEADER_AT)
    if kind not in (DYNAMIC, FIXED) or any(file.read(PARENT_AT, 16)):
        raise Unfit(_("is the disk of a snapshot, of no use without its parent"), WHOLE)
    if not size or not block or blocks * block < size:
        raise damaged(
            _("{blocks} blocks of {block} bytes for a disk of {size}").format(blocks=blocks, block=block, size=size)
        )
    used = [number for number in file.table(map_at, blocks, "<I") if number < UNUSED]
    end = data_at + (max(used) + 1) * (block + extra) if used else data_at
    if used and max(used) >= blocks:
        raise damaged(_("block {block} of {blocks}").format(block=max(used), blocks=blocks))
    if end > file.length:
        raise cut_short(end, file.length)
    return size
