"""Images: disks of the caller that machines are linked clones of, with the kernel that may lie beside them."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Iterable, Mapping
from pathlib import Path

from filelock import FileLock, Timeout
from pydantic import TypeAdapter, ValidationError

from vboxlab import programs
from vboxlab.errors import BaseError, DriverError
from vboxlab.files import PRIVATE_FILE, bytes_on_disk, make_private_folder, publish, write_durably
from vboxlab.hypervisor.diskfiles.conversion import convert_arguments
from vboxlab.hypervisor.diskfiles.copying import take
from vboxlab.hypervisor.diskfiles.kinds import DiskFile, describe
from vboxlab.hypervisor.driver import ImageInfo, Progress
from vboxlab.hypervisor.qemu.command import Kernel
from vboxlab.hypervisor.qemu.layout import DISK_LOCK, Layout, held, remove_tree
from vboxlab.language import C_, _
from vboxlab.lazily import dataclass
from vboxlab.waiting import Deadline

KERNEL_FILE = "vmlinuz"
INITRD_FILE = "initrd.img"
ARGUMENTS_FILE = "cmdline"
LOCKED_SECONDS = 5.0


@dataclass(frozen=True)
class Image:
    """An image: where its disk is and what it is an overlay of."""

    name: str
    disk: Path
    format: str
    parent: str | None = None

    @property
    def kernel(self) -> Kernel | None:
        """Return the kernel beside the disk, if one is there."""
        image = self.disk.parent / KERNEL_FILE
        if not image.is_file():
            return None
        initrd = self.disk.parent / INITRD_FILE
        arguments = self.disk.parent / ARGUMENTS_FILE
        text = arguments.read_text(encoding="utf-8", errors="replace") if arguments.is_file() else ""
        return Kernel(image, initrd if initrd.is_file() else None, " ".join(text.split()))


_CODEC = TypeAdapter(Image)


class ImageStore:
    """The images of one home."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout

    def _importing(self) -> FileLock:
        """Return the lock of imports: each taker's own, because one that several threads have lets all of them in."""
        return FileLock(self._layout.images / ".importing.lock", mode=PRIVATE_FILE)

    def all(self) -> list[Image]:
        """Return all images. Raises BaseError for a record that cannot be read: nobody knows what depends on it."""
        found = (self._read(path) for path in sorted(self._layout.images.glob("[!.]*.json")))
        return [image for image in found if image is not None]

    def find(self, name: str) -> Image | None:
        """Return an image by name. Raises BaseError for a record that cannot be read."""
        return self._read(self._layout.image(name))

    @staticmethod
    def _read(path: Path) -> Image | None:
        try:
            return _CODEC.validate_json(path.read_bytes())
        except FileNotFoundError:
            return None
        except (OSError, ValidationError) as error:
            raise BaseError(
                _("the record of the image {image} cannot be read: {path}").format(image=path.stem, path=path),
                details=[line.strip() for line in str(error).splitlines()[:3]],
                resolution=_(
                    "put it right (name, disk, format and parent of the image); that of a base which was built "
                    "here can be removed: the next `vboxlab up` writes it anew"
                ),
            ) from error

    def get(self, name: str) -> Image:
        """Return an image whose disk is there. Raises BaseError."""
        image = self.find(name)
        if image is None:
            names = ", ".join(image.name for image in self.all()) or C_("image", "none")
            raise BaseError(
                _("there is no image {image!r}").format(image=name),
                details=[_("images that exist: {images}").format(images=names)],
            )
        if not image.disk.is_file():
            raise BaseError(
                _("the disk of image {image!r} is not there: {path}").format(image=name, path=image.disk),
                resolution=_("build the base again"),
            )
        return image

    def infos(self, clones: Mapping[str, Iterable[str]]) -> list[ImageInfo]:
        """Return all images with their sizes and the machines made from each."""
        return [
            ImageInfo(image.name, _bytes_on_disk(image.disk), tuple(sorted(clones.get(image.name, ()))))
            for image in self.all()
        ]

    def refer(self, name: str, disk: Path, parent: str | None) -> None:
        """Let a disk of ours be an image where it lies. Raises BaseError when it cannot be one."""
        if self._is_whole(name):
            return
        found = _look_at(name, disk, overlay=parent is not None)
        if parent is not None:
            facts = json.loads(run_disk_tool("info", "-U", "-f", found.kind, "--output=json", str(found.path)))
            _check_parent(name, facts.get("full-backing-filename"), self.get(parent))
        self._record(Image(name, found.path, found.kind, parent))

    def copy(self, name: str, disk: Path, progress: Progress) -> None:
        """Make an image of a copy of the user's disk. All or nothing. Raises BaseError when it cannot be one."""
        if self._is_whole(name):
            return
        found = _look_at(name, disk, overlay=False)
        with self._importing():
            if self._is_whole(name):  # made by another process meanwhile
                return
            draft, folder = self._layout.image_draft, self._layout.image_folder(name)
            remove_tree(draft)
            make_private_folder(draft)
            try:
                copied = _copied(found, draft, progress)
                remove_tree(folder)  # of an import that was killed
                publish(draft, folder)
            finally:
                remove_tree(draft)
            self._record(Image(name, folder / copied.path.name, copied.kind))

    def sweep(self, *, only_look: bool = False) -> list[str]:
        """Remove what killed imports left, unless one is under way; return what it was, or is."""
        try:
            with self._importing().acquire(timeout=0):
                left = [path for path in self._layout.image_folders() if not path.with_suffix(".json").is_file()]
                for path in left if not only_look else ():
                    remove_tree(path)
        except Timeout:
            return []
        return [_("unfinished image {image}").format(image=path.name) for path in left]

    def _is_whole(self, name: str) -> bool:
        existing = self.find(name)
        return existing is not None and existing.disk.is_file()

    def _record(self, image: Image) -> None:
        write_durably(self._layout.image(image.name), _CODEC.dump_json(image).decode())

    def remove(self, name: str, clones: Iterable[str]) -> None:
        """Remove an image; a disk that it refers to stays. Raises BaseError when something depends on it."""
        if self.find(name) is None:
            raise BaseError(_("there is no image {image!r}").format(image=name))
        dependants = [_("machine {machine}").format(machine=machine) for machine in sorted(clones)]
        dependants += [_("image {image}").format(image=image.name) for image in self.all() if image.parent == name]
        if dependants:
            raise BaseError(
                _("image {image!r} is in use").format(image=name),
                details=dependants,
                resolution=_("remove these first, then the image"),
            )
        self._layout.image(name).unlink(missing_ok=True)
        remove_tree(self._layout.image_folder(name))


