"""One operation on many copies: at most so many at once, and a copy that fails does not stop the others."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Generic, Literal, TypeVar

from vboxlab.errors import EXIT_INTERRUPTED, EXIT_OK, EXIT_SOME_COPIES, CopyStopped, VboxlabError, host_error
from vboxlab.events import ActionFailed, ActionFinished, ActionStarted, Event, EventSink, Note
from vboxlab.language import _
from vboxlab.lazily import dataclass
from vboxlab.topology.addressing import LabName
from vboxlab.waiting import in_threads

T = TypeVar("T")
Outcome = Literal["done", "failed", "stopped", "not begun"]


@dataclass(frozen=True)
class CopyResult(Generic[T]):
    """What became of one copy. `step` is where it failed; `value` is what the operation returned when it was done."""

    lab: LabName
    outcome: Outcome
    value: T | None = None
    step: str = ""
    error: VboxlabError | None = None
    seconds: float = 0.0

    @property
    def why(self) -> str:
        """Return why it failed, in a line."""
        return self.error.brief if self.error is not None else ""


class _Watch:
    """Passes a copy's events on under the copy's name, and remembers the step that failed or was under way."""

    def __init__(self, lab: LabName, events: EventSink) -> None:
        self._lab = lab
        self._events = events
        self._lock = threading.Lock()
        self._last = ""
        self._failed = ""

    @property
    def step(self) -> str:
        return self._failed or self._last

    def __call__(self, event: Event) -> None:
        if isinstance(event, Note):
            self._events(replace(event, text=_("{subject}: {text}").format(subject=self._lab, text=event.text)))
            return
        with self._lock:
            if isinstance(event, ActionStarted):
                self._last = _words(event)
            elif isinstance(event, ActionFailed):
                self._failed = self._failed or _words(event)
        machine = f"{self._lab.copy or self._lab.lab}/{event.machine}" if event.machine else str(self._lab)
        self._events(replace(event, action=f"{self._lab} {event.action}", machine=machine))


def _words(event: ActionStarted | ActionFailed | ActionFinished) -> str:
    if not event.machine:
        return event.title
    return _("{subject}: {action}").format(subject=event.machine, action=event.title)


def _failed(lab: LabName, error: VboxlabError) -> Note:
    return Note(_("{lab}: FAILED: {problem}").format(lab=lab, problem=error.brief), level="warning")


def shares(jobs: int, copies: int) -> tuple[int, int]:
    """Return how many copies are worked on at once, and how many actions each may have under way."""
    width = max(1, min(jobs, copies))
    return width, max(1, jobs // width)


def run_copies(
    labs: Sequence[LabName],
    do: Callable[[LabName, EventSink], T],
    *,
    width: int,
    events: EventSink,
    stop: threading.Event,
) -> list[CopyResult[T]]:
    """Do the same to many copies, at most `width` at once, and return what became of each, in their order.

    After `stop` is set no copy begins. Errors that are not VboxlabError (bugs) are raised once all others have ended.
    """
    bugs: list[BaseException] = []

    def one(lab: LabName) -> CopyResult[T]:
        if stop.is_set():
            return CopyResult(lab, "not begun")
        watch = _Watch(lab, events)
        begin = time.monotonic()
        try:
            value = do(lab, watch)
        except CopyStopped as error:
            return CopyResult(lab, "stopped", None, watch.step, error, time.monotonic() - begin)
        except VboxlabError as error:
            events(_failed(lab, error))
            return CopyResult(lab, "failed", None, watch.step, error, time.monotonic() - begin)
        except BaseException as error:  # noqa: BLE001 -- kept until the other copies have ended, then raised
            if trouble := host_error(error):
                events(_failed(lab, trouble))
                return CopyResult(lab, "failed", None, watch.step, trouble, time.monotonic() - begin)
            bugs.append(error)
            return CopyResult(lab, "failed", None, watch.step, None, time.monotonic() - begin)
        return CopyResult(lab, "done", value, "", None, time.monotonic() - begin)

    results = in_threads(one, labs, width=width, name="copy")
    if bugs:
        raise bugs[0]
    return results


def exit_code(results: Sequence[CopyResult[T]]) -> int:
    """Return 0 when all copies are done, EXIT_SOME_COPIES when one failed, EXIT_INTERRUPTED when stopped before."""
    outcomes = {result.outcome for result in results}
    if "failed" in outcomes:
        return EXIT_SOME_COPIES
    return EXIT_OK if outcomes <= {"done"} else EXIT_INTERRUPTED
