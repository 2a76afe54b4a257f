"""Raw disks, known by a partition table, and other things that people take for disks, known by how they begin."""

from __future__ import annotations

import codecs
import struct

from vboxlab.hypervisor.diskfiles.reading import AGAIN, SECTOR, Unfit, Window, cut_short
from vboxlab.language import N_, _

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
DMG_TRAILER = b"koly"
TAR, TAR_AT = b"ustar", 257
EXPECTED = N_("VDI, VMDK, VHD, VHDX, qcow2, or a raw disk with a partition table (MBR or GPT)")
UNPACK = N_("unpack it and give the disk file that is in it")
CONVERT = N_("convert it in the program that made it, or with `qemu-img convert -O qcow2 OLD NEW`")
INSTALL = N_("install Debian in a VM, and give that VM's disk, or the VM itself with --vm")
GIVE_A_DISK = N_("give the disk file of a VM")
UNPACK_OVA = N_("unpack it and give the disk file that is in it; an OVA is given with --ova")
# How files begin that are no disks, what they are, and what to do.
BEGINNINGS = (
    (b"\x1f\x8b", N_("is a gzip archive"), UNPACK), (b"PK\x03\x04", N_("is a zip archive"), UNPACK),
    (b"PK\x05\x06", N_("is an empty zip archive"), UNPACK), (b"\xfd7zXZ\0", N_("is an xz archive"), UNPACK),
    (b"7z\xbc\xaf\x27\x1c", N_("is a 7-Zip archive"), UNPACK), (b"BZh", N_("is a bzip2 archive"), UNPACK),
    (b"\x28\xb5\x2f\xfd", N_("is a zstd archive"), UNPACK), (b"Rar!\x1a\x07", N_("is a RAR archive"), UNPACK),
    (b"\x7fELF", N_("is a Linux program"), GIVE_A_DISK), (b"MZ", N_("is a Windows program"), GIVE_A_DISK),
    (b"%PDF-", N_("is a PDF document"), GIVE_A_DISK), (b"QED\0", N_("is a QED disk"), CONVERT),
    (b"WithoutFreeSpace", N_("is a Parallels disk"), CONVERT),
    (b"WithouFreSpacExt", N_("is a Parallels disk"), CONVERT),
    (b"COWD", N_("is a VMDK of an ESX host's own kind"), CONVERT),
    (b"LUKS\xba\xbe", N_("is an encrypted disk"), CONVERT),
)  # fmt: skip


def is_cd(file: Window) -> bool:
    """Tell whether a file is the image of a CD or DVD."""
    return file.length > CD_DESCRIPTOR_AT + 5 and file.read(CD_DESCRIPTOR_AT, 5) in CD_DESCRIPTORS


def stranger(file: Window) -> Unfit | None:
    """Return what a file is that is no disk, None when nothing speaks against a raw disk."""
    if not file.length:
        return Unfit(_("is an empty file"), AGAIN, expected=EXPECTED)
    start = file.start(SECTOR)
    if is_cd(file):
        return Unfit(_("is the image of a CD or DVD (ISO)"), INSTALL, expected=EXPECTED)
    for beginning, what, advice in BEGINNINGS:
        if start.startswith(beginning):
            return Unfit(_(what), advice, expected=EXPECTED)
    if start[TAR_AT:].startswith(TAR):
        return Unfit(_("is a tar archive"), UNPACK_OVA, expected=EXPECTED)
    if file.length >= SECTOR and file.read(file.length - SECTOR, 4) == DMG_TRAILER:
        return Unfit(_("is an Apple disk image (DMG)"), CONVERT, expected=EXPECTED)
    return None


def read(file: Window) -> int:
    """Return the size of a raw disk. Raises Unfit for what has no partition table, or less than that speaks of."""
    strange = stranger(file)
    if strange is not None:
        raise strange
    start = file.start(SECTOR)
    if start[SIGNATURE_AT:] != SIGNATURE or not _is_table(start):
        raise Unfit(_look(start, file), GIVE_A_DISK, expected=EXPECTED)
    if file.length % SECTOR:
        raise Unfit(
            _("is a raw disk that ends within a sector ({length} bytes): cut short, or changed").format(
                length=file.length
            ),
            AGAIN,
        )
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
        return _("is nothing but zeros, and no disk of a known kind")
    try:
        text = codecs.getincrementaldecoder("utf-8")().decode(start.rstrip(b"\0"))  # a last letter may be cut
    except UnicodeDecodeError:
        text = "\0"
    is_text = all(letter.isprintable() or letter.isspace() for letter in text)
    if is_text:
        return _("is a text, and no disk of a known kind")
    return _("is a file of an unknown kind, and no disk of a known kind")
