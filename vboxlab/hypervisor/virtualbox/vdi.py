"""Writing VirtualBox's own disk format (VDI 1.1, dynamic), as in VirtualBox's src/VBox/Storage/VDICore.h."""

from __future__ import annotations

import os
import struct
import uuid
from pathlib import Path

from vboxlab.hypervisor.driver import Progress
from vboxlab.hypervisor.virtualbox.disks import SECTOR, Disk

TEXT = b"<<< Oracle VM VirtualBox Disk Image >>>\n"
SIGNATURE, VERSION = 0xBEDA107F, 0x00010001
PREHEADER = struct.Struct("<64sII")
# header size, type, flags, comment, block map and data offsets, CHS geometry (unset) with its sector size, unused,
# disk size, block size, extra, blocks, blocks in use, UUIDs (own, last change, parent, parent's change), CHS again
HEADER = struct.Struct("<III256sII4IIQIIII16s16s16s16s4I")
MAGIC = struct.pack("<I", SIGNATURE)
MAGIC_OFFSET = 64
DYNAMIC = 1
BLOCK = 1 << 20
FREE = 0xFFFFFFFF


def write_vdi(source: Disk, target: Path, progress: Progress) -> None:
    """Write a disk's contents as a dynamic VDI; blocks of zeros take no room. The target must not exist."""
    size = -(-source.size // SECTOR) * SECTOR
    blocks = -(-size // BLOCK)
    map_at = SECTOR
    data_at = -(-(map_at + 4 * blocks) // BLOCK) * BLOCK
    block_map = [FREE] * blocks
    used = 0
    shown = -1
    with target.open("xb") as stream:
        stream.seek(data_at)
        for number in range(blocks):
            length = min(BLOCK, source.size - number * BLOCK)
            data = source.read(number * BLOCK, length)
            if data.count(0) != len(data):
                stream.write(data.ljust(BLOCK, b"\0"))
                block_map[number] = used
                used += 1
            percent = 100 * (number + 1) // blocks
            if percent != shown:
                shown = percent
                progress("converting the disk", percent)
        stream.seek(0)
        stream.write(_header(size, blocks, used, data_at))
        stream.seek(map_at)
        stream.write(struct.pack(f"<{blocks}I", *block_map))
        stream.truncate(data_at + used * BLOCK)
        stream.flush()
        os.fsync(stream.fileno())


def _header(size: int, blocks: int, used: int, data_at: int) -> bytes:
    nothing = bytes(16)
    body = HEADER.pack(
        HEADER.size, DYNAMIC, 0, b"made by vboxlab", SECTOR, data_at, 0, 0, 0, SECTOR, 0,
        size, BLOCK, 0, blocks, used, uuid.uuid4().bytes_le, uuid.uuid4().bytes_le, nothing, nothing, 0, 0, 0, SECTOR,
    )  # fmt: skip
    return PREHEADER.pack(TEXT, SIGNATURE, VERSION) + body


def is_vdi(path: Path) -> bool:
    """Tell whether a file is a VDI."""
    with path.open("rb") as stream:
        stream.seek(MAGIC_OFFSET)
        return stream.read(4) == MAGIC


def copy_vdi(source: Path, target: Path) -> None:
    """Copy a VDI and give the copy an identity of its own, without which VirtualBox refuses to see both."""
    import shutil

    shutil.copyfile(source, target)
    with target.open("r+b") as stream:
        # The own UUID stands behind the four counters that follow the disk's size.
        stream.seek(PREHEADER.size + HEADER.size - 16 - 4 * 16)
        stream.write(uuid.uuid4().bytes_le)
        stream.write(uuid.uuid4().bytes_le)
