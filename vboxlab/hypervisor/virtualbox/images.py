"""Images: disks of other formats turned into VDIs, which the worker makes into VMs to clone from."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from filelock import FileLock

from vboxlab.errors import BaseError
from vboxlab.hypervisor.driver import ImageInfo, Progress, no_progress
from vboxlab.hypervisor.virtualbox.client import Client
from vboxlab.hypervisor.virtualbox.qcow2 import open_disk
from vboxlab.hypervisor.virtualbox.vdi import copy_vdi, is_vdi, write_vdi

IMAGE_FORMATS = ("qcow2", "raw", "vdi")
VMDK_STARTS = (b"KDMV", b"# Disk DescriptorFile")


class Images:
    """The images of this VirtualBox."""

    def __init__(self, client: Client, home: Path) -> None:
        self._client = client
        self._folder = home / "virtualbox" / "import"

    def all(self) -> Sequence[ImageInfo]:
        """Report the images."""
        found = self._client.call("images")
        return [ImageInfo(image["name"], image["size"], tuple(image["clones"])) for image in found]

    def create(self, name: str, disk: Path, parent: str | None, progress: Progress) -> None:
        """Make an image of a disk file, which is only read. A qcow2 overlay is merged with what lies behind it.

        Raises BaseError when the file or the parent is missing, or the format is none of IMAGE_FORMATS.
        """
        existing = {image.name for image in self.all()}
        if name in existing:
            return
        if not disk.is_file():
            raise BaseError(f"image {name!r}: there is no disk file {disk}")
        if parent is not None and parent not in existing:
            raise BaseError(f"there is no image {parent!r}", details=[f"images that exist: {', '.join(existing)}"])
        self._folder.mkdir(parents=True, exist_ok=True)
        with FileLock(self._folder / "lock"):
            copy = self._folder / "disk.vdi"
            copy.unlink(missing_ok=True)  # of an import that was killed
            try:
                _convert(disk, copy, progress)
                arguments = {"name": name, "disk": str(copy), "parent": parent or ""}
                self._client.call("create_image", arguments, subject=f"image {name}", progress=progress)
            finally:
                copy.unlink(missing_ok=True)

    def adopt(self, name: str, vm: str, progress: Progress = no_progress) -> str:
        """Let an existing VM be an image, and return what was done to it, for the user to read.

        The VM is not marked and never changed again; only when it has no snapshot, one is taken.
        Raises MachineNotFound, DriverError when it is not off, MachineConflict when another image has the name.
        """
        done = self._client.call("adopt_image", {"name": name, "vm": vm}, subject=vm, progress=progress)
        taken = "a snapshot was taken for it" if done["made"] else "its current snapshot"
        return f"{name} is the VM {done['vm']} as of {taken}, {done['snapshot']}"

    def remove(self, name: str) -> None:
        """Remove an image. Raises BaseError, naming them, while machines or images depend on it."""
        if name not in {image.name for image in self.all()}:
            raise BaseError(f"there is no image {name!r}")
        self._client.call("remove_image", {"name": name}, subject=f"image {name}")


def _convert(disk: Path, target: Path, progress: Progress) -> None:
    if is_vdi(disk):
        copy_vdi(disk, target)
        return
    with disk.open("rb") as stream:
        start = stream.read(32)
    if start.startswith(VMDK_STARTS):
        raise BaseError(
            f"{disk} is a VMDK, which is not read here",
            resolution=f"convert it: `VBoxManage clonemedium disk {disk.name} {disk.stem}.vdi`, then give that file",
        )
    with open_disk(disk) as source:
        write_vdi(source, target, progress)
