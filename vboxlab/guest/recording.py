"""An executor in memory: answers scripts from a list of canned answers and keeps what was asked."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import field

from vboxlab.errors import GuestError
from vboxlab.guest.executor import Completed
from vboxlab.lazily import dataclass

Answer = Completed | Callable[[str, bytes], Completed]


@dataclass(frozen=True)
class Asked:
    """One call that the executor got."""

    script: str
    stdin: bytes
    root: bool


@dataclass
class RecordingExecutor:
    """Answers a script with the first answer whose text stands in it; the empty text answers all.

    A script that no answer fits raises GuestError, as an unreachable guest does.
    """

    machine: str = "guest"
    answers: Sequence[tuple[str, Answer]] = ()
    asked: list[Asked] = field(default_factory=list)
    closed: int = 0

    def run(self, script: str, *, stdin: bytes = b"", root: bool = False, timeout: float = 60.0) -> Completed:
        """Answer a script."""
        del timeout
        self.asked.append(Asked(script, stdin, root))
        for text, answer in self.answers:
            if text in script:
                return answer if isinstance(answer, Completed) else answer(script, stdin)
        raise GuestError(f"{self.machine}: no answer to this script", details=script.splitlines()[:3])

    @contextlib.contextmanager
    def stream(self, script: str, *, stdin: bytes = b"", root: bool = False) -> Iterator[RecordedStream]:
        """Give the lines of the answer to a script."""
        yield RecordedStream(self.run(script, stdin=stdin, root=root).stdout.splitlines())

    def close(self) -> None:
        """Count the calls."""
        self.closed += 1


@dataclass
class RecordedStream:
    """The lines of an answer, as if they came one by one."""

    answer: Sequence[str]
    stopped: bool = False

    def lines(self) -> Iterator[str]:
        """Yield the lines until the stream is stopped."""
        for line in self.answer:
            if self.stopped:
                return
            yield line

    def send_line(self, text: str) -> None:
        """Change nothing: the answer is what it is."""

    def end_input(self) -> None:
        """Change nothing: the answer is what it is."""

    def stop(self) -> None:
        """End the stream."""
        self.stopped = True
