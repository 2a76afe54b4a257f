"""Starting the worker of vboxlab.base.native in namespaces of its own, and the scratch directory it works in."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from vboxlab import programs
from vboxlab.base.native import Job
from vboxlab.errors import BaseError
from vboxlab.files import make_private_folder
from vboxlab.hypervisor.driver import Progress, no_progress
from vboxlab.language import _
from vboxlab.waiting import in_threads


class NoNamespaces(BaseError):
    """The host does not let us make the namespaces that packages are installed in."""


PASSABLE = 0o711  # others may go on to what they are named, and see nothing
_MEMORY_NEEDED = 6 * 1024**3  # bytes free in RAM before a tree is built there: tree, tar, disk and their copies
_MEMORY_BESIDE = 2 * 1024**3  # for each further tree and disk at the same time


class _Running:
    """The workers that do jobs for this process."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._processes: set[subprocess.Popen[str]] = set()
        self._ended: set[subprocess.Popen[str]] = set()

    @contextmanager
    def having(self, process: subprocess.Popen[str]) -> Iterator[None]:
        with self._lock:
            self._processes.add(process)
        try:
            yield
        finally:
            with self._lock:
                self._processes.discard(process)

    def end(self) -> None:
        """End them all: each is the first process of a namespace, and takes the others in it along."""
        with self._lock:
            self._ended |= self._processes
            for process in self._processes:
                process.kill()

    def ended(self, process: subprocess.Popen[str]) -> bool:
        with self._lock:
            return process in self._ended


_RUNNING = _Running()


def trees_at_once() -> int:
    """Return how many jobs with trees can be done at the same time: as processors are there, and memory is left."""
    processors = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    beside = (_free_memory() - _MEMORY_NEEDED) // _MEMORY_BESIDE
    return processors if beside < 0 else min(processors, 1 + beside)  # without the memory they are not in it


def side_by_side(works: Sequence[Callable[[], object]]) -> None:
    """Do jobs at the same time, see trees_at_once.

    Raises the first failure: what has not begun by then never does, what runs is waited for. Ctrl-C ends their jobs.
    """
    in_threads(lambda work: work(), works, width=trees_at_once(), name="base", hurry=_RUNNING.end)


def namespace_command(argv: Sequence[str]) -> list[str]:
    """Return the command to run in mount and process namespaces of its own, as root there (unshare(1)).

    As an ordinary user in a user namespace too: root in it is that user, other owners are his subordinate ids.
    """
    mapping = [] if _is_root() else ["--map-root-user", "--map-auto"]
    return ["unshare", *mapping, "--mount", "--pid", "--fork", "--kill-child", *argv]


def tethered_command(argv: Sequence[str]) -> list[str]:
    """Return the command such that it ends with its parent, whose end of standard input must stay open till then.

    As root in namespaces of its own, so that no mount of it outlives it. An ordinary user's mmdebstrap makes its own.
    """
    tether = programs.module("vboxlab.base.tether", *argv)
    return ["unshare", "--mount", "--mount-proc", "--pid", "--fork", "--kill-child", *tether] if _is_root() else tether


def run_job(job: Job, progress: Progress = no_progress) -> None:
    """Let the worker do a job. Raises BaseError with what failed; when this process dies, so does the worker."""
    command = namespace_command(programs.module("vboxlab.base.native"))
    trouble: list[str] = []
    finished = False
    with (
        programs.start(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, errors="replace"
        ) as process,
        _RUNNING.having(process),
    ):
        assert process.stdin  # noqa: S101 -- all three are pipes
        assert process.stdout  # noqa: S101
        assert process.stderr  # noqa: S101
        try:
            process.stdin.write(job.to_json() + "\n")
            process.stdin.flush()
            for line in process.stdout:
                message = _message(line)
                finished = finished or "done" in message
                trouble.extend(message.get("error", ()))
                if "progress" in message:
                    progress(message["progress"], None)
        except BrokenPipeError:
            pass  # it did not even start; its own words follow
        except BaseException:
            process.kill()
            raise
        stderr = process.stderr.read()
    if finished:
        return
    if _RUNNING.ended(process):
        raise BaseError(_("interrupted"))
    if trouble:
        raise BaseError(trouble[0], details=trouble[1:])
    raise NoNamespaces(
        _("packages cannot be installed natively on this machine"),
        details=stderr.strip().splitlines()[-6:],
        resolution=_("an ordinary user needs `uidmap` installed and an entry in /etc/subuid; root needs neither"),
    )


def _message(line: str) -> dict[str, Any]:
    """Return what the worker says in a line; what a program that it runs prints beside that says nothing."""
    try:
        message = json.loads(line)
    except (ValueError, RecursionError):
        return {}
    return message if isinstance(message, dict) else {}


@contextmanager
def scratch_directory(owner: Path) -> Iterator[Path]:
    """Give an empty private directory, in memory where there is plenty of it (a third faster), else among /var/tmp.

    The name is always the same for one owner, a folder below the home: what a killed process left there is removed
    first, so the caller must hold the lock of that folder. The directory around it can be passed through by others, as
    mmdebstrap and apt work under other user ids: what these have to enter is made beside it, outside the home.
    """
    memory = Path("/dev/shm")  # noqa: S108 -- the directory made in it is ours, or making it fails
    roomy = memory.is_dir() and min(_free_memory(), shutil.disk_usage(memory).free) > _MEMORY_NEEDED
    aside = Path(os.environ.get("TMPDIR") or "/var/tmp")  # noqa: S108 -- large and kept (file-hierarchy(7)); as above
    mark = hashlib.sha256(f"{os.geteuid()}:{owner}".encode()).hexdigest()[:12]
    places = [parent / f"vboxlab-{mark}" for parent in (memory, aside)]
    for place in places:
        remove_tree(place)
    passage = places[0] if roomy else places[1]
    try:
        passage.mkdir(mode=PASSABLE)
    except FileExistsError:
        raise BaseError(
            _("{path} is in the way").format(path=passage), resolution=_("remove it; it is none of vboxlab's")
        ) from None
    try:
        passage.chmod(PASSABLE)
        make_private_folder(passage / "own")
        yield passage / "own"
    finally:
        remove_tree(passage)


def remove_tree(place: Path) -> None:
    """Remove the directory with all that subordinate ids own in it, and never anything that is mounted below it.

    Raises BaseError when something stays.
    """
    if not place.is_dir() or place.is_symlink():
        return
    command = ["rm", "-rf", "--one-file-system", str(place)]
    said = ""
    # More than once: processes of an interrupted build may just be ending.
    for pause in (0.0, 0.5, 2.0):
        time.sleep(pause)
        said = programs.run(command, capture_output=True, text=True, errors="replace").stderr
        if place.exists() and not _is_root():
            inside = namespace_command(command)
            said = programs.run(inside, capture_output=True, text=True, errors="replace").stderr
        if not place.exists():
            break
    else:
        resolution = _("unmount what is mounted below it (findmnt | grep {name}), then try again")
        raise BaseError(
            _("what an interrupted build left cannot be removed: {path}").format(path=place),
            details=said.strip().splitlines()[-4:],
            resolution=resolution.format(name=place.name),
        )


def _is_root() -> bool:
    return os.geteuid() == 0


def _free_memory() -> int:
    try:
        text = Path("/proc/meminfo").read_text(encoding="ascii")
    except OSError:
        return 0
    match = re.search(r"^MemAvailable:\s+(\d+) kB$", text, re.MULTILINE)
    return int(match[1]) * 1024 if match else 0
