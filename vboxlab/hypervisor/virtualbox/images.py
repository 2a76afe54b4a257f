"""Images: copies of disks in any format, which the worker turns into VMs to clone from."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock

from vboxlab import programs
from vboxlab.errors import BaseError
from vboxlab.files import PRIVATE_FILE, make_private_folder
from vboxlab.hypervisor.diskfiles.appliances import check_appliance
from vboxlab.hypervisor.diskfiles.conversion import convert_arguments
from vboxlab.hypervisor.diskfiles.copying import describe_raw, take
from vboxlab.hypervisor.diskfiles.kinds import DiskFile, describe
from vboxlab.hypervisor.driver import ImageInfo, Progress
from vboxlab.hypervisor.virtualbox.client import Client
from vboxlab.hypervisor.virtualbox.failures import Unreadable

QEMU_IMG = "qemu-img"
INSTALL = "install qemu-img (Debian: `apt install qemu-utils`), which vboxlab then uses"
WORDS = 8  # lines of qemu-img's that an error shows


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

    def create(self, name: str, disk: Path, parent: str | None, progress: Progress, *, ours: bool) -> None:
        """Make an image of a disk file, which is only read. An overlay of ours is merged with what lies behind it.

        Raises BaseError when the file or the parent is missing, or the file cannot be imported.
        """
        if self.has(name):
            return
        if not disk.is_file():
            raise BaseError(f"image {name!r}: there is no disk file {disk}")
        if parent is not None and not self.has(parent):
            existing = ", ".join(image.name for image in self.all())
            raise BaseError(f"there is no image {parent!r}", details=[f"images that exist: {existing}"])
        found = describe(disk.absolute(), overlay=ours and parent is not None)
        with self._draft() as draft:
            try:
                copied = _merged(found, draft) if found.backing else take(found, draft, progress)
                if copied.kind == "raw":
                    copied = describe_raw(copied)
            except OSError as error:
                raise BaseError(f"{disk}: it cannot be copied", details=[f"{draft}: {error.strerror}"]) from error
            try:
                self._make(name, copied, progress)
            except Unreadable as error:
                progress("converting the disk", None)
                self._make(name, _converted(copied, found, draft, error), progress)

    def _make(self, name: str, disk: DiskFile, progress: Progress) -> None:
        files = [disk.path, *(disk.path.with_name(extent.name) for extent in disk.extents)]
        arguments = {"name": name, "kind": disk.kind, "files": [str(file) for file in files]}
        self._client.call("create_image", arguments, subject=f"image {name}", progress=progress)

    @contextmanager
    def _draft(self) -> Iterator[Path]:
        """Give an empty folder, which is gone afterwards; one at a time."""
        make_private_folder(self._folder)
        with FileLock(self._folder / "lock", mode=PRIVATE_FILE):
            draft = self._folder / "draft"
            shutil.rmtree(draft, ignore_errors=True)  # of an import that was killed
            make_private_folder(draft)
            try:
                yield draft
            finally:
                shutil.rmtree(draft, ignore_errors=True)

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
        """Make an image of an appliance, which is only read. Raises BaseError when it cannot be."""
        check_appliance(file.absolute())
        arguments = {"name": name, "file": str(file.absolute())}
        self._client.call("import_appliance", arguments, subject=str(file), progress=progress)

    def remove(self, name: str) -> None:
        """Remove an image. Raises BaseError, naming them, while machines or images depend on it."""
        if not self.has(name):
            raise BaseError(f"there is no image {name!r}")
        self._client.call("remove_image", {"name": name}, subject=f"image {name}")


def _merged(disk: DiskFile, folder: Path) -> DiskFile:
    """Return an overlay of ours, merged with what lies behind it. VirtualBox would pass over that without a word."""
    program = programs.find(QEMU_IMG)
    if program is None:
        raise BaseError(f"{disk.path}: qemu-img is needed to merge it with what lies behind it", resolution=INSTALL)
    return _run_qemu_img(program, disk, disk.path, folder)


def _converted(disk: DiskFile, origin: DiskFile, folder: Path, refusal: Unreadable) -> DiskFile:
    """Return as a VDI what VirtualBox has refused, if qemu-img is there and can read it. Raises BaseError."""
    program = programs.find(QEMU_IMG)
    if program is None:
        raise BaseError(
            f"{origin.path}: VirtualBox cannot read this {origin.kind} disk",
            details=refusal.details,
            resolution=f"{INSTALL}, or convert it in the program that made it",
        ) from refusal
    return _run_qemu_img(program, disk, origin.path, folder)


def _run_qemu_img(program: str, disk: DiskFile, origin: Path, folder: Path) -> DiskFile:
    target = folder / "converted.vdi"
    argv = [program, *convert_arguments(disk, target, "vdi")]
    done = programs.run(argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace", umask=0o077)
    if done.returncode:
        words = done.stderr.strip().splitlines()[-WORDS:]
        raise BaseError(f"{origin}: qemu-img cannot convert this {disk.kind} disk", details=words)
    return describe(target)
