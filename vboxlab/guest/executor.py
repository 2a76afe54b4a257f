"""The executor: the only way that roles, checks and probes reach a guest. `recording` has an in-memory one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager
from typing import Protocol

from vboxlab.lazily import dataclass


@dataclass(frozen=True)
class Completed:
    """A command that ended in the guest."""

    exit_code: int
    stdout: str
    stderr: str


class Stream(Protocol):
    """A command that goes on running in the guest."""

    def lines(self) -> Iterator[str]:
        """Yield the lines of its output as they come, without line ends, until it ends."""

    def send_line(self, text: str) -> None:
        """Give the command a line to read; one that has ended gets none."""

    def end_input(self) -> None:
        """Close the command's input, by which it may see that it is to end by itself."""

    def stop(self) -> None:
        """End the command (close its input, then its channel)."""


class Executor(Protocol):
    """Runs commands in one guest. Raises GuestError when the guest cannot be reached."""

    @property
    def machine(self) -> str:
        """Return the name of the machine, for messages."""

    def run(self, script: str, *, stdin: bytes = b"", root: bool = False, timeout: float = 60.0) -> Completed:
        """Run a POSIX sh script in one SSH exec and wait for its end (seconds; WaitTimeout after them).

        With root through `sudo -n` (or `su` where the base has a root password instead).
        """

    def stream(self, script: str, *, stdin: bytes = b"", root: bool = False) -> AbstractContextManager[Stream]:
        """Start a script and give its output line by line; leaving the context ends it."""

    def close(self) -> None:
        """Drop the connection; the next call connects again."""
