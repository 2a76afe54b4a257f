"""Disk files as other programs make them, and files that only look like one or name what is not theirs."""

from __future__ import annotations

import random
import shutil
import struct
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

needs_qemu_img = pytest.mark.skipif(shutil.which("qemu-img") is None, reason="qemu-img not installed")
MIB = 1 << 20
SIZE = 4 * MIB + 512  # no whole number of blocks of any format
# What `qemu-img convert` is asked for, and the kind that the file is then.
FORMATS = {
    "raw": ("raw", "", "raw"),
    "vdi": ("vdi", "", "vdi"),
    "vdi-static": ("vdi", "static=on", "vdi"),
    "vmdk-sparse": ("vmdk", "subformat=monolithicSparse", "vmdk"),
    "vmdk-flat": ("vmdk", "subformat=monolithicFlat", "vmdk"),
    "vmdk-split": ("vmdk", "subformat=twoGbMaxExtentSparse", "vmdk"),
    "vmdk-split-flat": ("vmdk", "subformat=twoGbMaxExtentFlat", "vmdk"),
    "vmdk-stream": ("vmdk", "subformat=streamOptimized", "vmdk"),
    "vhd": ("vpc", "subformat=dynamic,force_size=on", "vhd"),
    "vhd-fixed": ("vpc", "subformat=fixed,force_size=on", "vhd"),
    "vhdx": ("vhdx", "subformat=dynamic", "vhdx"),
    "vhdx-fixed": ("vhdx", "subformat=fixed", "vhdx"),
    "qcow2-v2": ("qcow2", "compat=0.10", "qcow2"),
    "qcow2-v3": ("qcow2", "compat=1.1", "qcow2"),
    "qcow2-small": ("qcow2", "cluster_size=4096", "qcow2"),
    "qcow2-extended": ("qcow2", "extended_l2=on", "qcow2"),
    "qcow2-zstd": ("qcow2", "compression_type=zstd", "qcow2"),
}


def qemu_img(*arguments: str | Path) -> str:
    """Run qemu-img."""
    return subprocess.run(["qemu-img", *map(str, arguments)], check=True, text=True, capture_output=True).stdout


