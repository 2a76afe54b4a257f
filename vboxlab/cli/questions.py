"""What is asked on the terminal before work is thrown away."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from vboxlab.cli import output
from vboxlab.errors import LabError, UsageError

if TYPE_CHECKING:
    from vboxlab.lab.context import Confirm
    from vboxlab.topology.addressing import LabName


def confirm(question: str) -> None:
    """Ask before something is lost. Raises UsageError where nobody can answer, click.Abort for a no."""
    if not sys.stdin.isatty():
        raise UsageError(f"will not {question.removesuffix('?')} without asking", resolution="add --yes")
    with _ctrl_c_ends_it():
        output.ask(question)


@contextmanager
def _ctrl_c_ends_it() -> Iterator[None]:
    """Let Ctrl-C mean no, also where it stops running actions gently: as long as the question stands, none runs."""
    if threading.current_thread() is not threading.main_thread():  # only that one is interrupted
        yield
        return
    previous = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, previous)


def asking(*, yes: bool) -> Confirm:
    """Return what asks for one lab when there is something to ask; with `yes` all is agreed to."""

    def ask(_lab: LabName, question: str) -> None:
        if not yes:
            confirm(question)

    return ask


def ask_for_all(
    losses: Mapping[LabName, Sequence[str]], *, yes: bool, doing: str = "throw away what was done in", kept: str = ""
) -> Confirm:
    """Ask once for all labs that would lose work, and return what agrees for those and for no other.

    `losses` are the machines' names by lab; `kept` says in words what is done for them first.
    """
    losing = {lab: names for lab, names in losses.items() if names}
    if losing and not yes:
        machines = [f"{lab.copy}/{name}" if lab.copy else name for lab, names in losing.items() for name in names]
        of = f"lab {next(iter(losing))}" if len(losing) == 1 else f"{len(losing)} labs"
        confirm(f"{doing} {of}{kept} ({shortened(machines)})?")

    def agreed(lab: LabName, question: str) -> None:
        if not yes and lab not in losing:
            raise LabError(
                f"lab {lab}: will not {question.removesuffix('?')}: it was not in use when that was asked",
                resolution="do it again, and you are asked again",
            )

    return agreed


def shortened(names: Sequence[str], most: int = 12) -> str:
    """Return names in a line, the first ones only where there are many."""
    return ", ".join(names[:most]) + (f", … {len(names) - most} more" if len(names) > most else "")
