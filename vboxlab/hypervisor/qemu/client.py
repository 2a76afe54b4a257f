"""QEMU's processes and their QMP sockets: start one, talk to it, see whether it is there, end it.

The rest of this package sees neither processes nor asyncio. QMP is spoken by the library qemu.qmp, whose coroutines
run on one event loop in a thread of its own.
"""

from __future__ import annotations

import asyncio
import fcntl
import logging
import os
import select
import signal
import socket
import struct
import subprocess
import sys
import threading
from collections.abc import Callable, Coroutine, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

from qemu.qmp import ConnectError, ExecuteError, QMPClient, QMPError
from qemu.qmp.qmp_client import GreetingError, NegotiationError
from tenacity import retry, retry_if_exception, stop_after_attempt

from vboxlab import programs
from vboxlab.errors import DriverError
from vboxlab.language import _
from vboxlab.waiting import Deadline

T = TypeVar("T")
MONITOR_TIMEOUT = 30.0
STATUS_TIMEOUT = 2.0
START_TIMEOUT = 60.0
ATTEMPTS = 5  # at a conversation that begins with the answer to somebody else's question
# The shell puts QEMU in the background and ends: nobody has to reap QEMU, and it outlives us. $0 is the error log.
LAUNCHER = '"$@" </dev/null >/dev/null 2>"$0" &'

# What the library raises when QEMU ends under it; it asserts that the session still runs at the end of connecting.
GONE = (ConnectError, QMPError, OSError, EOFError, TimeoutError, AssertionError)
# Without a handler, logging's last resort would print the library's warnings on the user's terminal.
logging.getLogger("qemu.qmp").addHandler(logging.NullHandler())


class MonitorGone(DriverError):
    """Nobody answers at a machine's QMP socket."""


class MonitorRefused(DriverError):
    """QEMU refused a command."""


class QemuEndedAtOnce(DriverError):
    """QEMU ended before it answered; the details are its own words."""


class Monitors:
    """QMP for synchronous callers. Each call connects, talks and leaves: a socket serves one client at a time."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None

    def execute(self, path: Path, *commands: tuple[str, Mapping[str, Any]], timeout: float = MONITOR_TIMEOUT) -> Any:
        """Run commands, one after the other, and return the last one's answer.

        Raises MonitorGone when nobody answers within the timeout (seconds), MonitorRefused with QEMU's words.
        """
        return self._run(_execute(path, commands, timeout), timeout + 5)

    def command_line(self, path: Path, line: str) -> str:
        """Run a command of the human monitor, for what QMP lacks, and return what it prints."""
        answer = self.execute(path, ("human-monitor-command", {"command-line": line}))
        return str(answer).strip()

    def states(self, paths: Sequence[Path]) -> list[str | None]:
        """Return QEMU's run state at each socket, asked at once: None where no process is, "" where it is silent."""
        return self._run(_states(paths), STATUS_TIMEOUT + 5) if paths else []

    def close(self) -> None:
        """End the thread."""
        with self._guard:
            loop, thread = self._loop, self._thread
            self._loop = self._thread = None
        if loop is not None and thread is not None:
            loop.call_soon_threadsafe(loop.stop)
            thread.join()
            loop.close()

    def _run(self, work: Coroutine[Any, Any, T], timeout: float) -> T:
        with self._guard:
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                self._thread = threading.Thread(target=self._loop.run_forever, name="qmp", daemon=True)
                self._thread.start()
            future = asyncio.run_coroutine_threadsafe(work, self._loop)
        try:
            return future.result(timeout)
        except TimeoutError:
            future.cancel()
            raise MonitorGone(
                _("QEMU does not answer"), details=[_("waited {seconds:.0f} s").format(seconds=timeout)]
            ) from None


