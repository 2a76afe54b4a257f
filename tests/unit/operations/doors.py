"""A door without a terminal: it keeps what it is told, and answers as it is bidden."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext

from vboxlab.errors import UsageError
from vboxlab.events import Event


class RecordingDoor:
    """A door (vboxlab.operations.door.Door) that agrees to everything, or with `declines` to nothing."""

    def __init__(self, *, declines: bool = False, secret: str = "", answers: Mapping[str, str] | None = None) -> None:
        self.stop = threading.Event()
        self.declines = declines
        self.secret = secret
        self.answers = dict(answers or {})  # by words of the question
        self.events: list[Event] = []
        self.remarks: list[str] = []
        self.notes: list[str] = []
        self.asked: list[str] = []
        self.heeded = 0  # how often the stop event was said to be looked at

    def heeding_stop(self) -> AbstractContextManager[None]:
        self.heeded += 1
        return nullcontext()

    def show(self, event: Event) -> None:
        self.events.append(event)

    def remark(self, text: str) -> None:
        self.remarks.append(text)

    def note(self, text: str) -> None:
        self.notes.append(text)

    def confirm(self, question: str) -> None:
        self.asked.append(question)
        if self.declines:
            raise UsageError("declined")

    def ask_secret(self, what: str) -> str:
        self.asked.append(what)
        return self.secret

    def ask(self, question: str, default: str, fault: Callable[[str], str]) -> str:
        self.asked.append(question)
        answer = next((answer for words, answer in self.answers.items() if words in question), default)
        if wrong := fault(answer):
            raise UsageError(wrong)
        return answer
