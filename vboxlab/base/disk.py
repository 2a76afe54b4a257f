"""From a root tree to a disk: ext4 in the only partition of an MBR disk, then qcow2. No loop device (mke2fs(8), -d)."""

from __future__ import annotations

import os
import struct
import subprocess
from collections.abc import Sequence
from pathlib import Path

from vboxlab import programs
from vboxlab.errors import BaseError
from vboxlab.language import _, n_
from vboxlab.lazily import dataclass

PARTITION_START = 1024 * 1024  # bytes; room for a boot loader before it, and aligned as every partitioning tool does
_SECTOR = 512


@dataclass(frozen=True)
class Tool:
    """A program of the host and the Debian package that has it."""

    program: str
    package: str


TAR = Tool("tar", "tar")
MKE2FS = Tool("mke2fs", "e2fsprogs")
QEMU_IMG = Tool("qemu-img", "qemu-utils")
UNSHARE = Tool("unshare", "util-linux")
NEWUIDMAP = Tool("newuidmap", "uidmap")
MMDEBSTRAP = Tool("mmdebstrap", "mmdebstrap")


def require(tools: Sequence[Tool]) -> None:
    """Raise BaseError, with the command that installs them, when programs are missing."""
    missing = [tool for tool in tools if programs.find(tool.program) is None]
    if missing:
        packages = " ".join(sorted({tool.package for tool in missing}))
        programs_missing = ", ".join(tool.program for tool in missing)
        raise BaseError(
            _("programs needed to build a base are missing: {programs}").format(programs=programs_missing),
            resolution=_("sudo apt-get install --no-install-recommends {packages}").format(packages=packages),
        )


def disk_tools() -> tuple[Tool, ...]:
    """Return what making a disk needs on this host."""
    common = (TAR, MKE2FS, QEMU_IMG, UNSHARE)
    return common if os.geteuid() == 0 else (*common, NEWUIDMAP)


def write_file_system(root: Path, raw: Path, *, disk_mib: int, label: str) -> None:
    """Make a raw disk of disk_mib MiB whose only partition holds what is below root.

    Raises BaseError with mke2fs' last words, also when the host's disk is full.
    """
    with raw.open("wb") as stream:
        stream.write(master_boot_record(disk_mib))
        stream.truncate(disk_mib * 1024 * 1024)
    # The inode tables are written now (as holes of a sparse file), else each guest would do it in its first minutes.
    options = f"offset={PARTITION_START},lazy_itable_init=0,lazy_journal_init=0,root_owner=0:0"
    size_kib = disk_mib * 1024 - PARTITION_START // 1024
    argv = [MKE2FS.program, "-q", "-F", "-t", "ext4", "-m", "1", "-L", label, "-E", options]
    run([*argv, "-d", str(root), str(raw), f"{size_kib}k"], failure=_("making the file system failed"))
    grub = root / "boot" / "grub" / "i386-pc"
    if (grub / "core.img").is_file():
        with raw.open("r+b") as stream:
            stream.write(boot_code((grub / "boot.img").read_bytes(), (grub / "core.img").read_bytes(), disk_mib))


def to_qcow2(raw: Path, disk: Path) -> None:
    """Convert a raw disk; the holes of the file stay holes."""
    argv = ["qemu-img", "convert", "-f", "raw", "-O", "qcow2", str(raw), str(disk)]
    run(argv, failure=_("writing the disk failed"))


def run(argv: Sequence[str], *, failure: str) -> None:
    """Run a program of the host; what it makes is this user's own.

    Raises BaseError, told by `failure`, with the program's last words.
    """
    done = programs.run(argv, capture_output=True, text=True, errors="replace", stdin=subprocess.DEVNULL, umask=0o077)
    if done.returncode != 0:
        raise BaseError(failure, details=(done.stderr or done.stdout).strip().splitlines()[-8:])


def boot_code(boot: bytes, core: bytes, disk_mib: int) -> bytes:
    """Return the start of a disk with GRUB for BIOS: its boot sector, the partition table, its core.

    As grub-bios-setup writes it (util/setup.c of GRUB): the core follows the boot sector, which is where both look for
    it by default; the test for a floppy drive is replaced by two no-operations. Raises BaseError when it does not fit.
    """
    if len(core) > PARTITION_START - _SECTOR:
        raise BaseError(
            _("GRUB's core does not fit before the partition"),
            details=[n_("{count} byte", "{count} bytes", len(core)).format(count=len(core))],
        )
    sector = bytearray(boot[:440] + master_boot_record(disk_mib)[440:])
    sector[0x66:0x68] = b"\x90\x90"
    return bytes(sector) + core


def master_boot_record(disk_mib: int) -> bytes:
    """Return a boot sector with one bootable Linux partition from 1 MiB to the end and no boot code."""
    first = PARTITION_START // _SECTOR
    count = disk_mib * 1024 * 1024 // _SECTOR - first
    # Cylinder, head and sector are set to their maximum, as partitioning tools do: only the block address counts.
    entry = struct.pack("<B3sB3sII", 0x80, b"\xfe\xff\xff", 0x83, b"\xfe\xff\xff", first, count)
    return b"\0" * 440 + b"vblb\0\0" + entry + b"\0" * 48 + b"\x55\xaa"
