"""Running verbs of vboxlab, each in a process of its own that is forked from this one, on a computer of the campaign.

What such a process meets is not this computer: its hypervisor and guests are the campaign's, its ports and memory are
always the same, and what threads would do is done in their order, so that the same words always do the same.
"""

from __future__ import annotations

import errno
import gc
import os
import pty
import signal
import socket
import sys
import traceback
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass, field, replace
from io import StringIO
from pathlib import Path
from types import FrameType, SimpleNamespace
from typing import Any, NoReturn

import psutil

from tests.campaign import host as host_module
from tests.campaign import steps
from tests.campaign.guests import CampaignGuests
from tests.campaign.host import Host, load
from tests.campaign.points import KILLED, Points
from tests.campaign.remembering import remember_pure_functions, replace_everywhere
from tests.campaign.steps import Step
from vboxlab.errors import MachineConflict
from vboxlab.hypervisor import memory, memory_store
from vboxlab.hypervisor.driver import Progress, no_progress
from vboxlab.hypervisor.virtualbox.worker.media import DISK, HELD
from vboxlab.lab import access
from vboxlab.planning.observed import MachineSpec, ObservedMachine, PowerOffHow
from vboxlab.verification import hostwatch

HERE = Path(__file__).parent
SECONDS = 60  # after which a process hangs
HUNG = "hung"
STDIN = 63  # what was our standard input: verbs have none
OWN_PROCESS = frozenset({steps.KILL, steps.POWER, steps.FULL, steps.INTERRUPT, steps.OTHER})
Other = Callable[[Sequence[str]], None]


@dataclass(frozen=True)
class Outcome:
    """What came of a process: its exit code, what it said, the trouble that has struck it, and what it changed."""

    code: int | str
    out: str = ""
    err: str = ""
    struck: str = ""
    effects: tuple[tuple[str, str], ...] = field(default=(), repr=False)

    @property
    def killed(self) -> bool:
        """Tell whether it was killed on purpose."""
        return self.code == KILLED and self.struck in (steps.KILL, steps.POWER)


class Hangs(BaseException):
    """A verb in this process does not end."""


class Inline(Executor):
    """Does at once, and in this thread, what it is given."""

    def __init__(self, *_: Any, **__: Any) -> None:
        pass

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except Exception as error:  # noqa: BLE001 -- as a pool does
            future.set_exception(error)
        return future


class BootingDriver(memory.MemoryDriver):
    """The memory driver, whose machines have guests here."""

    def __init__(self, store: memory_store.MemoryStore) -> None:
        super().__init__(store, replace(memory.CAPABILITIES, boots_guests=True, why_unusable=""))

    def set_cable(self, handle: str, slot: int, connected: bool) -> None:
        """Plug a cable; one that a verification pulls out is remembered as such."""
        self._harms(("cable", handle, str(slot)))
        super().set_cable(handle, slot, connected)
        if connected:
            self._mends(("cable", handle, str(slot)))

    def start(self, handle: str, *, gui: bool = False) -> None:
        """Start a machine, whatever has stopped it."""
        super().start(handle, gui=gui)
        self._mends(("paused", handle), ("off", handle))

    def pause(self, handle: str) -> None:
        """Pause a machine, which only a verification does."""
        self._harms(("paused", handle))
        super().pause(handle)

    def power_off(self, handle: str, how: PowerOffHow, *, timeout: float = 60.0) -> bool:
        """Switch a machine off; what a verification has switched off is remembered as such."""
        self._harms(("off", handle))
        return super().power_off(handle, how, timeout=timeout)

    def restore_snapshot(self, handle: str, name: str) -> None:
        """Bring back what a snapshot holds; what a verification has done is of no account then."""
        super().restore_snapshot(handle, name)
        assert isinstance(self.store, Host)
        self._mends(*(each for each in self.store.book.harm if each[1] == handle))

    def _harms(self, what: tuple[str, ...]) -> None:
        """Remember what a verification is about to do."""
        assert isinstance(self.store, Host)
        if self.store.book.verifies:
            self.store.book.harm.add(what)

    def _mends(self, *what: tuple[str, ...]) -> None:
        assert isinstance(self.store, Host)
        self.store.book.harm.difference_update(what)

    def delete(self, handle: str) -> None:
        """Remove a machine, unless a VM of somebody's is a linked clone of it."""
        assert isinstance(self.store, Host)
        if handle in self.store.depends.values():
            raise MachineConflict(f"{self.store.machines[handle].name}: a linked clone of it is somebody else's")
        super().delete(handle)

    def create(self, spec: MachineSpec, progress: Progress = no_progress) -> ObservedMachine:
        """Make a machine; of a VM whose disk no snapshot holds, it is one that writes to that very disk."""
        made = super().create(spec, progress)
        vm = self.store.images[spec.image].vm
        shared = [each.path for each in self.store.media.get(vm, ()) if each.type == DISK and each.kind not in HELD]
        if shared:
            assert isinstance(self.store, Host)
            self.store.mark(made.handle, marks={**made.marks, host_module.DISK: shared[0]})
        return made


