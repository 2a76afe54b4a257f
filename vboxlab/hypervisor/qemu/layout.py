"""Where the QEMU driver keeps its things, and the few ways in which they are changed so that nothing is half there.

home/qemu/
├── images/NAME.json           what machines are cloned from: paths of the caller's files
├── machines/ID/               machine.json, disk.qcow2, pid, console.log, errors.log
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
import shutil
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cached_property
from pathlib import Path
from urllib.parse import quote

from vboxlab.errors import DriverError
from vboxlab.topology.addressing import LabName

# All that this driver writes into a machine's directory; its temporary files begin with a dot and such a name.
MACHINE_FILES = ("disk.qcow2", "pid", "console.log", "errors.log", "owner", "machine.json")
# The longest name below the run directory: /n/LABHASH8/p/ID12.SLOT, with its .net file.
SOCKET_NAME_BYTES = 40
# macOS' sun_path holds 104 bytes with its final NUL, Linux' 108.
SOCKET_PATH_BYTES = 103


def write_atomically(path: Path, text: str) -> None:
    """Replace a file's content in one step: readers see the old text or the new one, also after kill -9."""
    handle, name = tempfile.mkstemp(prefix=f".{path.name}-", dir=path.parent)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


@contextmanager
def lock(path: Path) -> Iterator[None]:
    """Hold a lock among all threads and processes while the block runs; the kernel frees it when a holder dies."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def remove_tree(path: Path) -> None:
    """Remove a directory with all it holds; what is gone already is no error."""
    shutil.rmtree(path, ignore_errors=True)
    if path.exists():
        raise DriverError(f"{path} cannot be removed", resolution="check the permissions of that folder")


def foreign_entries(directory: Path) -> list[Path]:
    """Return what is in a machine's directory that this driver did not put there."""
    own = tuple(f".{name}-" for name in MACHINE_FILES)
    try:
        found = sorted(directory.iterdir())
    except (FileNotFoundError, NotADirectoryError):
        return []
    return [path for path in found if path.name not in MACHINE_FILES and not path.name.startswith(own)]


class Layout:
    """The paths of one vboxlab home."""

    def __init__(self, home: Path) -> None:
        self.root = home.absolute() / "qemu"
        self.images = self.root / "images"
        self.machines = self.root / "machines"
        self.kept = self.root / "kept"
        self.accelerator = self.root / "accelerator.json"
        self._lock = self.root / "lock"
        self._pin = self.root / "runtime"

    def prepare(self) -> None:
        """Make the directories, private to the user."""
        for directory in (self.root, self.images, self.machines):
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)

    @contextmanager
    def exclusive(self) -> Iterator[None]:
        """Hold the home's lock: names are taken, directories come and go only under it."""
        with lock(self._lock):
            yield

    def image(self, name: str) -> Path:
        """Return the file that describes an image."""
        return self.images / f"{quote(name, safe='')}.json"

    def machine(self, machine_id: str) -> Path:
        """Return the directory of a machine."""
        return self.machines / machine_id

    def discard(self, directory: Path, lab: LabName | None, name: str) -> None:
        """Remove a machine's directory, whatever it is named by now; what is not this driver's in it is kept elsewhere.

        Its description goes last, so that whoever finishes this knows what it was.
        """
        foreign = foreign_entries(directory)
        if foreign:
            parent = self.kept / (lab.slug if lab else "none")
            parent.mkdir(mode=0o700, parents=True, exist_ok=True)
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
            pinned = Path(self._pin.read_text(encoding="utf-8")) if self._pin.is_file() else None
            if pinned is None or not _is_private(pinned):
                pinned = _make_runtime()
                write_atomically(self._pin, str(pinned))
        for name in ("q", "s", "n"):
            (pinned / name).mkdir(mode=0o700, exist_ok=True)
        return pinned


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