def _look_at(name: str, disk: Path, *, overlay: bool) -> DiskFile:
    disk = disk.absolute()
    if not disk.is_file():
        raise BaseError(_("image {image!r}: there is no disk file {disk}").format(image=name, disk=disk))
    return describe(disk, overlay=overlay)


def _copied(disk: DiskFile, folder: Path, progress: Progress) -> DiskFile:
    """Return the only file of a folder: a copy that QEMU can go on working with, raw or qcow2."""
    try:
        copied = take(disk, folder, progress)
    except OSError as error:
        raise BaseError(
            _("{path}: it cannot be copied").format(path=disk.path),
            details=[_("{subject}: {problem}").format(subject=folder, problem=error.strerror)],
        ) from error
    if copied.kind in ("raw", "qcow2"):
        return copied
    progress(_("converting the disk"), None)
    target = folder / "disk.qcow2"
    try:
        run_disk_tool(*convert_arguments(copied, target, "qcow2"))
    except DriverError as error:
        brief = _("{path}: qemu-img cannot convert this {kind} disk").format(path=disk.path, kind=disk.kind)
        raise BaseError(brief, details=error.details, resolution=error.resolution) from error
    for path in folder.iterdir():
        if path != target:
            path.unlink()
    return describe(target)


def _check_parent(name: str, backing: str | None, parent: Image) -> None:
    if backing is None or Path(backing).resolve() != parent.disk.resolve():
        raise BaseError(
            _("image {image!r}: its disk is no overlay of image {parent!r}").format(image=name, parent=parent.name),
            details=[
                _("backing file: {path}").format(path=backing or C_("file", "none")),
                _("expected: {expected}").format(expected=parent.disk),
            ],
        )


def _bytes_on_disk(path: Path) -> int:
    try:
        return bytes_on_disk(path)
    except OSError:
        return 0


def run_on_disk(disk: Path, *arguments: str, size: str = "") -> str:
    """Run qemu-img on a machine's disk, alone: the arguments, then the disk, and its size where one is made.

    Raises what run_disk_tool raises.

    A qemu-img whose caller was killed goes on, and QEMU's own lock does not keep two apart that begin at once: one
    wrote the table of snapshots that it had read before the other's (seen with 7.2, 2 of 250 times), and snapshots were
    lost. So each inherits a lock of ours, which ends with the last process that has it.
    """
    with held(disk.with_name(DISK_LOCK)) as handle:
        return run_disk_tool(*arguments, str(disk), *([size] if size else []), inherited=(handle,))


def await_disk(disk: Path) -> None:
    """Return once no qemu-img works on a machine's disk."""
    with held(disk.with_name(DISK_LOCK)):
        pass


def run_disk_tool(*arguments: str, inherited: tuple[int, ...] = ()) -> str:
    """Run qemu-img and return what it prints. Raises DriverError with its words (qemu-img(1)).

    A disk that is locked is waited for: it may be in the hands of a qemu-img whose caller was killed, for some more
    milliseconds. Ctrl-C in a terminal reaches all of its process group: in a session of its own qemu-img is not cut off
    between a disk's old state and its new one.
    """
    deadline = Deadline.after(LOCKED_SECONDS)
    while True:
        try:
            ended = programs.run(
                ["qemu-img", *arguments], stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace",
                umask=0o077, pass_fds=inherited, start_new_session=True,
            )  # fmt: skip
        except FileNotFoundError:
            raise DriverError(_("qemu-img is not installed"), resolution=_("install the package qemu-utils")) from None
        if not ended.returncode:
            return str(ended.stdout)
        if not is_locked(ended.stderr) or deadline.expired:
            break
        time.sleep(0.02)
    words = ended.stderr.strip().splitlines()
    full = any("No space left" in line for line in words)
    raise DriverError(
        _("qemu-img {command} failed").format(command=arguments[0]),
        details=words,
        resolution=_("the host's disk is full: free some space") if full else None,
    )


def is_locked(words: str) -> bool:
    """Tell whether QEMU's words say that another process uses a disk."""
    return 'Failed to get "write" lock' in words or 'Failed to get shared "write" lock' in words
