"""Running the actions of a plan in parallel, in the order of their graph."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import field

from vboxlab.errors import VboxlabError, host_error
from vboxlab.events import ActionFailed, ActionFinished, ActionProgress, ActionStarted, EventSink
from vboxlab.lazily import dataclass
from vboxlab.planning.actions import Action, Contact, Start
from vboxlab.planning.describe import subject, title

Reporter = Callable[[str, int | None], None]
Perform = Callable[[Action, Reporter], str]
POLL_SECONDS = 0.2


@dataclass
class Outcome:
    """What became of the actions of a plan."""

    done: list[Action] = field(default_factory=list)
    failed: list[tuple[Action, VboxlabError]] = field(default_factory=list)
    kept_back: list[Action] = field(default_factory=list)  # not begun: a failed one had to be done before
    left: list[Action] = field(default_factory=list)  # not begun: it was stopped before
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


class _Slots:
    """Which actions may begin now: so many at work, and so many guests booting, each until it was reached.

    Waiting for a booting guest is no work of ours, but boots compete for the processors: more at once than there are
    processors only makes every guest slower, until its own time-outs strike.
    """

    def __init__(self, jobs: int) -> None:
        self._jobs = jobs
        self._working: set[str] = set()
        self._booting: set[str] = set()

    def begin(self, action: Action) -> bool:
        """Take a slot for the action if there is one."""
        step = action.step
        if isinstance(step, Contact) and step.machine in self._booting:
            return True
        if isinstance(step, Start):
            if len(self._booting) >= self._jobs:
                return False
            self._booting.add(step.machine)
            return True
        if len(self._working) >= self._jobs:
            return False
        self._working.add(action.id)
        return True

    def end(self, action: Action, *, failed: bool) -> None:
        """Give back what the action held; a start keeps its slot until its guest was reached."""
        step = action.step
        self._working.discard(action.id)
        if isinstance(step, Contact) or (isinstance(step, Start) and failed):
            self._booting.discard(step.machine)

    def keep(self, actions: Sequence[Action]) -> None:
        """Give back the slots of guests that none of these actions, all that are left, will reach."""
        reached = {a.step.machine for a in actions if isinstance(a.step, Contact)}
        starting = {a.step.machine for a in actions if isinstance(a.step, Start)}
        self._booting &= reached | starting


class _Queue:
    """The actions that have not begun, those with the longest way to the end first."""

    def __init__(self, actions: Sequence[Action]) -> None:
        weight = longest_paths(actions)
        self.waiting = {action.id: action for action in sorted(actions, key=lambda a: -weight[a.id])}
        self._todo = set(self.waiting)  # neither ended nor known never to begin
        self._done: set[str] = set()

    def ready(self) -> list[Action]:
        """Return the actions that nothing keeps from beginning."""
        return [action for action in self.waiting.values() if all(map(self._is_past(action), action.after))]

    def _is_past(self, action: Action) -> Callable[[str], bool]:
        return lambda before: before in self._done or (before in action.in_turn and before not in self._todo)

    def done(self, action: Action) -> None:
        """Note that an action was done."""
        self._done.add(action.id)
        self._todo.discard(action.id)

    def failed(self, action: Action) -> list[Action]:
        """Note that an action failed; take out those that can never begin because of that, and return them."""
        self._todo.discard(action.id)
        lost = {action.id}
        hopeless: list[Action] = []
        while found := [each for each in self.waiting.values() if lost & set(each.after).difference(each.in_turn)]:
            for each in found:
                del self.waiting[each.id]
                self._todo.discard(each.id)
            hopeless += found
            lost = {each.id for each in found}
        return hopeless


def run(actions: Sequence[Action], perform: Perform, events: EventSink, *, jobs: int, stop: threading.Event) -> Outcome:
    """Perform all actions, each after those it depends on: at most `jobs` at work, and as many guests booting.

    A failed action keeps back only those that depend on it. After `stop` is set no action begins; running ones end.
    Errors that are not VboxlabError (bugs) are raised once the running actions have ended.
    """
    outcome = Outcome()
    queue = _Queue(actions)
    slots = _Slots(jobs)
    running: dict[Future[str], Action] = {}
    bug: BaseException | None = None
    with ThreadPoolExecutor(max_workers=2 * jobs, thread_name_prefix="action") as pool:
        while True:
            if not stop.is_set() and bug is None:
                for action in queue.ready():
                    if slots.begin(action):
                        del queue.waiting[action.id]
                        running[pool.submit(_perform, action, perform, events)] = action
            if not running:
                break
            finished, _ = wait(running, timeout=POLL_SECONDS, return_when=FIRST_COMPLETED)
            for future in finished:
                action = running.pop(future)
                error = future.exception()
                slots.end(action, failed=error is not None)
                if error is None:
                    outcome.done.append(action)
                    queue.done(action)
                elif isinstance(error, VboxlabError):
                    outcome.failed.append((action, error))
                    outcome.kept_back += queue.failed(action)
                    slots.keep([*queue.waiting.values(), *running.values()])
                else:
                    bug = bug or error
    if bug is not None:
        raise bug
    outcome.left = list(queue.waiting.values())
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
        told = host_error(error)
        seconds = time.monotonic() - begin
        events(ActionFailed(action.id, machine, what, seconds, repr(error) if told is None else told.brief))
        if told is not None:
            raise told from error
        raise
    events(ActionFinished(action.id, machine, what, time.monotonic() - begin, summary))
    return summary
