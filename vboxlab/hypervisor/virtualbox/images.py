"""Images: copies of disks in any format, which the worker turns into VMs to clone from."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

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
from vboxlab.hypervisor.virtualbox.sentences.telling import say
from vboxlab.hypervisor.virtualbox.worker import calls
from vboxlab.language import N_, _

QEMU_IMG = "qemu-img"
INSTALL = N_("install qemu-img (Debian: `apt install qemu-utils`), which vboxlab then uses")
INSTALL_OR_CONVERT = N_(
    "install qemu-img (Debian: `apt install qemu-utils`), which vboxlab then uses, or convert it in the program that "
    "made it"
)
WORDS = 8  # lines of qemu-img's that an error shows


class Images:
    """The images of this VirtualBox."""

    def __init__(self, client: Client, home: Path) -> None:
        self._client = client
        self._folder = home / "virtualbox" / "import"

    def all(self) -> Sequence[ImageInfo]:
        """Report the images."""
        return [ImageInfo(each.name, each.size, each.clones) for each in self._client.call(calls.ListImages())]

    def has(self, name: str) -> bool:
        """Tell whether there is an image of that name."""
        return self._client.call(calls.HasImage(name))

    def create(self, name: str, disk: Path, parent: str | None, progress: Progress, *, ours: bool) -> None:
        """Make an image of a disk file, which is only read. An overlay of ours is merged with what lies behind it.

        Raises BaseError when the file or the parent is missing, or the file cannot be imported.
        """
        if self.has(name):
            return
        if not disk.is_file():
            raise BaseError(_("image {image!r}: there is no disk file {disk}").format(image=name, disk=disk))
        if parent is not None and not self.has(parent):
            existing = ", ".join(image.name for image in self.all())
            details = [_("images that exist: {images}").format(images=existing)]
            raise BaseError(_("there is no image {image!r}").format(image=parent), details=details)
        found = describe(disk.absolute(), overlay=ours and parent is not None)
        with self._draft() as draft:
            try:
                copied = _merged(found, draft) if found.backing else take(found, draft, progress)
                if copied.kind == "raw":
                    copied = describe_raw(copied)
            except OSError as error:
                details = [_("{path}: {problem}").format(path=draft, problem=error.strerror)]
                raise BaseError(_("{path}: it cannot be copied").format(path=disk), details=details) from error
            try:
                self._make(name, copied, progress)
            except Unreadable as error:
                progress(_("converting the disk"), None)
                self._make(name, _converted(copied, found, draft, error), progress)

    def _make(self, name: str, disk: DiskFile, progress: Progress) -> None:
        files = (disk.path, *(disk.path.with_name(extent.name) for extent in disk.extents))
        asked = calls.CreateImage(name, disk.kind, tuple(str(file) for file in files))
        self._client.call(asked, subject=_("image {image}").format(image=name), progress=progress)

    @contextmanager
    def _draft(self) -> Iterator[Path]:
        """Give an empty folder, which is gone afterwards; one at a time."""
        from filelock import FileLock

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
        done = self._client.call(calls.AdoptImage(name, vm, snapshot), subject=vm, progress=progress)
        if done.made:
            sentence = _("{image} is the VM {vm} as of a snapshot was taken for it, {snapshot}")
        elif snapshot:
            sentence = _("{image} is the VM {vm} as of its snapshot, {snapshot}")
        else:
            sentence = _("{image} is the VM {vm} as of its current snapshot, {snapshot}")
        said = [sentence.format(image=name, vm=done.vm, snapshot=done.snapshot), *map(say, done.media)]
        if done.changed:
            said.append(_("the VM has changed since that snapshot: its machines are as it was then"))
        return "\n".join(said)

    def import_appliance(self, name: str, file: Path, progress: Progress) -> None:
        """Make an image of an appliance, which is only read. Raises BaseError when it cannot be."""
        check_appliance(file.absolute())
        self._client.call(calls.ImportAppliance(name, str(file.absolute())), subject=str(file), progress=progress)

    def remove(self, name: str) -> None:
        """Remove an image. Raises BaseError, naming them, while machines or images depend on it."""
        if not self.has(name):
            raise BaseError(_("there is no image {image!r}").format(image=name))
        self._client.call(calls.RemoveImage(name), subject=_("image {image}").format(image=name))


def _merged(disk: DiskFile, folder: Path) -> DiskFile:
    """Return an overlay of ours, merged with what lies behind it. VirtualBox would pass over that without a word."""
    program = programs.find(QEMU_IMG)
    if program is None:
        brief = _("{path}: qemu-img is needed to merge it with what lies behind it").format(path=disk.path)
        raise BaseError(brief, resolution=_(INSTALL))
    return _run_qemu_img(program, disk, disk.path, folder)


def _converted(disk: DiskFile, origin: DiskFile, folder: Path, refusal: Unreadable) -> DiskFile:
    """Return as a VDI what VirtualBox has refused, if qemu-img is there and can read it. Raises BaseError."""
    program = programs.find(QEMU_IMG)
    if program is None:
        brief = _("{path}: VirtualBox cannot read this {kind} disk").format(path=origin.path, kind=origin.kind)
        raise BaseError(brief, details=refusal.details, resolution=_(INSTALL_OR_CONVERT)) from refusal
    return _run_qemu_img(program, disk, origin.path, folder)


def _run_qemu_img(program: str, disk: DiskFile, origin: Path, folder: Path) -> DiskFile:
    target = folder / "converted.vdi"
    argv = [program, *convert_arguments(disk, target, "vdi")]
    done = programs.run(argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace", umask=0o077)
    if done.returncode:
        words = done.stderr.strip().splitlines()[-WORDS:]
        brief = _("{path}: qemu-img cannot convert this {kind} disk").format(path=origin, kind=disk.kind)
        raise BaseError(brief, details=words)
    return describe(target)
