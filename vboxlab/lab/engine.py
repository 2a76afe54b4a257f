"""Running the actions of a plan in parallel, in the order of their graph."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field

from vboxlab.errors import VboxlabError
from vboxlab.events import ActionFailed, ActionFinished, ActionProgress, ActionStarted, EventSink
from vboxlab.planning.actions import Action
from vboxlab.planning.describe import subject, title

Reporter = Callable[[str, int | None], None]
Perform = Callable[[Action, Reporter], str]
POLL_SECONDS = 0.2


@dataclass
class Outcome:
    """What became of the actions of a plan."""

    done: list[Action] = field(default_factory=list)
    failed: list[tuple[Action, VboxlabError]] = field(default_factory=list)
    left: list[Action] = field(default_factory=list)  # not begun: after a failed one, or stopped before
    stopped: bool = False

    @property
    def complete(self) -> bool:
        """Tell whether every action was done."""
        return not self.failed and not self.left


def longest_paths(actions: Sequence[Action]) -> Mapping[str, int]:
    """Return for each action how many actions follow it on the longest way to the end: those go first."""
    length: dict[str, int] = {}
    for action in reversed(actions):
        length.setdefault(action.id, 0)
        for before in action.after:
            length[before] = max(length.get(before, 0), length[action.id] + 1)
    return length


def run(actions: Sequence[Action], perform: Perform, events: EventSink, *, jobs: int, stop: threading.Event) -> Outcome:
    """Perform all actions, at most so many at once, each after those it depends on.

    A failed action keeps back only those that depend on it. After `stop` is set no action begins; running ones end.
    Errors that are not VboxlabError (bugs) are raised once the running actions have ended.
    """
    outcome = Outcome()
    waiting = {action.id: action for action in actions}
    done: set[str] = set()
    weight = longest_paths(actions)
    running: dict[Future[str], Action] = {}
    bug: BaseException | None = None
    with ThreadPoolExecutor(max_workers=jobs, thread_name_prefix="action") as pool:
        while True:
            ready = [a for a in waiting.values() if done.issuperset(b for b in a.after)]
            if not stop.is_set() and bug is None:
                for action in sorted(ready, key=lambda a: -weight[a.id])[: jobs - len(running)]:
                    del waiting[action.id]
                    running[pool.submit(_perform, action, perform, events)] = action
            if not running:
                break
            finished, _ = wait(running, timeout=POLL_SECONDS, return_when=FIRST_COMPLETED)
            for future in finished:
                action = running.pop(future)
                error = future.exception()
                if error is None:
                    outcome.done.append(action)
                    done.add(action.id)
                elif isinstance(error, VboxlabError):
                    outcome.failed.append((action, error))
                else:
                    bug = bug or error
    if bug is not None:
        raise bug
    outcome.left = list(waiting.values())
    outcome.stopped = stop.is_set()
    return outcome


def _perform(action: Action, perform: Perform, events: EventSink) -> str:
    machine, what = subject(action.step), title(action.step)
    begin = time.monotonic()
    events(ActionStarted(action.id, machine, what))

    def report(text: str, percent: int | None = None) -> None:
        events(ActionProgress(action.id, machine, text, percent))

    try:
        summary = perform(action, report)
    except VboxlabError as error:
        events(ActionFailed(action.id, machine, what, time.monotonic() - begin, error.brief))
        raise
    except BaseException as error:
        events(ActionFailed(action.id, machine, what, time.monotonic() - begin, repr(error)))
        raise
    events(ActionFinished(action.id, machine, what, time.monotonic() - begin, summary))
    return summary
