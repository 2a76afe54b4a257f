"""Images: disks of the caller that machines are linked clones of, with the kernel that may lie beside them."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from vboxlab.errors import BaseError, DriverError
from vboxlab.files import write_durably
from vboxlab.hypervisor.driver import ImageInfo
from vboxlab.hypervisor.qemu.command import Kernel
from vboxlab.hypervisor.qemu.layout import Layout
from vboxlab.waiting import Deadline

IMAGE_FORMATS = ("qcow2", "raw", "vmdk", "vdi")
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
        text = arguments.read_text(encoding="utf-8") if arguments.is_file() else ""
        return Kernel(image, initrd if initrd.is_file() else None, " ".join(text.split()))


_CODEC = TypeAdapter(Image)


class ImageStore:
    """The images of one home."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout

    def all(self) -> list[Image]:
        """Return all images."""
        found = []
        for path in sorted(self._layout.images.glob("[!.]*.json")):
            with suppress(ValidationError, FileNotFoundError):
                found.append(_CODEC.validate_json(path.read_bytes()))
        return found

    def find(self, name: str) -> Image | None:
        """Return an image by name."""
        with suppress(FileNotFoundError):
            return _CODEC.validate_json(self._layout.image(name).read_bytes())
        return None

    def get(self, name: str) -> Image:
        """Return an image whose disk is there. Raises BaseError."""
        image = self.find(name)
        if image is None:
            names = ", ".join(image.name for image in self.all()) or "none"
            raise BaseError(f"there is no image {name!r}", details=[f"images that exist: {names}"])
        if not image.disk.is_file():
            raise BaseError(f"the disk of image {name!r} is not there: {image.disk}", resolution="build the base again")
        return image

    def infos(self, clones: Mapping[str, Iterable[str]]) -> list[ImageInfo]:
        """Return all images with their sizes and the machines made from each."""
        return [
            ImageInfo(image.name, _bytes_on_disk(image.disk), tuple(sorted(clones.get(image.name, ()))))
            for image in self.all()
        ]

    def add(self, name: str, disk: Path, parent: str | None) -> None:
        """Register a disk as an image. Raises BaseError when it cannot be one."""
        existing = self.find(name)
        if existing is not None and existing.disk.is_file():
            return
        disk = disk.absolute()
        if not disk.is_file():
            raise BaseError(f"image {name!r}: there is no disk file {disk}")
        try:
            facts = json.loads(run_disk_tool("info", "-U", "--output=json", str(disk)))
        except DriverError as error:
            raise BaseError(f"image {name!r}: {disk} is no disk image", details=error.details) from error
        if facts["format"] not in IMAGE_FORMATS:
            raise BaseError(
                f"image {name!r}: {disk} has the format {facts['format']}",
                resolution=f"convert it to one of: {', '.join(IMAGE_FORMATS)}",
            )
        if parent is not None:
            _check_parent(name, facts.get("full-backing-filename"), self.get(parent))
        image = Image(name, disk, facts["format"], parent)
        write_durably(self._layout.image(name), _CODEC.dump_json(image).decode())

    def remove(self, name: str, clones: Iterable[str]) -> None:
        """Forget an image; its disk stays the caller's. Raises BaseError when something depends on it."""
        if self.find(name) is None:
            raise BaseError(f"there is no image {name!r}")
        dependants = [f"machine {machine}" for machine in sorted(clones)]
        dependants += [f"image {image.name}" for image in self.all() if image.parent == name]
        if dependants:
            raise BaseError(
                f"image {name!r} is in use", details=dependants, resolution="remove these first, then the image"
            )
        self._layout.image(name).unlink(missing_ok=True)


def _check_parent(name: str, backing: str | None, parent: Image) -> None:
    if backing is None or Path(backing).resolve() != parent.disk.resolve():
        raise BaseError(
            f"image {name!r}: its disk is no overlay of image {parent.name!r}",
            details=[f"backing file: {backing or 'none'}", f"expected: {parent.disk}"],
        )


def _bytes_on_disk(path: Path) -> int:
    try:
        return path.stat().st_blocks * 512
    except OSError:
        return 0


def run_disk_tool(*arguments: str) -> str:
    """Run qemu-img and return what it prints. Raises DriverError with its words (qemu-img(1)).

    A disk that is locked is waited for: it may be in the hands of a qemu-img whose caller was killed, for some more
    milliseconds.
    """
    deadline = Deadline.after(LOCKED_SECONDS)
    while True:
        try:
            ended = subprocess.run(
                ["qemu-img", *arguments], stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
                umask=0o077,
            )  # fmt: skip
        except FileNotFoundError:
            raise DriverError("qemu-img is not installed", resolution="install the package qemu-utils") from None
        if not ended.returncode:
            return ended.stdout
        if not is_locked(ended.stderr) or deadline.expired:
            break
        time.sleep(0.02)
    words = ended.stderr.strip().splitlines()
    full = any("No space left" in line for line in words)
    raise DriverError(
        f"qemu-img {arguments[0]} failed",
        details=words,
        resolution="the host's disk is full: free some space" if full else None,
    )


def is_locked(words: str) -> bool:
    """Tell whether QEMU's words say that another process uses a disk."""
    return 'Failed to get "write" lock' in words or 'Failed to get shared "write" lock' in words
