"""The engine that runs the actions of a plan."""

from __future__ import annotations

import errno
import threading
import time
from collections.abc import Callable

import pytest

from vboxlab.errors import DriverError, GuestError, HostError
from vboxlab.events import ActionFailed, ActionFinished, ActionStarted, Event, discard
from vboxlab.lab.engine import Outcome, Reporter, run
from vboxlab.planning import actions as act


def action(identifier: str, step: act.Step, *after: str) -> act.Action:
    return act.Action(identifier, step, "because", after)


def boots(count: int) -> list[act.Action]:
    actions = []
    for number in range(count):
        name = f"m{number}"
        actions.append(action(f"s{number}", act.Start(name)))
        actions.append(action(f"c{number}", act.Contact(name), f"s{number}"))
    return actions


class Recorder:
    """Performs by waiting a moment, and records what ran at once."""

    def __init__(self, effect: Callable[[act.Action], None] = lambda _action: None) -> None:
        self.order: list[str] = []
        self.booting_at_most = 0
        self._booting = 0
        self._lock = threading.Lock()
        self._effect = effect

    def __call__(self, action: act.Action, report: Reporter) -> str:
        report("at it", None)
        with self._lock:
            self.order.append(action.id)
            if isinstance(action.step, act.Start):
                self._booting += 1
                self.booting_at_most = max(self.booting_at_most, self._booting)
        time.sleep(0.02)
        self._effect(action)
        with self._lock:
            if isinstance(action.step, act.Contact):
                self._booting -= 1
        return "well"


def go(actions: list[act.Action], recorder: Recorder, jobs: int = 2, stop: threading.Event | None = None) -> Outcome:
    return run(actions, recorder, discard, jobs=jobs, stop=stop or threading.Event())


def test_no_more_guests_boot_at_once_than_jobs() -> None:
    recorder = Recorder()
    outcome = go(boots(5), recorder)
    assert outcome.complete
    assert recorder.booting_at_most == 2
    assert len(recorder.order) == 10


def test_a_failed_start_frees_its_slot_and_keeps_back_only_what_depends_on_it() -> None:
    def effect(action: act.Action) -> None:
        if action.id in ("s0", "s1"):
            raise DriverError(f"{action.id} failed")

    recorder = Recorder(effect)
    outcome = go(boots(4), recorder)
    assert sorted(a.id for a, _ in outcome.failed) == ["s0", "s1"]
    assert (sorted(a.id for a in outcome.kept_back), outcome.left) == (["c0", "c1"], [])
    assert sorted(a.id for a in outcome.done) == ["c2", "c3", "s2", "s3"]


@pytest.mark.parametrize("failing", ["Start", "Introduce", "SetAdapters", "Contact"])
def test_a_first_contact_that_fails_at_any_step_frees_its_slot(failing: str) -> None:
    """Twice as many of them fail as may boot at once: a slot that is kept would leave none for the others."""
    actions: list[act.Action] = []
    for number in range(6):
        name = f"m{number}"
        steps: tuple[act.Step, ...] = (
            act.Start(name),
            act.Introduce(name),
            act.SetAdapters(name, ()),
            act.Contact(name),
        )
        for position, step in enumerate(steps):
            before = (f"{number}-{position - 1}",) if position else ()
            actions.append(action(f"{number}-{position}", step, *before))

    def effect(action: act.Action) -> None:
        if type(action.step).__name__ == failing and action.id[0] in "0123":
            raise GuestError("no SSH server answers in the guest")

    outcome = go(actions, Recorder(effect))
    assert {a.id[0] for a, _ in outcome.failed} == set("0123")
    assert {a.id for a in outcome.done} >= {f"{number}-{position}" for number in (4, 5) for position in range(4)}
    assert {a.id[0] for a in outcome.kept_back} <= set("0123")
    assert outcome.left == []


def test_a_guest_that_boots_keeps_its_slot_when_a_later_contact_with_it_becomes_hopeless() -> None:
    """Of `a` a second boot was planned, after a snapshot together with `b`, which fails while `a` boots."""
    failed = threading.Event()

    def effect(action: act.Action) -> None:
        if action.id == "b":
            failed.set()
            raise DriverError("b failed")
        if action.id == "c1":
            assert failed.wait(5)
            time.sleep(0.2)

    recorder = Recorder(effect)
    actions = [
        action("s1", act.Start("a")),
        action("c1", act.Contact("a"), "s1"),
        action("b", act.PowerOff("b")),
        action("take", act.TakeSnapshots(("a", "b"), "x"), "c1", "b"),
        action("s2", act.Start("a"), "take"),
        action("c2", act.Contact("a"), "s2"),
        action("s3", act.Start("c")),
        action("c3", act.Contact("c"), "s3"),
    ]
    outcome = go(actions, recorder, jobs=1)
    assert recorder.booting_at_most == 1
    assert sorted(each.id for each in outcome.kept_back) == ["c2", "s2", "take"]
    assert sorted(each.id for each in outcome.done) == ["c1", "c3", "s1", "s3"]


