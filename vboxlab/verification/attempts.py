"""What an attempt at a check is made with and comes to: where it looks, what it found, what it shows."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar

from vboxlab.guest.executor import Completed
from vboxlab.language import _, n_
from vboxlab.lazily import dataclass
from vboxlab.verification.history import Shown
from vboxlab.verification.recorder import Recorder
from vboxlab.verification.report import EVIDENCE_LINES
from vboxlab.verification.subject import LabUnderTest
from vboxlab.waiting import Deadline, in_threads

T = TypeVar("T")
COULD_NOT_RUN = (126, 127)
"""What a shell ends with when it cannot run a program (sh(1p), exit status)."""
SHORTEST_TIMEOUT = 45.0  # a command gets at least this long, whatever is left of the budget


@dataclass(frozen=True)
class Finding:
    """What one attempt at a check found: problems and doubts (neither: it holds), a line to show, and the evidence.

    `seen` is what a check that is not ours observed, and was judged by.
    """

    problems: tuple[str, ...]
    message: str = ""
    evidence: tuple[Shown, ...] = ()
    doubts: tuple[str, ...] = ()
    seen: Mapping[str, Any] | None = None

    @property
    def holds(self) -> bool:
        """Tell whether the statement was found true."""
        return not self.problems and not self.doubts


@dataclass(frozen=True)
class Site:
    """Where a check is carried out: the lab, how far times stretch, until when it may try, and what records it."""

    lab: LabUnderTest
    time_scale: float
    deadline: Deadline
    recorder: Recorder
    step: int

    def run(self, machine: str, script: str, *, root: bool = False) -> Completed:
        """Run a script in a machine within what is left of the budget. Raises GuestError, WaitTimeout."""
        patience = max(SHORTEST_TIMEOUT * self.time_scale, self.deadline.remaining)
        return self.lab.executor(machine).run(script, root=root, timeout=patience)

    def on_each(self, machines: Iterable[str], work: Callable[[str], T]) -> dict[str, T]:
        """Do some work on several machines at once; the first error passes through."""
        machines = tuple(dict.fromkeys(machines))
        return dict(zip(machines, in_threads(work, machines, width=len(machines)), strict=True))


def evidence(machine: str, command: str, completed: Completed) -> Shown:
    """Return a command's output as evidence, cut to a readable length."""
    lines = [*completed.stdout.splitlines(), *completed.stderr.splitlines()]
    if len(lines) > EVIDENCE_LINES:
        count = len(lines) - EVIDENCE_LINES
        left_out = n_("({count} line left out)", "({count} lines left out)", count).format(count=count)
        lines = [left_out, *lines[-EVIDENCE_LINES:]]
    return Shown(machine=machine, command=command, output="\n".join(lines), exit_code=completed.exit_code)


def unanswered(machine: str, program: str, completed: Completed) -> str:
    """Say that a program on a machine gave no answer that tells anything."""
    reason = next(iter((completed.stderr.strip() or completed.stdout.strip()).splitlines()), "")
    if reason:
        text = _("{machine}: {program} gave no answer: {reason}")
        return text.format(machine=machine, program=program, reason=reason)
    text = _("{machine}: {program} gave no answer (it ended with {code})")
    return text.format(machine=machine, program=program, code=completed.exit_code)
