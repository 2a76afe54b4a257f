"""Disks of other formats turned into VDIs by VirtualBox itself."""

from __future__ import annotations

import contextlib
import shutil
from pathlib import Path
from typing import Any

from vboxlab.files import opened_privately
from vboxlab.hypervisor.virtualbox.worker import layout
from vboxlab.hypervisor.virtualbox.worker.calls import CreateImage
from vboxlab.hypervisor.virtualbox.worker.connection import Connection
from vboxlab.hypervisor.virtualbox.worker.protocol import Call, Failure
from vboxlab.hypervisor.virtualbox.worker.told import Told

FULL = "VERR_DISK_FULL"
BLOCK = 1 << 22  # bytes copied between two signs that the call gets on


def give(connection: Connection, file: Path, target: Path) -> None:
    """Give a file a second name, or where the file system cannot do that, copy it."""
    try:
        target.hardlink_to(file)
    except OSError:
        with file.open("rb") as source, open(target, "xb", opener=opened_privately) as copy:
            while block := source.read(BLOCK):
                copy.write(block)
                connection.sign()
        shutil.copymode(file, target)


def convert(connection: Connection, files: list[Path], folder: Path, target: Path, call: Call[CreateImage]) -> None:
    """Make a VDI of a disk: the first of the files, which names the others. They stay, for a call that is made again.

    They are opened below a folder that is being made, so that what a killed process leaves registered is found there.
    Raises Failure of kind "unreadable" when VirtualBox cannot read it.
    """
    own = folder / layout.IMPORT_FOLDER
    own.mkdir(mode=0o700)
    for file in files:
        give(connection, file, own / file.name)
    with connection.errors(Told("preparing-disk")):
        disk = connection.value_of("DeviceType", "HardDisk")
        access = connection.value_of("AccessMode", "ReadWrite")
        made = connection.vbox.createMedium("VDI", str(target), access, disk)
    try:
        _clone(connection, own / files[0].name, made, call)
    except Failure as failure:
        if failure.kind != "api" or FULL in failure.text:
            raise
        raise Failure("unreadable", Told("disk-unreadable"), details=[failure.told]) from failure
    finally:
        _let_go(connection, made)
    shutil.rmtree(own)


def _let_go(connection: Connection, medium: Any) -> None:
    """Let VirtualBox forget a disk. Where it does not, it is found with the folder, and the first error counts."""
    with contextlib.suppress(connection.api_error):
        medium.close()


def _clone(connection: Connection, file: Path, target: Any, call: Call[CreateImage]) -> None:
    with connection.errors(Told("opening-disk")):
        disk = connection.value_of("DeviceType", "HardDisk")
        access = connection.value_of("AccessMode", "ReadOnly")
        source = connection.vbox.openMedium(str(file), disk, access, False)
    try:
        with connection.errors(Told("converting-disk")):
            standard = connection.value_of("MediumVariant", "Standard")
            progress = source.cloneTo(target, [standard], None)
        connection.wait(progress, Told("converting-the-disk"), call.report)
    finally:
        _let_go(connection, source)
