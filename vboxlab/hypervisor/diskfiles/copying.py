"""Copies of disk files in a folder of ours: the programs that read them see what was looked at, and nothing else."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

from vboxlab.files import flush, opened_privately, write_durably
from vboxlab.hypervisor.diskfiles.kinds import DiskFile, describe
from vboxlab.hypervisor.diskfiles.reading import SECTOR
from vboxlab.hypervisor.diskfiles.vmdk import Extent, describe_extents
from vboxlab.language import _

CHUNK = 1 << 20
Progress = Callable[[str, "int | None"], None]


def take(disk: DiskFile, folder: Path, progress: Progress) -> DiskFile:
    """Copy a disk with its extents into an empty folder, and describe the copy as it is there.

    The descriptor of a split VMDK is written anew, with names of ours. Raises BaseError when the copy is no such disk
    (it changed meanwhile), OSError when there is no room.
    """
    target = folder / f"disk.{disk.kind}"
    if not disk.extents:
        copy_file(disk.path, target, progress)
    else:
        extents = [_take_extent(disk, number, folder, progress) for number in range(len(disk.extents))]
        write_durably(target, describe_extents(extents))
    return describe(target)


def describe_raw(disk: DiskFile) -> DiskFile:
    """Write a VMDK descriptor beside a raw disk of ours, for readers that know VMDK but not raw disks."""
    flat = disk.path.rename(disk.path.with_name("disk-flat.vmdk"))
    descriptor = flat.with_name("disk.vmdk")
    write_durably(descriptor, describe_extents([Extent("flat", disk.size // SECTOR, flat.name)]))
    return describe(descriptor)


def _take_extent(disk: DiskFile, number: int, folder: Path, progress: Progress) -> Extent:
    extent = disk.extents[number]
    target = folder / f"extent-{number}.vmdk"
    if extent.kind == "zero":
        with open(target, "xb", opener=opened_privately) as stream:
            stream.truncate(extent.sectors * SECTOR)
        return Extent("flat", extent.sectors, target.name)
    copy_file(disk.path.parent / extent.name, target, progress)
    return Extent(extent.kind, extent.sectors, target.name, extent.start)


def copy_file(source: Path, target: Path, progress: Progress) -> None:
    """Copy a file that may be large: blocks are shared where the file system can do that, holes stay holes."""
    with source.open("rb") as reader, open(target, "xb", opener=opened_privately) as writer:
        size = os.fstat(reader.fileno()).st_size
        shown = -1
        for offset, length in _chunks(reader, size):
            if not _shared(reader, writer, offset, length):
                reader.seek(offset)
                data = reader.read(length)
                if data.count(0) != len(data):
                    writer.seek(offset)
                    writer.write(data)
            percent = 100 * (offset + length) // size
            if percent != shown:
                shown = percent
                progress(_("copying the disk"), percent)
        writer.truncate(size)
        flush(writer)


def _chunks(reader: BinaryIO, size: int) -> Iterator[tuple[int, int]]:
    """Yield the parts of a file that hold data, in order."""
    for start, end in _data(reader, size):
        for offset in range(start, end, CHUNK):
            yield offset, min(CHUNK, end - offset)


def _data(reader: BinaryIO, size: int) -> Iterator[tuple[int, int]]:
    if sys.platform == "win32" or not hasattr(os, "SEEK_DATA"):
        yield 0, size
        return
    end = 0
    while end < size:
        try:
            start = os.lseek(reader.fileno(), end, os.SEEK_DATA)
        except OSError:
            return  # a hole up to the end (lseek(2), ENXIO)
        end = min(size, os.lseek(reader.fileno(), start, os.SEEK_HOLE))
        yield start, end


def _shared(reader: BinaryIO, writer: BinaryIO, offset: int, length: int) -> bool:
    """Let the system copy a part, which file systems that can do so share; False where that is not possible."""
    if not hasattr(os, "copy_file_range"):
        return False
    writer.flush()
    try:
        while length:
            done = os.copy_file_range(reader.fileno(), writer.fileno(), length, offset, offset)
            if not done:
                return False
            offset, length = offset + done, length - done
    except OSError:
        return False
    return True