def test_a_full_disk_under_an_action_is_told_as_one_and_keeps_back_nothing_else() -> None:
    def effect(action: act.Action) -> None:
        if action.id == "c0":
            raise OSError(errno.ENOSPC, "No space left on device", "/home/x")

    outcome = go(boots(2), Recorder(effect))
    assert [error for _, error in outcome.failed] == [
        HostError("/home/x: No space left on device", resolution="make room on that disk, then repeat the command")
    ]
    assert sorted(each.id for each in outcome.done) == ["c1", "s0", "s1"]


def test_a_chain_of_turns_goes_on_past_one_that_failed_and_past_one_that_never_begins() -> None:
    def effect(action: act.Action) -> None:
        if action.id in ("a", "x"):
            raise DriverError(f"{action.id} failed")

    actions = [
        action("x", act.PowerOff("b")),
        action("a", act.Create("a")),
        act.Action("b", act.Create("b"), "because", ("x", "a"), in_turn=("a",)),
        act.Action("c", act.Create("c"), "because", ("b",), in_turn=("b",)),
        action("d", act.SetAdapters("a", ()), "a"),
    ]
    recorder = Recorder(effect)
    outcome = go(actions, recorder)
    assert [a.id for a in outcome.done] == ["c"]
    assert sorted(a.id for a in outcome.kept_back) == ["b", "d"]
    assert sorted(recorder.order[:2]) == ["a", "x"]


def test_turns_are_kept_while_nothing_fails() -> None:
    chain = [action("m0", act.Create("m0"))]
    chain += [
        act.Action(f"m{n}", act.Create(f"m{n}"), "because", (f"m{n - 1}",), in_turn=(f"m{n - 1}",)) for n in range(1, 5)
    ]
    at_once: list[int] = []
    running: list[str] = []

    def effect(action: act.Action) -> None:
        running.append(action.id)
        at_once.append(len(running))
        time.sleep(0.01)
        running.remove(action.id)

    recorder = Recorder(effect)
    assert go(chain, recorder, jobs=4).complete
    assert (recorder.order, max(at_once)) == (["m0", "m1", "m2", "m3", "m4"], 1)


def test_the_longest_chain_goes_first() -> None:
    chain = [action("a", act.Create("x")), action("b", act.Create("y")), action("c", act.PowerOff("y"), "b")]
    recorder = Recorder()
    go(chain, recorder, jobs=1)
    assert recorder.order == ["b", "a", "c"]


def test_stop_begins_nothing_more_and_lets_running_actions_end() -> None:
    stop = threading.Event()
    recorder = Recorder(lambda _action: stop.set())
    outcome = go(boots(3), recorder, jobs=1, stop=stop)
    assert outcome.stopped
    assert [a.id for a in outcome.done] == ["s0"]
    assert len(outcome.left) == 5


def test_a_bug_is_raised_once_the_others_have_ended() -> None:
    ended = []

    def effect(action: act.Action) -> None:
        if action.id == "a":
            raise ZeroDivisionError
        time.sleep(0.1)
        ended.append(action.id)

    with pytest.raises(ZeroDivisionError):
        go([action("a", act.Create("x")), action("b", act.Create("y"))], Recorder(effect))
    assert ended == ["b"]


def test_events_tell_start_end_and_failure() -> None:
    seen: list[Event] = []

    def effect(action: act.Action) -> None:
        if action.id == "b":
            raise DriverError("no disk left")

    actions = [action("a", act.Create("x")), action("b", act.Create("y"), "a")]
    run(actions, Recorder(effect), seen.append, jobs=1, stop=threading.Event())
    kinds = [type(event) for event in seen]
    assert kinds.count(ActionStarted) == 2
    finished = next(event for event in seen if isinstance(event, ActionFinished))
    failed = next(event for event in seen if isinstance(event, ActionFailed))
    assert (finished.machine, finished.title, finished.summary) == ("x", "create", "well")
    assert (failed.machine, failed.reason) == ("y", "no disk left")
