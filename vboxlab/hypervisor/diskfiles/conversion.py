"""How qemu-img is told to convert a disk that was looked at: its format is said, never guessed (qemu-img(1))."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from vboxlab.hypervisor.diskfiles.kinds import DiskFile

# Without this, QEMU takes a VHD's size from its geometry, which VirtualBox and others round down.
VHD_OPTIONS = "driver=vpc,force_size_calc=current_size,file.driver=file,file.filename="


def convert_arguments(disk: DiskFile, target: Path, form: Literal["qcow2", "vdi"]) -> list[str]:
    """Return the arguments of qemu-img that convert a disk."""
    if disk.kind == "vhd":
        source = ["--image-opts", VHD_OPTIONS + str(disk.path).replace(",", ",,")]
    else:
        source = ["-f", disk.kind, str(disk.path)]
    return ["convert", "-O", form, *source, str(target)]
