"""QEMU's processes and their QMP sockets: start one, talk to it, see whether it is there, end it.

The rest of this package sees neither processes nor asyncio.
"""

from __future__ import annotations

import fcntl
import os
import select
import signal
import struct
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vboxlab import programs
from vboxlab.errors import DriverError
from vboxlab.hypervisor.qemu import looks
from vboxlab.hypervisor.qemu.refusals import QemuEndedAtOnce
from vboxlab.language import _
from vboxlab.waiting import Deadline

if TYPE_CHECKING:
    from vboxlab.hypervisor.qemu.conversations import Conversations

MONITOR_TIMEOUT = 30.0
START_TIMEOUT = 60.0
# The shell puts QEMU in the background and ends: nobody has to reap QEMU, and it outlives us. $0 is the error log.
LAUNCHER = '"$@" </dev/null >/dev/null 2>"$0" &'


class Monitors:
    """QMP for synchronous callers. Each call connects, talks and leaves: a socket serves one client at a time."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._conversations: Conversations | None = None

    def execute(self, path: Path, *commands: tuple[str, Mapping[str, Any]], timeout: float = MONITOR_TIMEOUT) -> Any:
        """Run commands, one after the other, and return the last one's answer.

        Raises MonitorGone when nobody answers within the timeout (seconds), MonitorRefused with QEMU's words.
        """
        with self._guard:
            if self._conversations is None:
                from vboxlab.hypervisor.qemu.conversations import Conversations  # what only looks needs none of it

                self._conversations = Conversations()
            conversations = self._conversations
        return conversations.execute(path, *commands, timeout=timeout)

    def command_line(self, path: Path, line: str) -> str:
        """Run a command of the human monitor, for what QMP lacks, and return what it prints."""
        answer = self.execute(path, ("human-monitor-command", {"command-line": line}))
        return str(answer).strip()

    def states(self, paths: Sequence[Path]) -> list[str | None]:
        """Return QEMU's run state at each socket, asked at once: None where no process is, "" where it is silent."""
        return looks.states(paths)

    def close(self) -> None:
        """Let go of what conversations need."""
        with self._guard:
            conversations, self._conversations = self._conversations, None
        if conversations is not None:
            conversations.close()


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

    @property
    def number(self) -> int | None:
        """Return the process's number, None when it is not there, or is just writing it."""
        if self._handle is None or not self.alive:
            return None
        text = os.pread(self._handle, 32, 0).decode(errors="replace").strip()
        return int(text) if text.isdigit() else None

    def kill(self) -> None:
        """End the process at once."""
        number = self.number
        if number is not None:
            with suppress(ProcessLookupError):
                os.kill(number, signal.SIGKILL)


def _is_locked(handle: int) -> bool:
    """Ask whether another process has a lock on a file, without ever taking it (fcntl(2), F_GETLK)."""
    if sys.platform == "darwin":
        layout, place, fields = "@qqihh", 3, (0, 0, 0, fcntl.F_WRLCK, os.SEEK_SET)
    else:
        layout, place, fields = "@hhqqi4x", 0, (fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)
    answer = fcntl.fcntl(handle, fcntl.F_GETLK, struct.pack(layout, *fields))
    return bool(struct.unpack(layout, answer)[place] != fcntl.F_UNLCK)
