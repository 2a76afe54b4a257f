"""Raw disks, known by a partition table, and other things that people take for disks, known by how they begin."""

from __future__ import annotations

import codecs
import struct

from vboxlab.hypervisor.diskfiles.reading import AGAIN, SECTOR, Unfit, Window, cut_short

SIGNATURE = b"\x55\xaa"
SIGNATURE_AT = 510
TABLE_AT = 446
PARTITION = struct.Struct("<B3xB3xII")  # status, type, first sector, sectors
PROTECTIVE = 0xEE  # the only entry of a disk with a GPT; its size may be "all of it"
GPT = b"EFI PART"
GPT_OTHER_HEADER = struct.Struct("<32xQ")
SECTOR_SIZES = (512, 4096)
CD_DESCRIPTOR_AT = 0x8001  # after the sixteen unused sectors of a CD (ECMA-119); UDF begins likewise
CD_DESCRIPTORS = (b"CD001", b"BEA01", b"NSR02", b"NSR03")
BEGINNINGS = (
    (b"\x1f\x8b", "a gzip archive"), (b"PK\x03\x04", "a zip archive"), (b"PK\x05\x06", "an empty zip archive"),
    (b"\xfd7zXZ\0", "an xz archive"), (b"7z\xbc\xaf\x27\x1c", "a 7-Zip archive"), (b"BZh", "a bzip2 archive"),
    (b"\x28\xb5\x2f\xfd", "a zstd archive"), (b"Rar!\x1a\x07", "a RAR archive"), (b"\x7fELF", "a Linux program"),
    (b"MZ", "a Windows program"), (b"%PDF-", "a PDF document"), (b"QED\0", "a QED disk"),
    (b"WithoutFreeSpace", "a Parallels disk"), (b"WithouFreSpacExt", "a Parallels disk"),
    (b"COWD", "a VMDK of an ESX host's own kind"), (b"LUKS\xba\xbe", "an encrypted disk"),
)  # fmt: skip
DMG_TRAILER = b"koly"
TAR, TAR_AT = b"ustar", 257
ARCHIVE = "archive"
EXPECTED = "VDI, VMDK, VHD, VHDX, qcow2, or a raw disk with a partition table (MBR or GPT)"
UNPACK = "unpack it and give the disk file that is in it"
CONVERT = "convert it in the program that made it, or with `qemu-img convert -O qcow2 OLD NEW`"
INSTALL = "install Debian in a VM, and give that VM's disk, or the VM itself with --vm"
GIVE_A_DISK = "give the disk file of a VM"


def is_cd(file: Window) -> bool:
    """Tell whether a file is the image of a CD or DVD."""
    return file.length > CD_DESCRIPTOR_AT + 5 and file.read(CD_DESCRIPTOR_AT, 5) in CD_DESCRIPTORS


def stranger(file: Window) -> Unfit | None:
    """Return what a file is that is no disk, None when nothing speaks against a raw disk."""
    if not file.length:
        return Unfit("is an empty file", AGAIN, expected=EXPECTED)
    start = file.start(SECTOR)
    if is_cd(file):
        return Unfit("is the image of a CD or DVD (ISO)", INSTALL, expected=EXPECTED)
    for beginning, name in BEGINNINGS:
        if start.startswith(beginning):
            advice = UNPACK if ARCHIVE in name else CONVERT if "disk" in name or "VMDK" in name else GIVE_A_DISK
            return Unfit(f"is {name}", advice, expected=EXPECTED)
    if start[TAR_AT:].startswith(TAR):
        advice = f"{UNPACK}; an OVA is given with --ova"
        return Unfit("is a tar archive", advice, expected=EXPECTED)
    if file.length >= SECTOR and file.read(file.length - SECTOR, 4) == DMG_TRAILER:
        return Unfit("is an Apple disk image (DMG)", CONVERT, expected=EXPECTED)
    return None


def read(file: Window) -> int:
    """Return the size of a raw disk. Raises Unfit for what has no partition table, or less than that speaks of."""
    strange = stranger(file)
    if strange is not None:
        raise strange
    start = file.start(SECTOR)
    if start[SIGNATURE_AT:] != SIGNATURE or not _is_table(start):
        raise Unfit(f"is {_look(start, file)}, and no disk of a known kind", GIVE_A_DISK, expected=EXPECTED)
    if file.length % SECTOR:
        raise Unfit(f"is a raw disk that ends within a sector ({file.length} bytes): cut short, or changed", AGAIN)
    for _status, kind, first, sectors in PARTITION.iter_unpack(start[TABLE_AT:SIGNATURE_AT]):
        if kind == PROTECTIVE:
            _check_gpt(file)
        elif kind and (first + sectors) * SECTOR > file.length:
            raise cut_short((first + sectors) * SECTOR, file.length)
    return file.length


def _is_table(start: bytes) -> bool:
    """Tell whether the four entries of a boot sector can be partitions: file systems have code or text there."""
    entries = PARTITION.iter_unpack(start[TABLE_AT:SIGNATURE_AT])
    return all(status in (0, 0x80) and (not kind or sectors) for status, kind, _first, sectors in entries)


def _check_gpt(file: Window) -> None:
    """Raise Unfit when the second header of a GPT, which is a disk's last sector, is not there."""
    for size in SECTOR_SIZES:
        if file.length >= 2 * size and file.read(size, len(GPT)) == GPT:
            (last,) = file.unpack(GPT_OTHER_HEADER, size)
            if (last + 1) * size > file.length:
                raise cut_short((last + 1) * size, file.length)


def _look(start: bytes, file: Window) -> str:
    if not any(start) and not any(file.start(1 << 20)):
        return "nothing but zeros"
    try:
        text = codecs.getincrementaldecoder("utf-8")().decode(start.rstrip(b"\0"))  # a last letter may be cut
    except UnicodeDecodeError:
        text = "\0"
    is_text = all(letter.isprintable() or letter.isspace() for letter in text)
    return "a text" if is_text else "a file of an unknown kind"
