"""The terminal as a door to the operations: it shows events, asks, and turns Ctrl-C into a stop."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from vboxlab.cli import output, questions
from vboxlab.errors import EXIT_INTERRUPTED
from vboxlab.events import Event, EventSink, discard
from vboxlab.language import _


class Terminal:
    """One run of a verb at the terminal (implements vboxlab.operations.door.Door).

    `events` shows them (output.progress); `quiet` leaves notes out, where only the result is wanted.
    """

    def __init__(self, events: EventSink = discard, *, quiet: bool = False) -> None:
        self.stop = threading.Event()
        self._events = events
        self._quiet = quiet

    @contextmanager
    def heeding_stop(self) -> Iterator[None]:
        """Let the first Ctrl-C only set `stop`, so that running actions end well; the second one leaves at once."""

        def interrupt(_number: int, _frame: FrameType | None) -> None:
            if self.stop.is_set():
                output.remark(_("stopped at once; `vboxlab up` puts right what was left half-done"))
                os._exit(EXIT_INTERRUPTED)
            self.stop.set()
            output.remark(_("stopping: running actions are finished first; Ctrl-C again leaves at once"))

        previous = signal.signal(signal.SIGINT, interrupt)
        try:
            yield
        finally:
            signal.signal(signal.SIGINT, previous)

    def show(self, event: Event) -> None:
        """Show an event."""
        self._events(event)

    def remark(self, text: str) -> None:
        """Print a line on standard error."""
        output.remark(text)

    def note(self, text: str) -> None:
        """Print a note on standard error, unless it is quiet."""
        if not self._quiet:
            output.remark(_("note: {note}").format(note=text))

    def confirm(self, question: str) -> None:
        """Ask. Raises UsageError where nobody can answer, click.Abort for a no."""
        questions.confirm(question)

    def ask_secret(self, what: str) -> str:
        """Ask for a secret without showing what is typed. Raises UsageError where nobody can answer."""
        return output.ask_secret(what)

    def ask(self, question: str, default: str, fault: Callable[[str], str]) -> str:
        """Ask until there is nothing wrong with the answer. Raises UsageError where nobody can answer."""
        return questions.ask(question, default, fault)
