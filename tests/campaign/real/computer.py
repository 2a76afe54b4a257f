"""A real VirtualBox on which verbs run as a user starts them, each with the trouble that really strikes it."""

from __future__ import annotations

import ctypes
import hashlib
import os
import pty
import signal
import subprocess
import sys
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
        self.fingerprints: dict[str, dict[Path, str]] = {}  # of the user's VMs, by handle
        self._driver: VirtualBoxDriver | None = None
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
        """Return digests of the files of one of the user's VMs: its disks, and unless it is a base its settings."""
        disks = media.chains(self.world.settings).get(handle)
        files = set(disks.now).union(*disks.snapshots.values()) if disks is not None else set()
        return {path: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(files) if path.exists()}

    def run(self, step: Step, deed: Callable[[Sequence[str]], None]) -> Outcome:
        """Run a verb to its end, with its trouble so many milliseconds after its start; `deed` does one of a user's."""
        trouble = step.trouble
        if trouble is not None and trouble.kind in LEAVES_LOCKS:
            self.leave()
        process, outputs, terminal = self._start(step)
        struck = threading.Event()
        others: list[subprocess.Popen[bytes]] = []

        def strike() -> None:
            assert trouble is not None
            if process.poll() is None and self._strike(trouble, process, deed, others):
                struck.set()

        timer = threading.Timer(trouble.at / 1000, strike) if trouble is not None else None
        if timer is not None:
            timer.start()
        try:
            code: int | str = process.wait(SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            code = HUNG
        if timer is not None:
            timer.cancel()
            timer.join()
        for other in others:
            with suppress(subprocess.TimeoutExpired):
                other.wait(SECONDS)
        for descriptor in terminal:
            os.close(descriptor)
        self._end_filler()
        out, err = (file.read_text(encoding="utf-8", errors="replace") for file in outputs)
        kind = trouble.kind if trouble is not None and struck.is_set() else ""
        if code == -signal.SIGKILL and kind == steps.KILL:
            code = KILLED
        if code == -signal.SIGINT and kind == steps.INTERRUPT:  # at its very end, when Python has let go of signals
            code = EXIT_INTERRUPTED
        return Outcome(code, out, err, kind)

    def _start(self, step: Step) -> tuple[subprocess.Popen[bytes], list[Path], tuple[int, ...]]:
        outputs = [self.folder / "out", self.folder / "err"]
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

    def environment(self) -> dict[str, str]:
        """Return what verbs run with."""
        return {
            **os.environ, "VBOXLAB_HOME": str(self.home), "VBOXLAB_DRIVER": "virtualbox", "PASSWORD": "secret",
            "VBOXLAB_SETTINGS": os.devnull, "PYTHONPATH": str(ROOT),
        }  # fmt: skip

    def _strike(
        self,
        trouble: steps.Trouble,
        process: subprocess.Popen[bytes],
        deed: Callable[[Sequence[str]], None],
        others: list[subprocess.Popen[bytes]],
    ) -> bool:
        """Do harm to a process; tell whether there was something to do it to."""
        match trouble.kind:
            case steps.KILL:
                process.kill()
            case steps.INTERRUPT:
                for _ in range(2 if trouble.how == "twice" else 1):
                    process.send_signal(signal.SIGINT)
            case steps.WORKER:
                return _kill_worker(process.pid)
            case steps.SERVICE:
                if not self.world.pids(SERVICE):
                    return False
                self.world.kill_service()
            case steps.FULL:
                self._fill()
            case steps.MEANWHILE:
                deed(trouble.words)
            case steps.OTHER:
                others.append(
                    subprocess.Popen(
                        self._argv(trouble.words), cwd=HERE, env=self.environment(), stdin=subprocess.DEVNULL,
                        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
                    )
                )  # fmt: skip
            case _:
                raise ValueError(trouble.kind)
        return True

    @property
    def _filler(self) -> Path:
        return self.folder / "filler"

    def _fill(self) -> None:
        """Leave no room on the file system of all that is here, which is small."""
        left = os.statvfs(self.folder)
        with self._filler.open("wb") as stream, suppress(OSError):  # somebody else has taken some of it since
            os.posix_fallocate(stream.fileno(), 0, max(left.f_bavail * left.f_frsize, 1))

    def _end_filler(self) -> None:
        self._filler.unlink(missing_ok=True)


def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


def _mount_small(folder: Path) -> None:
    """Mount a file system that can be full (mount(2)); it ends with the name space in which this runs."""
    if _libc().mount(b"tmpfs", os.fsencode(folder), b"tmpfs", 0, b"size=" + ROOM.encode()) != 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()), os.fspath(folder))


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


def wait_for_peace(world: VirtualBoxWorld) -> None:
    """Wait until the service has ended, as it does some seconds after its last client, or for ten seconds."""
    deadline = time.monotonic() + 10
    while world.pids(SERVICE) and time.monotonic() < deadline:
        time.sleep(0.1)