def boot_sector(size: int = SIZE) -> bytes:
    """Return the boot sector of a disk with one partition up to its end, and code that halts the processor."""
    partition = struct.pack("<B3sB3sII", 0x80, b"\xfe\xff\xff", 0x83, b"\xfe\xff\xff", 64, size // 512 - 64)
    return (b"\xfa\xf4\xeb\xfd").ljust(446, b"\0") + partition + bytes(48) + b"\x55\xaa"


def content(size: int = SIZE) -> bytes:
    """Return a disk with random, repeated and empty parts; its last sector is in use."""
    data = bytearray(size)
    data[:512] = boot_sector(size)
    data[512:MIB] = random.Random(7).randbytes(MIB - 512)
    data[2 * MIB : 2 * MIB + 100_000] = b"a" * 100_000
    data[-512:] = random.Random(8).randbytes(512)
    return bytes(data)


def make(folder: Path, name: str) -> Path:
    """Make a disk of one of FORMATS in a folder of its own, and return the file to import."""
    form, options, _kind = FORMATS[name]
    own = folder / name
    own.mkdir(parents=True)
    raw, disk = own / "source.img", own / f"disk.{form}"
    raw.write_bytes(content())
    qemu_img("convert", "-f", "raw", "-O", form, *(["-o", options] if options else []), raw, disk)
    raw.unlink()
    return disk


def descriptor(*extents: str, parent: str = "ffffffff", form: str = "twoGbMaxExtentFlat") -> bytes:
    """Return a VMDK descriptor."""
    lines = ["# Disk DescriptorFile", "version=1", "CID=12345678", f"parentCID={parent}", f'createType="{form}"']
    return "\n".join([*lines, *extents, 'ddb.adapterType = "ide"', ""]).encode()


def _qcow2(folder: Path, *options: str) -> Path:
    path = folder / "disk.qcow2"
    qemu_img("create", "-q", "-f", "qcow2", *options, path, "4M")
    return path


def _data_file(folder: Path) -> str:
    return f"data_file={folder}/data.raw".replace(",", ",,")


def _patched(path: Path, offset: int, data: bytes) -> Path:
    found = bytearray(path.read_bytes())
    found[offset : offset + len(data)] = data
    path.write_bytes(found)
    return path


def _written(name: str, data: bytes) -> Callable[[Path], Path]:
    def write(folder: Path) -> Path:
        (folder / name).write_bytes(data)
        return folder / name

    return write


def _cut(name: str) -> Callable[[Path], Path]:
    def cut(folder: Path) -> Path:
        disk = make(folder, name)
        largest = max(disk.parent.iterdir(), key=lambda path: path.stat().st_size)
        with largest.open("r+b") as stream:
            stream.truncate(largest.stat().st_size * 3 // 4)
        return disk

    return cut


def _vmdk(*extents: str, **fields: str) -> Callable[[Path], Path]:
    """Return a maker of a descriptor beside which lie a good extent, a file that is none of its, and a link."""

    def write(folder: Path) -> Path:
        (folder / "good.vmdk").write_bytes(content())
        (folder / "passwords.txt").write_bytes(content())
        (folder / "link.vmdk").symlink_to(folder / "passwords.txt")
        (folder.parent / "outside.vmdk").write_bytes(content())
        text = descriptor(*(extent.replace("HERE", str(folder)) for extent in extents), **fields)
        (folder / "disk.vmdk").write_bytes(text)
        return folder / "disk.vmdk"

    return write


def _with_odd_descriptor(folder: Path) -> Path:
    """Make a sparse VMDK whose own descriptor names a file of the host."""
    disk = make(folder, "vmdk-sparse")
    text = descriptor('RW 8193 FLAT "/etc/passwd" 0', form="monolithicFlat")
    return _patched(disk, 512, text.ljust(1024, b"\0"))


def _with_hidden_hint(folder: Path) -> Path:
    """Make a sparse VMDK that names a parent in a comment, which QEMU takes for its backing file."""
    disk = make(folder, "vmdk-sparse")
    data = disk.read_bytes()
    text = data[512 : data.index(b"\0", 512)] + b'# parentFileNameHint="/etc/passwd"\n'
    return _patched(disk, 512, text)


def _vhd_with_parent(folder: Path) -> Path:
    disk = make(folder, "vhd")
    found = bytearray(disk.read_bytes())
    for at in (0, len(found) - 512):
        found[at + 60 : at + 68] = struct.pack(">II", 4, 0)
        found[at + 64 : at + 68] = struct.pack(">I", ~sum(found[at : at + 512]) & 0xFFFFFFFF)
    disk.write_bytes(found)
    return disk


def _vhdx_with_parent(folder: Path) -> Path:
    disk = make(folder, "vhdx")
    item = bytes.fromhex("3767a1ca36fa434db3b633f0aa44e76b")  # file parameters
    found = disk.read_bytes()
    metadata = found.index(b"metadata")
    (offset,) = struct.unpack_from("<I", found, found.index(item, metadata) + 16)
    return _patched(disk, metadata + offset + 4, struct.pack("<I", 2))


def _iso(folder: Path) -> Path:
    """Make an image of a CD that can also be started from a USB stick: it has a partition table too."""
    data = bytearray(boot_sector(64 << 10) + bytes((64 << 10) - 512))
    data[0x8000:0x8006] = b"\x01CD001"
    (folder / "debian.iso").write_bytes(data)
    return folder / "debian.iso"


SIXTY_FOUR = bytes(64 << 10)
EXTENT = 'RW 8193 FLAT "good.vmdk" 0'
# What must be refused, and words of the reason.
STRANGERS: dict[str, tuple[Callable[[Path], Path], str]] = {
    "empty": (_written("disk.img", b""), "an empty file"),
    "zeros": (_written("disk.img", bytes(MIB)), "nothing but zeros"),
    "text": (_written("disk.img", b"Bonjour,\nvoici la maquette.\n"), "a text"),
    "long text": (_written("disk.vdi", b"Bonjour, tout le monde\n" * 8192), "a text"),
    "noise": (_written("disk.img", random.Random(1).randbytes(MIB)), "of an unknown kind"),
    "file system": (_written("disk.img", SIXTY_FOUR[:1080] + b"\x53\xef" + SIXTY_FOUR), "no disk of a known kind"),
    "iso": (_iso, "ISO"),
    "gzip": (_written("disk.img.gz", b"\x1f\x8b\x08" + SIXTY_FOUR), "gzip"),
    "xz": (_written("disk.img.xz", b"\xfd7zXZ\0" + SIXTY_FOUR), "xz"),
    "zip": (_written("disk.zip", b"PK\x03\x04" + SIXTY_FOUR), "zip"),
    "7z": (_written("disk.7z", b"7z\xbc\xaf\x27\x1c" + SIXTY_FOUR), "7-Zip"),
    "tar": (_written("disk.ova", b"vm.ovf".ljust(257, b"\0") + b"ustar" + SIXTY_FOUR), "tar archive"),
    "program": (_written("disk.exe", b"MZ" + SIXTY_FOUR), "a Windows program"),
    "linux program": (_written("disk", b"\x7fELF" + SIXTY_FOUR), "a Linux program"),
    "raw, an odd size": (_written("disk.img", content() + b"x"), "ends within a sector"),
    "raw, cut": (_written("disk.img", content()[: 2 * MIB]), "cut short"),
}
QEMU_MADE: dict[str, tuple[Callable[[Path], Path], str]] = {
    **{f"{name}, cut": (_cut(name), "cut short") for name in FORMATS if name not in ("raw", "vhd-fixed")},
    "vhd-fixed, cut": (_cut("vhd-fixed"), "cut short"),
    "qcow": (lambda folder: _plain(folder, "qcow"), "qcow of version 1"),
    "qed": (lambda folder: _plain(folder, "qed"), "a QED disk"),
    "parallels": (lambda folder: _plain(folder, "parallels"), "a Parallels disk"),
    "backing file": (lambda folder: _qcow2(folder, "-b", "/etc/passwd", "-F", "raw", "-u"), "lies over another file"),
    "backing protocol": (
        lambda folder: _qcow2(folder, "-b", 'json:{"driver":"file","filename":"/etc/passwd"}', "-F", "raw", "-u"),
        "lies over another file",
    ),
    "data file": (lambda folder: _qcow2(folder, "-o", _data_file(folder)), "external data file"),
    "data file by name only": (
        lambda folder: _patched(_qcow2(folder, "-o", _data_file(folder)), 72, bytes(8)),
        "external data file",
    ),
    "marked as damaged": (lambda folder: _patched(_qcow2(folder), 79, b"\x02"), "marked as damaged"),
    "unknown feature": (lambda folder: _patched(_qcow2(folder), 72, b"\x80"), "features that are not known"),
    "encrypted": (lambda folder: _patched(_qcow2(folder), 35, b"\x02"), "encrypted"),
    "snapshot's vdi": (lambda folder: _patched(make(folder, "vdi"), 76, b"\x04"), "without its parent"),
    "snapshot's vhd": (_vhd_with_parent, "without its parent"),
    "snapshot's vhdx": (_vhdx_with_parent, "has a parent|with a parent"),
    "parent in a comment": (_with_hidden_hint, "without its parent"),
    "vmdk whose descriptor counts": (lambda folder: _patched(make(folder, "vmdk-sparse"), 12, bytes(8)), "damaged"),
    "vmdk with two descriptors": (
        lambda folder: _patched(make(folder, "vmdk-sparse"), 28, b"\x02"),
        "names other files",
    ),
    "vmdk that brings a foreign name": (_with_odd_descriptor, "names other files"),
}
VMDKS: dict[str, tuple[Callable[[Path], Path], str]] = {
    "absolute": (_vmdk('RW 8193 FLAT "HERE/good.vmdk" 0'), "no VMDK file beside it"),
    "above": (_vmdk('RW 8193 FLAT "../outside.vmdk" 0'), "no VMDK file beside it"),
    "above, as Windows writes it": (_vmdk('RW 8193 FLAT "..\\\\outside.vmdk" 0'), "no VMDK file beside it"),
    "a device": (_vmdk('RW 8193 FLAT "/dev/vda" 0', form="fullDevice"), "no VMDK file beside it"),
    "a device of Windows": (_vmdk('RW 8193 FLAT "\\\\\\\\.\\\\PhysicalDrive0" 0'), "no VMDK file beside it"),
    "a file that is no VMDK": (_vmdk('RW 8193 FLAT "passwords.txt" 0'), "no VMDK file beside it"),
    "a protocol": (_vmdk('RW 8193 FLAT "nbd:127.0.0.1:10809.vmdk" 0'), "no VMDK file beside it"),
    "a link": (_vmdk('RW 8193 FLAT "link.vmdk" 0'), "is a link"),
    "not there": (_vmdk('RW 8193 FLAT "gone.vmdk" 0'), "cannot be read"),
    "too short": (_vmdk('RW 9000 FLAT "good.vmdk" 0'), "cut short"),
    "too late": (_vmdk('RW 8193 FLAT "good.vmdk" 1'), "cut short"),
    "not sparse": (_vmdk('RW 8193 SPARSE "good.vmdk"'), "no sparse extent"),
    "unknown kind": (_vmdk(EXTENT, 'RW 100 VMFSSPARSE "good.vmdk"'), "VMFSSPARSE"),
    "no access": (_vmdk(EXTENT, 'NOACCESS 100 FLAT "good.vmdk" 0'), "not understood|unknown kind"),
    "no extents": (_vmdk(), "names no extents"),
    "parent": (_vmdk(EXTENT, parent="0badcafe"), "without its parent"),
    "parent's name": (_vmdk(EXTENT, 'parentFileNameHint="/etc/passwd"'), "without its parent"),
    "a line of another kind": (_vmdk(EXTENT, "include /etc/passwd"), "not understood"),
}
REFUSED = {**STRANGERS, **{f"VMDK, {name}": made for name, made in VMDKS.items()}, **QEMU_MADE}


def _plain(folder: Path, form: str) -> Path:
    path = folder / f"disk.{form}"
    qemu_img("create", "-q", "-f", form, path, "4M")
    return path
