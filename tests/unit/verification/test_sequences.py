"""Faults in time order, several at once, and random ones that their seed repeats."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.unit.local_lab import FrontPage, LocalLab
from tests.unit.verification.test_runner import PAGES, interruption, program, topology
from vboxlab.errors import DriverError
from vboxlab.topology.fault_sequences import ChaosFault
from vboxlab.topology.scenario import Scenario
from vboxlab.verification.history import ChaosDrawn, FaultInForce, FaultUndone, History
from vboxlab.verification.judgements import judge
from vboxlab.verification.recorder import Recorder
from vboxlab.verification.report import Report
from vboxlab.verification.runner import run_scenario

UNPLUG = {"fault": "unplug", "machine": "srv-web", "slot": 1}
PAUSE = {"fault": "pause", "machine": "srv-web-bis"}
OFF = {"fault": "power-off", "machine": "srv-web"}
# By Python's documented promise for random.Random.random: the same numbers for a seed in every version.
DRAWN_BY_7 = [
    "unplug",
    "unplug",
    "pause",
    "unplug",
    "pause",
    "pause",
    "unplug",
    "pause",
    "unplug",
    "pause",
]
CHAOS = {"fault": "chaos", "among": [UNPLUG, PAUSE, OFF], "count": 6, "every": 0.02}


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[LocalLab]:
    front = FrontPage(PAGES)
    front.hold("srv-web")
    made = LocalLab(topology(), front, commands=tmp_path)
    program(made, "date", 'case "$1" in -s) ;; *) exec /bin/date "$@";; esac')  # who stood still has its clock set
    yield made
    front.hold()


def run(lab: LocalLab, *steps: dict[str, Any], time_scale: float = 1.0) -> tuple[Report, History]:
    recorder = Recorder()
    report = run_scenario(Scenario(steps=steps), lab, time_scale=time_scale, recorder=recorder)
    assert judge(recorder.history()) == report
    return report, recorder.history()


def moments(history: History, step: int) -> list[float]:
    made = list(history.of(FaultInForce, step))
    return [round(one.asked - made[0].asked, 1) for one in made]


def test_faults_are_made_at_their_moments_which_the_scale_stretches(lab: LocalLab) -> None:
    together = {"fault": "together", "faults": [{**OFF, "at": 0.4}, {**UNPLUG, "at": 0.2}, PAUSE]}
    report, history = run(lab, together, time_scale=2.0)
    assert lab.calls[:3] == ["pause srv-web-bis", "set_cable srv-web 1 False", "power_off srv-web"]
    assert moments(history, 1) == pytest.approx([0.0, 0.4, 0.8], abs=0.15)
    assert report.steps[0].title == (
        "srv-web-bis is paused; the cable of adapter 1 of srv-web is unplugged (0.2 s later); "
        "srv-web is powered off brutally (0.4 s later)"
    )
    first, *_others = report.steps[0].facts["made"].split("; ")
    assert first == "0.0 s srv-web-bis is paused"
    assert [step.outcome for step in report.steps] == ["passed", "passed"]
    assert lab.calls[3:] == ["start srv-web wait=True", "start srv-web-bis wait=True", "set_cable srv-web 1 True"]


def test_a_single_fault_is_made_at_its_moment_as_well(lab: LocalLab) -> None:
    report, history = run(lab, {**UNPLUG, "at": 0.3})
    assert moments(history, 1) == [0.0]
    assert report.steps[0].seconds >= 0.3
    assert report.steps[0].facts == {}


def test_what_was_started_among_others_is_waited_for_when_all_are_made(lab: LocalLab) -> None:
    start = {"fault": "start", "machine": "srv-web", "at": 0.1}
    run(lab, {"fault": "together", "faults": [OFF, start, {**PAUSE, "at": 0.2}]})
    assert lab.calls == [
        "power_off srv-web", "start srv-web wait=False", "pause srv-web-bis", "start srv-web wait=True",
        "start srv-web-bis wait=True",
    ]  # fmt: skip


def test_a_fault_that_fails_among_others_leaves_none_in_force(lab: LocalLab) -> None:
    program(lab, "systemctl", "exit 1")
    broken = {"fault": "stop-service", "machine": "srv-web", "service": "apache2", "at": 0.1}
    report, history = run(lab, {"fault": "together", "faults": [UNPLUG, broken, {**OFF, "at": 0.2}]})
    assert report.steps[0].outcome == "error"
    assert lab.calls[-1] == "set_cable srv-web 1 True"
    assert moments(history, 1) == [0.0]  # those that come after it are not made


def test_an_interruption_counts_from_the_first_of_its_causes(lab: LocalLab) -> None:
    lab.on_power_off = {"srv-web": ((0, ()), (0.6, ("srv-web-bis",)))}
    cause = [{**UNPLUG, "at": 0.5}, OFF, {"fault": "plug", "machine": "srv-web", "slot": 1, "at": 1.0}]
    report, history = run(lab, interruption(lab, cause=cause, limits={"interruption": 5}))
    step = report.steps[0]
    assert step.outcome == "passed", step
    assert moments(history, 1) == pytest.approx([0.0, 0.5, 1.0], abs=0.15)
    figures = {figure.name: figure for figure in step.measurements}
    assert figures["served_after"].most == pytest.approx(0.7, abs=0.3)
    assert step.title.endswith(
        "when srv-web is powered off brutally; the cable of adapter 1 of srv-web is unplugged (0.5 s later); "
        "the cable of adapter 1 of srv-web is plugged (1 s later)"
    )
    assert step.facts["made"].startswith("0.0 s srv-web is powered off brutally; ")


def test_a_seed_draws_the_same_for_ever() -> None:
    chaos = ChaosFault.model_validate({**CHAOS, "count": 10})
    drawn = [fault.fault for fault in chaos.drawn(7)]
    assert drawn == DRAWN_BY_7
    assert [fault.fault for fault in chaos.drawn(8)] != drawn


def test_random_faults_are_undone_before_the_next_and_their_seed_is_told(lab: LocalLab) -> None:
    report, history = run(lab, {**CHAOS, "seed": 7})
    (drawn,) = history.of(ChaosDrawn, 1)
    assert (drawn.seed, len(drawn.drawn)) == (7, 6)
    kinds = [type(record) for record in history.records if isinstance(record, FaultInForce | FaultUndone)]
    assert kinds == [FaultInForce, FaultUndone] * 6
    step = report.steps[0]
    assert (step.outcome, step.message) == ("passed", "done; `seed: 7` repeats it")
    assert step.facts["seed"] == "7"
    assert step.facts["drawn by it"] == "; ".join(drawn.drawn)
    assert len(report.steps) == 1  # nothing is left to undo
    again, _history = run(lab, {**CHAOS, "seed": 7})
    assert again.steps[0].facts["drawn by it"] == step.facts["drawn by it"]


def test_a_seed_that_was_not_given_is_drawn_and_repeats_it(lab: LocalLab) -> None:
    report, history = run(lab, CHAOS)
    (drawn,) = history.of(ChaosDrawn, 1)
    assert report.steps[0].message == f"done; `seed: {drawn.seed}` repeats it"
    _report, again = run(lab, {**CHAOS, "seed": drawn.seed})
    assert [one.drawn for one in again.of(ChaosDrawn, 1)] == [drawn.drawn]


def test_the_seed_is_told_of_what_failed_half_way_which_is_undone(lab: LocalLab) -> None:
    def refused(machine: str) -> None:
        raise DriverError(f"{machine} refuses")

    lab.power_off = refused  # type: ignore[method-assign]
    report, _history = run(lab, {**CHAOS, "seed": 7, "among": [OFF]})
    assert report.steps[0].outcome == "error"
    assert report.steps[0].facts["seed"] == "7"
    assert lab.calls == ["start srv-web wait=True"]


def test_what_was_so_before_is_so_after_random_faults(lab: LocalLab) -> None:
    run(lab, UNPLUG, {**CHAOS, "among": [UNPLUG], "count": 2})
    assert lab.calls == ["set_cable srv-web 1 False"] * 3 + ["set_cable srv-web 1 True"]


def test_random_faults_may_be_a_cause(lab: LocalLab) -> None:
    lab.on_power_off = {"srv-web": ((0, ()),)}
    lab.on_start = {"srv-web": ((0, ("srv-web",)),)}
    cause = {"fault": "chaos", "among": [OFF], "count": 2, "every": 0.4, "seed": 1}
    measure = interruption(lab, cause=cause, served_by="srv-web", limits={"interruption": 5})
    report, history = run(lab, measure)
    step = report.steps[0]
    assert (step.outcome, step.facts["seed"]) == ("passed", "1"), step
    assert lab.calls == ["power_off srv-web", "start srv-web wait=True"] * 2
    assert len(list(history.of(FaultUndone, 1))) == 2