def is_listening(path: Path) -> bool:
    """Tell whether a process listens at a UNIX stream socket; the socket of a killed one refuses (unix(7))."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.setblocking(False)
        try:
            probe.connect(str(path))
        except BlockingIOError:
            return True  # alive, and its queue is full
        except OSError:
            return False
    return True


def _begins_with_anothers_answer(error: BaseException) -> bool:
    """Tell whether a conversation began with what QEMU owed to the client before.

    That one left, or was killed, before its command was done. QEMU sends the answer to whoever is there then: before
    the greeting, or where the answer to our qmp_capabilities is looked for. An answer's id tells nothing: clients
    number alike. Nothing has been asked of QEMU yet, so beginning again is safe.
    """
    return isinstance(error, ConnectError) and isinstance(error.exc, GreetingError | NegotiationError)


@retry(retry=retry_if_exception(_begins_with_anothers_answer), stop=stop_after_attempt(ATTEMPTS), reraise=True)
async def _connect(path: Path, deadline: Deadline) -> QMPClient:
    stream = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    stream.setblocking(False)
    client = QMPClient()
    try:
        while True:
            try:
                stream.connect(str(path))
                break
            except BlockingIOError:  # the queue is full; asyncio would take this for a connection in progress
                if deadline.expired:
                    raise MonitorGone(_("QEMU is busy and does not answer at {path}").format(path=path)) from None
                await asyncio.sleep(0.01)
        await asyncio.wait_for(client.connect(stream), deadline.remaining)
    except BaseException:
        with suppress(*GONE):
            await client.disconnect()
        stream.close()
        raise
    return client


async def _execute(path: Path, commands: Sequence[tuple[str, Mapping[str, Any]]], timeout: float) -> Any:
    deadline = Deadline.after(timeout)
    answer: Any = None
    try:
        client = await _connect(path, deadline)
        try:
            for name, arguments in commands:
                answer = await asyncio.wait_for(client.execute(name, dict(arguments)), deadline.remaining)
        finally:
            with suppress(*GONE):
                await client.disconnect()
    except ExecuteError as error:
        raise MonitorRefused(_("QEMU refused"), details=[str(error)]) from error
    except GONE as error:
        raise MonitorGone(
            _("QEMU does not answer at {path}").format(path=path), details=[str(error) or type(error).__name__]
        ) from error
    return answer


async def _states(paths: Sequence[Path]) -> list[str | None]:
    async def one(path: Path) -> str | None:
        if not is_listening(path):
            return None
        try:
            answer = await _execute(path, [("query-status", {})], STATUS_TIMEOUT)
        except DriverError:
            return "" if is_listening(path) else None
        return str(answer["status"])

    return list(await asyncio.gather(*map(one, paths)))


def launch(command: Sequence[str], errors: Path, is_ready: Callable[[], bool]) -> None:
    """Start QEMU so that it outlives this process, and return once it is ready.

    Raises QemuEndedAtOnce with its words. It is known to have ended by a pipe that it inherits and never uses: that
    reads end-of-file when the process is gone, whoever has reaped it.
    """
    alive, inherited = os.pipe()
    try:
        try:
            programs.run(
                ["sh", "-c", LAUNCHER, str(errors), *command],
                stdin=subprocess.DEVNULL,
                cwd="/",
                check=True,
                pass_fds=(inherited,),
                start_new_session=True,
                umask=0o077,
            )
        finally:
            os.close(inherited)
        deadline = Deadline.after(START_TIMEOUT)
        while not is_ready():
            ended, _writable, _failed = select.select([alive], [], [], 0.01)
            if ended:
                words = errors.read_text(encoding="utf-8", errors="replace").splitlines()
                raise QemuEndedAtOnce(_("QEMU ended at once"), details=[line for line in words if line.strip()])
            if deadline.expired:
                raise DriverError(_("QEMU did not get ready within {seconds:.0f} s").format(seconds=START_TIMEOUT))
    finally:
        os.close(alive)


class Process:
    """A QEMU process known by its pid file, which it keeps locked as long as it lives (qemu(1), -pidfile).

    The lock is what makes the number in the file trustworthy: numbers are used again, locks die with their holder.
    """

    def __init__(self, pid_file: Path) -> None:
        try:
            self._handle: int | None = os.open(pid_file, os.O_RDWR | os.O_CLOEXEC)
        except FileNotFoundError:
            self._handle = None

    def __enter__(self) -> Process:
        return self

    def __exit__(self, *_error: object) -> None:
        if self._handle is not None:
            os.close(self._handle)
            self._handle = None

    @property
    def alive(self) -> bool:
        """Tell whether the process is there."""
        return self._handle is not None and _is_locked(self._handle)

    def kill(self) -> None:
        """End the process at once."""
        if self._handle is None or not self.alive:
            return
        text = os.pread(self._handle, 32, 0).decode(errors="replace").strip()
        if text.isdigit():
            with suppress(ProcessLookupError):
                os.kill(int(text), signal.SIGKILL)


def _is_locked(handle: int) -> bool:
    """Ask whether another process has a lock on a file, without ever taking it (fcntl(2), F_GETLK)."""
    if sys.platform == "darwin":
        layout, place, fields = "@qqihh", 3, (0, 0, 0, fcntl.F_WRLCK, os.SEEK_SET)
    else:
        layout, place, fields = "@hhqqi4x", 0, (fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)
    answer = fcntl.fcntl(handle, fcntl.F_GETLK, struct.pack(layout, *fields))
    return bool(struct.unpack(layout, answer)[place] != fcntl.F_UNLCK)
