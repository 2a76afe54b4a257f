"""Where the QEMU driver keeps its things, and the few ways in which they are changed so that nothing is half there.

home/qemu/
├── images/NAME.json           what machines are cloned from: path of a disk of ours, or
├── images/NAME.disk/          the copy of a disk of the user's; .importing.disk while it is made
├── machines/ID/               machine.json, disk.qcow2, more disks, pid, console.log, errors.log
├── shared/LAB/NAME.raw        disks that machines of a lab share
├── kept/LAB/NAME-…/           what somebody else had put there, when the machine was removed
├── machines/.new-… .gone-…    being made, being removed: never reported, swept by collect_garbage
├── accelerator.json           what the probe boot showed
├── runtime                    path of the run directory
└── lock                       taken while names or directories come and go
RUN/                           private directory with a short path: UNIX socket paths end at 107 bytes (unix(7))
├── q/ID, s/ID                 QMP: for commands, for looking at the state
└── n/LAB/                     one lab copy's networks: see switch.py
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import shutil
import stat
import tempfile
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from functools import cached_property
from pathlib import Path
from urllib.parse import quote

from vboxlab.errors import DriverError
from vboxlab.files import PRIVATE_FILE, make_private_folder, write_durably
from vboxlab.language import C_, _
from vboxlab.topology.addressing import LabName

# All that this driver writes into a machine's directory; its temporary files begin with a dot and such a name.
DISK_LOCK = "disk.lock"
CHANGE_LOCK = "change.lock"
MACHINE_FILES = ("disk.qcow2", DISK_LOCK, CHANGE_LOCK, "pid", "console.log", "errors.log", "owner", "machine.json")
SHARED_SUFFIX = ".raw"
# The longest name below the run directory: /n/LABHASH8/p/ID12.SLOT, with its .net file.
SOCKET_NAME_BYTES = 40
# macOS' sun_path holds 104 bytes with its final NUL, Linux' 108.
SOCKET_PATH_BYTES = 103


@contextmanager
def lock(path: Path) -> Iterator[None]:
    """Hold a lock among all threads and processes while the block runs; the kernel frees it when a holder dies."""
    make_private_folder(path.parent)
    with held(path):
        yield


@contextmanager
def held(path: Path, *, wait: bool = True) -> Iterator[int]:
    """Hold a lock as `lock` does, and yield its descriptor: a process that inherits it holds the lock as well.

    Raises BlockingIOError when somebody else has it and it is not to be waited for.
    """
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, PRIVATE_FILE)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        yield handle
    finally:
        os.close(handle)


def remove_tree(path: Path) -> None:
    """Remove a directory with all it holds; what is gone already is no error."""
    shutil.rmtree(path, ignore_errors=True)
    if path.exists():
        raise DriverError(
            _("{path} cannot be removed").format(path=path), resolution=_("check the permissions of that folder")
        )


def foreign_entries(directory: Path, disks: Collection[str] = ()) -> list[Path]:
    """Return what is in a machine's directory that this driver did not put there; `disks` are the machine's."""
    files = (*MACHINE_FILES, *disks)
    own = tuple(f".{name}." for name in files)
    try:
        found = sorted(directory.iterdir())
    except (FileNotFoundError, NotADirectoryError):
        return []
    return [path for path in found if path.name not in files and not path.name.startswith(own)]


class Layout:
    """The paths of one vboxlab home."""

    def __init__(self, home: Path) -> None:
        self.root = home.absolute() / "qemu"
        self.images = self.root / "images"
        self.machines = self.root / "machines"
        self.kept = self.root / "kept"
        self.shared = self.root / "shared"
        self.accelerator = self.root / "accelerator.json"
        self._lock = self.root / "lock"
        self._pin = self.root / "runtime"

    def prepare(self) -> None:
        """Make the directories, private to the user."""
        for directory in (self.root, self.images, self.machines):
            make_private_folder(directory)

    @contextmanager
    def exclusive(self) -> Iterator[None]:
        """Hold the home's lock: names are taken, directories come and go only under it."""
        with lock(self._lock):
            yield

    def image(self, name: str) -> Path:
        """Return the file that describes an image."""
        return self.images / f"{quote(name, safe='')}.json"

    def image_folder(self, name: str) -> Path:
        """Return the directory of an image's own disk, which not every image has."""
        return self.images / f"{quote(name, safe='')}.disk"

    @property
    def image_draft(self) -> Path:
        """Return the directory in which an image's disk is made."""
        return self.images / ".importing.disk"

    def image_folders(self) -> list[Path]:
        """Return the directories of images' disks, half-made ones included."""
        return sorted(self.images.glob("*.disk")) if self.images.is_dir() else []

    def machine(self, machine_id: str) -> Path:
        """Return the directory of a machine."""
        return self.machines / machine_id

    def shared_disk(self, lab: LabName, name: str) -> Path:
        """Return the file of a disk that machines of a lab share."""
        return self.shared / lab.slug / f"{name}{SHARED_SUFFIX}"

    def discard(self, directory: Path, lab: LabName | None, name: str, disks: Collection[str] = ()) -> None:
        """Remove a machine's directory with its disks, whatever it is named by now; what is not ours is kept elsewhere.

        Its description goes last, so that whoever finishes this knows what it was.
        """
        foreign = foreign_entries(directory, disks)
        if foreign:
            parent = self.kept / (lab.slug if lab else "none")
            make_private_folder(parent)
            kept = Path(tempfile.mkdtemp(prefix=f"{name}-", dir=parent))
            for path in foreign:
                path.rename(kept / path.name)
        with suppress(FileNotFoundError):
            own = [path for path in directory.iterdir() if path.name != MACHINE_FILES[-1]]
            for path in [*own, directory / MACHINE_FILES[-1]]:
                path.unlink(missing_ok=True)
        remove_tree(directory)

    @property
    def has_runtime(self) -> bool:
        """Tell whether there is a run directory."""
        return self._pin.is_file()

    def monitor(self, machine_id: str) -> Path:
        """Return the QMP socket that commands go through."""
        return self.runtime / "q" / machine_id

    def status(self, machine_id: str) -> Path:
        """Return the QMP socket that is only used to look at the state, so that no command makes a look wait."""
        return self.runtime / "s" / machine_id

    def switch(self, lab: LabName | None) -> Path:
        """Return the directory of one lab copy's networks: what is in another directory can never meet."""
        key = "" if lab is None else lab.slug
        return self.runtime / "n" / hashlib.sha256(key.encode()).hexdigest()[:8]

    @cached_property
    def runtime(self) -> Path:
        """Return the run directory, the same one for all processes of this home, making it when it is not there.

        It is in the directory for temporary files and not in XDG_RUNTIME_DIR, which the login manager removes with
        the last session while machines go on running (pam_systemd(8)).
        """
        with lock(self._lock):
            pinned = _pinned(self._pin)
            if pinned is None or not _is_private(pinned):
                pinned = _make_runtime()
                write_durably(self._pin, str(pinned))
        for name in ("q", "s", "n"):
            make_private_folder(pinned / name)
        return pinned


