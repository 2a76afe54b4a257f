"""Faults and measurements around a machine that nobody logs in to."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.unit.local_lab import FrontPage, LocalLab
from tests.unit.verification.test_runner import PAGES, topology
from vboxlab.errors import CapabilityMissing
from vboxlab.topology.faults import Fault, fault_of
from vboxlab.topology.scenario import Scenario
from vboxlab.verification.faults import Faults
from vboxlab.verification.runner import run_scenario


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[LocalLab]:
    front = FrontPage(PAGES)
    made = topology()
    alone = made.machines["srv-web"].model_copy(update={"configured": False, "stages": {}})
    changed = made.model_copy(update={"machines": {**made.machines, "srv-web": alone}})
    yield LocalLab(changed, front, commands=tmp_path, is_accelerated=False)
    front.hold()


def fault(kind: str, **more: Any) -> Fault:
    return fault_of({"fault": kind, "machine": "srv-web", **more})


def test_power_cables_and_pauses_are_the_hypervisors_affair_and_its_clock_its_own(lab: LocalLab) -> None:
    faults = Faults(lab)
    for each in (fault("pause"), fault("resume"), fault("unplug", slot=1), fault("pause")):
        faults.inject(each, wait=True)
    assert sorted(faults.in_force) == [("cable", "srv-web", "1"), ("paused", "srv-web")]
    assert [error for _words, error in faults.undo()] == [None, None]
    assert lab.calls == [
        "pause srv-web", "start srv-web wait=True", "set_cable srv-web 1 False", "pause srv-web",
        "start srv-web wait=True", "set_cable srv-web 1 True",
    ]  # fmt: skip
    assert lab.executor("srv-web").scripts == []


@pytest.mark.parametrize(
    "asked",
    [
        {"fault": "impair", "machine": "srv-web", "slot": 1, "loss": 0.5},
        {"fault": "partition", "network": "sw-dmz", "groups": [["srv-web-bis"]]},
    ],
)
def test_what_its_guest_would_have_to_do_is_refused_with_nothing_done(lab: LocalLab, asked: dict[str, Any]) -> None:
    lab.shapes_lines = False
    faults = Faults(lab)
    with pytest.raises(CapabilityMissing, match="srv-web is left alone, and local itself cannot change the lines"):
        faults.inject(fault_of(asked), wait=True)
    assert (faults.in_force, lab.executors) == ({}, {})


def test_the_speed_of_its_guest_is_not_measured(lab: LocalLab) -> None:
    steps: Any = ({"fault": "unplug", "machine": "srv-web", "slot": 1},)
    report = run_scenario(Scenario(steps=steps), lab, time_scale=None)
    assert {step.outcome for step in report.steps} == {"passed"}
    assert lab.executors == {}