def prepare() -> None:
    """Make this process one from which verbs can be forked: all is imported, and what they must not see is replaced."""
    concurrent_futures = sys.modules["concurrent.futures"]
    vars(concurrent_futures)["ThreadPoolExecutor"] = Inline
    replace_everywhere(ThreadPoolExecutor, Inline)
    replace_everywhere(access.SshGuests, CampaignGuests)
    setattr(hostwatch.HostWatch, "_run", lambda _watch: None)  # noqa: B010 -- for the type checker
    vars(memory)["MemoryDriver"] = BootingDriver
    remember_pure_functions()
    vars(psutil)["virtual_memory"] = lambda: SimpleNamespace(total=64 << 30, available=48 << 30)
    vars(sys.modules["shutil"])["disk_usage"] = lambda _path: SimpleNamespace(total=1 << 40, used=0, free=1 << 39)
    os.environ.update(
        VBOXLAB_DRIVER="memory",
        VBOXLAB_JOBS="1",
        VBOXLAB_TIME_SCALE="1",
        PASSWORD="secret",
        VBOXLAB_SETTINGS=os.devnull,
    )
    os.chdir(HERE)
    os.dup2(0, STDIN)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    signal.signal(signal.SIGALRM, _hang)


class Computer:
    """A folder with a home of vboxlab, and the host that belongs to it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.home = folder / "home"
        self.file = folder / "host.pickle"

    def host(self) -> Host:
        """Return the host as it is now."""
        return load(self.file)

    def warm(self, lines: Sequence[str]) -> None:
        """Run verbs in this process, so that its children need not load and compute what they all use."""
        for line in lines:
            self.enter()
            here(line.split())
        gc.collect()
        gc.freeze()  # what is here already is not looked through, and so not copied, in every child

    def run(self, step: Step, other: Other = lambda _words: None, *, inner: bool = False) -> Outcome:
        """Run a verb; `other` is called when the trouble is another vboxlab meanwhile, which is an `inner` one.

        It runs in a process of its own where that may end before it, or a terminal is wanted; else, as that is
        quicker, in this one.
        """
        host = self.host()
        host.book.struck = ""
        host.effects.clear()
        host.calls.clear()
        host.keep()
        words = [word.replace("$FOLDER", str(self.folder)) for word in step.words]

        def main() -> int:
            points = self._enter(step, lambda words: _ask(request, reply, words))
            code = _run(words)
            self._leave(points, step)
            return code

        if step.answer or (step.trouble is not None and step.trouble.kind in OWN_PROCESS):
            request, reply = os.pipe(), os.pipe()
            outcome = self._fork(main, step.answer, (request, reply, other), suffix="-inner" if inner else "")
        else:
            self._enter(step, lambda _words: None)
            outcome = here(words)
        after = self.host()
        return replace(outcome, struck=after.book.struck, effects=tuple(after.effects))

    def enter(self) -> Host:
        """Make this the computer on which verbs run in this process, and return its host."""
        self._enter(Step(("none",)), lambda _words: None)
        return CampaignGuests.host

    def _enter(self, step: Step, other: Other) -> Points:
        host = self.host()
        points = Points(host, self.home, step.trouble, other)
        host.watcher = points
        host.book.verifies = step.verb == "verify"
        host.careful = step.trouble is not None and step.trouble.kind in OWN_PROCESS
        memory_store._STORES[self.home.resolve()] = host
        CampaignGuests.host, CampaignGuests.points = host, points
        os.environ["VBOXLAB_HOME"] = str(self.home)
        _close_ports(host)
        if step.trouble is not None and step.trouble.kind in OWN_PROCESS:
            points.watch_files()
        return points

    def _leave(self, points: Points, step: Step) -> None:
        points.leave()
        if step.trouble is not None and step.trouble.kind == steps.POWER:
            points.lose_power()

    def _fork(
        self,
        main: Callable[[], int],
        answer: str,
        meeting: tuple[tuple[int, int], tuple[int, int], Other],
        suffix: str = "",
    ) -> Outcome:
        """Run `main` in a child and return what came of it."""
        request, reply, other = meeting
        files = self.folder / f"out{suffix}", self.folder / f"err{suffix}"
        sys.stdout.flush()
        sys.stderr.flush()
        terminal = pty.openpty() if answer else None
        if terminal is not None:
            os.write(terminal[0], f"{answer}\n".encode() * 4)
        child = os.fork()
        if child == 0:
            self._be_child(main, terminal[1] if terminal else None, files)
        os.close(request[1])
        os.close(reply[0])
        while words := os.read(request[0], 4096):
            other(words.decode().split("\0"))
            os.write(reply[1], b".")
        _, status = os.waitpid(child, 0)
        for descriptor in (request[0], reply[1], *(terminal or ())):
            os.close(descriptor)
        code: int | str = os.waitstatus_to_exitcode(status)
        if code == -signal.SIGALRM:
            code = HUNG
        out, err = (file.read_text(encoding="utf-8", errors="replace") for file in files)
        return Outcome(code, out, err)

    def _be_child(self, main: Callable[[], int], terminal: int | None, files: tuple[Path, Path]) -> NoReturn:
        code = 70
        try:
            signal.signal(signal.SIGINT, signal.default_int_handler)
            signal.signal(signal.SIGALRM, signal.SIG_DFL)
            signal.alarm(SECONDS)
            inputs = terminal if terminal is not None else os.open(os.devnull, os.O_RDONLY)
            os.dup2(inputs, 0)
            for number, file in enumerate(files, 1):
                target = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
                os.dup2(target, number)
            code = main()
        except BaseException:  # noqa: BLE001 -- this is the end of the process
            traceback.print_exc()
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)


def here(words: Sequence[str]) -> Outcome:
    """Run a verb in this process, on the computer that was entered last."""
    out, err = StringIO(), StringIO()
    signal.alarm(SECONDS)
    try:
        with redirect_stdout(out), redirect_stderr(err):
            code: int | str = _run(words)
    except Hangs:
        code = HUNG
    finally:
        signal.alarm(0)
    return Outcome(code, out.getvalue(), err.getvalue())


def _hang(_number: int, _frame: FrameType | None) -> NoReturn:
    raise Hangs


def _run(words: Sequence[str]) -> int:
    from vboxlab.cli.main import run

    code = run(list(words))
    CampaignGuests.host.keep()
    return code


def _ask(request: tuple[int, int], reply: tuple[int, int], words: Sequence[str]) -> None:
    """Let the process that forked this one do something, and wait until it is done."""
    os.write(request[1], "\0".join(words).encode())
    os.read(reply[0], 1)


def _close_ports(host: Host) -> None:
    """Let the ports of this computer be those of the host: taken is what its machines or others listen at."""

    def bind(_self: socket.socket, address: Any) -> None:
        taken = set(host.taken_ports)
        for machine in host.machines.values():
            if machine.power.value in ("running", "paused"):
                taken |= {f.host_port for adapter in machine.adapters for f in adapter.attachment.forwards}
        if address[1] in taken:
            raise OSError(errno.EADDRINUSE, os.strerror(errno.EADDRINUSE))

    vars_of = socket.socket
    setattr(vars_of, "bind", bind)  # noqa: B010 -- for the type checker