RUNTIME = re.compile(r"vboxlab-[a-z0-9_]{8}")  # as mkdtemp makes them


def _pinned(file: Path) -> Path | None:
    """Return the run directory that a file names, None when there is no file. Raises DriverError when it is damaged."""
    try:
        text = file.read_text(encoding="utf-8") if file.is_file() else None
    except UnicodeDecodeError:
        text = ""
    if text is None:
        return None
    path = Path(text.strip() or ".")
    if not path.is_absolute() or not RUNTIME.fullmatch(path.name):
        here = ", ".join(map(str, Path(tempfile.gettempdir()).glob("vboxlab-*")))
        raise DriverError(
            _("{file} is damaged: it must hold the path of the folder with the sockets of running machines").format(
                file=file
            ),
            details=[_("such folders here: {folders}").format(folders=here or C_("folder", "none"))],
            resolution=_(
                "write that path into the file; or end all qemu-system-x86_64 of this user and remove the file"
            ),
        )
    return path


def _make_runtime() -> Path:
    parent = Path(tempfile.gettempdir())
    if len(os.fsencode(parent)) + len("/vboxlab-12345678") + SOCKET_NAME_BYTES > SOCKET_PATH_BYTES:
        parent = Path("/tmp")  # noqa: S108 -- mkdtemp makes a directory that nobody else can guess or enter
    return Path(tempfile.mkdtemp(prefix="vboxlab-", dir=parent))


def _is_private(path: Path) -> bool:
    try:
        found = path.lstat()
    except OSError:
        return False
    return stat.S_ISDIR(found.st_mode) and found.st_uid == os.geteuid() and not found.st_mode & 0o077
