"""A real VirtualBox on which verbs run as a user starts them, each with the trouble that really strikes it."""

from __future__ import annotations

import ctypes
import hashlib
import os
import pty
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import psutil

from tests.campaign import steps
from tests.campaign.host import WORK, Book, Host
from tests.campaign.points import KILLED
from tests.campaign.process import HUNG, Outcome
from tests.campaign.real import media
from tests.campaign.steps import Step
from tests.virtualbox.world import SERVICE, VirtualBoxWorld
from vboxlab.errors import EXIT_INTERRUPTED
from vboxlab.hypervisor.driver import Stray
from vboxlab.hypervisor.virtualbox.driver import VirtualBoxDriver
from vboxlab.planning.observed import ObservedMachine

HERE = Path(__file__).parents[1]
ROOT = HERE.parents[1]
SECONDS = 300.0  # after which a verb hangs
WORKER = "--patience"  # among the words of the worker's process
# A client that was killed leaves locks with the service, which gives them up only once nobody uses it any more.
LEAVES_LOCKS = frozenset({steps.KILL, steps.WORKER, steps.INTERRUPT})
ROOM = "768m"
DETACH = 2  # MNT_DETACH of umount2(2)
DISK_SIZE = "64"  # MiB: as many markers


class Computer:
    """A VirtualBox of its own, a home of vboxlab, and what its user knows."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.home = folder / "home"
        self.world = VirtualBoxWorld(folder)
        self.book = Book()
        self.depends: dict[str, str] = {}  # linked clone of the user's -> machine that it is a clone of
        self.left: set[Path] = set()  # what VirtualBox left of machines that the user removed
        self.fingerprints: dict[str, dict[Path, str]] = {}  # of the user's VMs, by handle
        self._driver: VirtualBoxDriver | None = None
        self._said = Path(tempfile.mkdtemp(prefix="campaign-said-"))  # where there is room also when the disk is full
        _mount_small(folder)
        self.world.enter()
        self.home.mkdir(mode=0o700)
        with (folder / "slate.img").open("wb") as image:
            image.write(b"\xfa\xf4\xeb\xfd".ljust(510, b"\0") + b"\x55\xaa")
            image.truncate(int(DISK_SIZE) << 20)

    def close(self) -> None:
        """End everything."""
        self.leave()
        self.world.close()
        _libc().umount2(os.fsencode(self.folder), DETACH)
        shutil.rmtree(self._said)

    def leave(self) -> None:
        """Use VirtualBox no more, until it is looked at again."""
        if self._driver is not None:
            self._driver.close()
            self._driver = None

    def host(self) -> Host:
        """Return the host as it is now, in the words of the memory driver's."""
        if self._driver is None:
            self._driver = VirtualBoxDriver(self.folder / "observer", patience=10.0)
        found = {machine.handle: machine for machine in self._driver.machines()}
        made = Host(book=self.book, depends=self.depends)
        disks = media.chains(self.world.settings)
        for handle, machine in found.items():
            of_machine = disks.get(handle)
            made.machines[handle] = _marked(machine, of_machine.now if of_machine else ())
            for snapshot in machine.snapshots:
                files = of_machine.snapshots.get(snapshot.id, ()) if of_machine else ()
                made.held[handle, snapshot.id] = _marked(machine, files)
        made.strays = [(Stray(path, 0, ""), None) for each in self.book.strays if (path := Path(each)).exists()]
        return made

    def fingerprint(self, handle: str) -> dict[Path, str]:
        """Return digests of the disks of one of the user's VMs; a linked clone's of ours has its own alone."""
        disks = media.chains(self.world.settings).get(handle)
        files = set(disks.now).union(*disks.snapshots.values()) if disks is not None else set()
        own = [
            path for path in sorted(files) if path.exists() and not path.is_relative_to(self.world.folder / "vboxlab")
        ]
        return {path: digest_of(path) for path in own}

    def run(self, step: Step, deed: Callable[[Sequence[str]], None]) -> Outcome:
        """Run a verb to its end, with its trouble so many milliseconds after its start; `deed` does one of a user's."""
        trouble = step.trouble
        if trouble is not None and trouble.kind in LEAVES_LOCKS:
            self.leave()
        process, outputs, terminal = self._start(step)
        strike = _Strike(self, trouble, process, deed)
        code = _code_of(process)
        if strike.end() == HUNG:
            code = HUNG
        for descriptor in terminal:
            os.close(descriptor)
        self.filler.unlink(missing_ok=True)
        out, err = (file.read_text(encoding="utf-8", errors="replace") for file in outputs)
        if code == -signal.SIGKILL and strike.struck == steps.KILL:
            code = KILLED
        if code == -signal.SIGINT and strike.struck == steps.INTERRUPT:  # Python had let go of it
            code = EXIT_INTERRUPTED
        return Outcome(code, out, err, strike.struck)

    def _start(self, step: Step) -> tuple[subprocess.Popen[bytes], list[Path], tuple[int, ...]]:
        outputs = [self._said / "out", self._said / "err"]
        terminal = pty.openpty() if step.answer else ()
        if terminal:
            os.write(terminal[0], f"{step.answer}\n".encode() * 4)
        with outputs[0].open("wb") as out, outputs[1].open("wb") as err:
            process = subprocess.Popen(
                self._argv(step.words), cwd=HERE, env=self.environment(),
                stdin=terminal[1] if terminal else subprocess.DEVNULL, stdout=out, stderr=err, start_new_session=True,
            )  # fmt: skip
        return process, outputs, terminal

    def _argv(self, words: Sequence[str]) -> list[str]:
        return [sys.executable, "-m", "vboxlab", *(word.replace("$FOLDER", str(self.folder)) for word in words)]

    def last_words(self) -> list[str]:
        """Return the end of what the last verb said of errors."""
        return (self._said / "err").read_text(encoding="utf-8", errors="replace").splitlines()[-12:]

    def environment(self) -> dict[str, str]:
        """Return what verbs run with."""
        return {
            **os.environ, "VBOXLAB_HOME": str(self.home), "VBOXLAB_DRIVER": "virtualbox", "PASSWORD": "secret",
            "VBOXLAB_SETTINGS": os.devnull, "PYTHONPATH": str(ROOT),
        }  # fmt: skip

    @property
    def filler(self) -> Path:
        """Return the file that leaves no room."""
        return self.folder / "filler"

    def fill(self) -> None:
        """Leave no room on the file system of all that is here, which is small."""
        left = os.statvfs(self.folder)
        with self.filler.open("wb") as stream, suppress(OSError):  # somebody else has taken some of it since
            os.posix_fallocate(stream.fileno(), 0, max(left.f_bavail * left.f_frsize, 1))

    def other(self, words: Sequence[str]) -> subprocess.Popen[bytes]:
        """Start another vboxlab, whose words nobody reads."""
        return subprocess.Popen(
            self._argv(words), cwd=HERE, env=self.environment(), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL, start_new_session=True,
        )  # fmt: skip


