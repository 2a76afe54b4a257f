"""Images: disks of other formats turned into VDIs, which the worker makes into VMs to clone from."""

from __future__ import annotations

import tarfile
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from filelock import FileLock

from vboxlab.errors import BaseError
from vboxlab.hypervisor.driver import ImageInfo, Progress
from vboxlab.hypervisor.virtualbox.client import Client
from vboxlab.hypervisor.virtualbox.disks import SECTOR
from vboxlab.hypervisor.virtualbox.qcow2 import is_qcow2, open_disk
from vboxlab.hypervisor.virtualbox.vdi import copy_vdi, is_vdi, write_vdi
from vboxlab.hypervisor.virtualbox.vhd import is_vhd, open_vhd
from vboxlab.hypervisor.virtualbox.vmdk import is_vmdk, open_vmdk

IMAGE_FORMATS = ("qcow2", "raw", "vdi", "vmdk", "vhd")
READERS = ((is_qcow2, open_disk), (is_vmdk, open_vmdk), (is_vhd, open_vhd))


class Images:
    """The images of this VirtualBox."""

    def __init__(self, client: Client, home: Path) -> None:
        self._client = client
        self._folder = home / "virtualbox" / "import"

    def all(self) -> Sequence[ImageInfo]:
        """Report the images."""
        found = self._client.call("images")
        return [ImageInfo(image["name"], image["size"], tuple(image["clones"])) for image in found]

    def has(self, name: str) -> bool:
        """Tell whether there is an image of that name."""
        return bool(self._client.call("has_image", {"name": name}))

    def create(self, name: str, disk: Path, parent: str | None, progress: Progress) -> None:
        """Make an image of a disk file, which is only read. A qcow2 overlay is merged with what lies behind it.

        Raises BaseError when the file or the parent is missing, or the format is none of IMAGE_FORMATS.
        """
        if self.has(name):
            return
        if not disk.is_file():
            raise BaseError(f"image {name!r}: there is no disk file {disk}")
        if parent is not None and not self.has(parent):
            existing = ", ".join(image.name for image in self.all())
            raise BaseError(f"there is no image {parent!r}", details=[f"images that exist: {existing}"])
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

    def adopt(self, name: str, vm: str, snapshot: str, progress: Progress) -> str:
        """Let an existing VM be an image, and return what was done to it, for the user to read.

        The VM is not marked and never changed again; only when it has no snapshot, one is taken.
        """
        arguments = {"name": name, "vm": vm, "snapshot": snapshot}
        done = self._client.call("adopt_image", arguments, subject=vm, progress=progress)
        taken = "a snapshot was taken for it" if done["made"] else f"its {'' if snapshot else 'current '}snapshot"
        said = [f"{name} is the VM {done['vm']} as of {taken}, {done['snapshot']}", *done["media"]]
        if done["changed"]:
            said.append("the VM has changed since that snapshot: its machines are as it was then")
        return "\n".join(said)

    def import_appliance(self, name: str, file: Path, progress: Progress) -> None:
        """Make an image of an appliance, which is only read. Raises BaseError when the file is none."""
        if not is_appliance(file):
            raise BaseError(
                f"{file} is no appliance",
                details=["expected an OVA (a tar file that begins with an .ovf) or an OVF file"],
                resolution="VirtualBox makes one with File, Export Appliance; a disk file is added with --disk",
            )
        arguments = {"name": name, "file": str(file.absolute())}
        self._client.call("import_appliance", arguments, subject=str(file), progress=progress)

    def remove(self, name: str) -> None:
        """Remove an image. Raises BaseError, naming them, while machines or images depend on it."""
        if not self.has(name):
            raise BaseError(f"there is no image {name!r}")
        self._client.call("remove_image", {"name": name}, subject=f"image {name}")


def is_appliance(file: Path) -> bool:
    """Tell whether a file is an OVA or the OVF description of an appliance. Raises BaseError when it cannot be read."""
    try:
        with file.open("rb") as stream:
            start = stream.read(4096)
            stream.seek(0)
            with suppress(tarfile.TarError), tarfile.open(fileobj=stream, mode="r:") as members:
                first = members.next()
                return first is not None and first.name.lower().endswith(".ovf")
    except OSError as error:
        raise BaseError(f"{file}: cannot be read", details=[str(error)]) from error
    return start.lstrip(b"\xef\xbb\xbf \r\n").startswith(b"<") and b"Envelope" in start


def _convert(disk: Path, target: Path, progress: Progress) -> None:
    if is_vdi(disk):
        copy_vdi(disk, target)
        return
    opener = next((opener for recognise, opener in READERS if recognise(disk)), None)
    size = disk.stat().st_size
    if opener is None and (size % SECTOR or not size):
        raise BaseError(
            f"{disk} is no disk",
            details=[f"expected {', '.join(IMAGE_FORMATS)}; a raw disk is a multiple of {SECTOR} bytes"],
        )
    with (opener or open_disk)(disk) as source:
        write_vdi(source, target, progress)
