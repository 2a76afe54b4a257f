"""What an operation has of the one who asked for it: a terminal today, a page or another computer tomorrow."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Protocol

from vboxlab.events import Event


class Door(Protocol):
    """Where a verb's events go, who answers its questions, and how it is told to stop. Threads share it."""

    @property
    def stop(self) -> threading.Event:
        """Return what is set when the verb shall end: what runs is finished first, nothing more is begun."""

    def heeding_stop(self) -> AbstractContextManager[None]:
        """Return what to do that in which `stop` is looked at: outside of it a verb may be broken off at once."""

    def show(self, event: Event) -> None:
        """Take an event."""

    def remark(self, text: str) -> None:
        """Say what belongs beside the result."""

    def note(self, text: str) -> None:
        """Say what is good to know, and left out where only the result is wanted."""

    def confirm(self, question: str) -> None:
        """Ask whether something may be done ("throw away ...?") and return if so.

        Raises UsageError where nobody can answer, and for a no what ends the verb.
        """

    def ask_secret(self, what: str) -> str:
        """Ask for a secret. Raises UsageError where nobody can answer."""

    def ask(self, question: str, default: str, fault: Callable[[str], str]) -> str:
        """Ask for a line; an empty answer stands for the default. `fault` says what is wrong with one, "" for nothing.

        It is asked again until there is nothing wrong.

        Raises UsageError where nobody can answer.
        """