class _Strike:
    """Does harm to a process in its time; `struck` is the kind of trouble that did."""

    def __init__(
        self,
        computer: Computer,
        trouble: steps.Trouble | None,
        process: subprocess.Popen[bytes],
        deed: Callable[[Sequence[str]], None],
    ) -> None:
        self.struck = ""
        self._computer, self._trouble, self._process, self._deed = computer, trouble, process, deed
        self._other: subprocess.Popen[bytes] | None = None
        self._failure: Exception | None = None
        self._timer = threading.Timer(trouble.at / 1000, self._strike) if trouble is not None else None
        if self._timer is not None:
            self._timer.start()

    def end(self) -> int | str:
        """Wait until nothing more happens; return HUNG when another vboxlab does not end."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer.join()
        if self._failure is not None:
            raise self._failure
        return _code_of(self._other) if self._other is not None else 0

    def _strike(self) -> None:
        assert self._trouble is not None
        try:
            if self._process.poll() is None and self._harm(self._trouble):
                self.struck = self._trouble.kind
        except Exception as error:  # noqa: BLE001 -- raised by who waits for this thread
            self._failure = error

    def _harm(self, trouble: steps.Trouble) -> bool:
        """Do it; tell whether there was something to do it to."""
        match trouble.kind:
            case steps.KILL:
                self._process.kill()
            case steps.INTERRUPT:
                self._process.send_signal(signal.SIGINT)
                if trouble.how == "twice":
                    time.sleep(0.2)  # two at once would be one
                    self._process.send_signal(signal.SIGINT)
            case steps.WORKER:
                return _kill_worker(self._process.pid)
            case steps.SERVICE:
                if not self._computer.world.pids(SERVICE):
                    return False
                self._computer.world.kill_service()
            case steps.FULL:
                self._computer.fill()
            case steps.MEANWHILE:
                self._deed(trouble.words)
            case steps.OTHER:
                self._other = self._computer.other(trouble.words)
            case _:
                raise ValueError(trouble.kind)
        return True


def _code_of(process: subprocess.Popen[bytes]) -> int | str:
    """Wait for a process and return its exit code, HUNG when it had to be killed."""
    try:
        return process.wait(SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        return HUNG


def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


def _mount_small(folder: Path) -> None:
    """Mount a file system that can be full (mount(2)); it ends with the name space in which this runs."""
    if _libc().mount(b"tmpfs", os.fsencode(folder), b"tmpfs", 0, b"size=" + ROOM.encode()) != 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()), os.fspath(folder))


def digest_of(disk: Path) -> str:
    """Return what tells a disk's content from any other, "" where there is no such file."""
    return hashlib.sha256(disk.read_bytes()).hexdigest() if disk.exists() else ""


def _marked(machine: ObservedMachine, files: Sequence[Path]) -> ObservedMachine:
    """Return a machine with the markers that are in these files."""
    found = sorted(set().union(*(media.read(path) for path in files), set()), key=lambda marker: int(marker[1:]))
    return replace(machine, marks={**machine.marks, WORK: ",".join(found)}) if found else machine


def _kill_worker(pid: int) -> bool:
    """Kill the worker of a vboxlab that runs; tell whether it had one."""
    with suppress(psutil.Error):
        for child in psutil.Process(pid).children(recursive=True):
            if WORKER in " ".join(child.cmdline()):
                child.kill()
                return True
    return False
