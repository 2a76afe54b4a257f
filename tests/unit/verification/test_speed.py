"""How slow guests are found to be, and what that does to limits."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.local_lab import FrontPage, LocalLab
from tests.unit.verification.test_runner import PAGES, program, topology
from vboxlab.errors import InfrastructureTrouble
from vboxlab.roles.heartbeat.role import HeartbeatRole
from vboxlab.topology.scenario import Scenario
from vboxlab.verification.figures import Stretching
from vboxlab.verification.render import render_text
from vboxlab.verification.runner import run_scenario
from vboxlab.verification.speed import EXPECTED, measured_speeds, scale_for


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[LocalLab]:
    front = FrontPage(PAGES)
    front.hold("srv-web")
    yield LocalLab(topology(), front, commands=tmp_path, is_accelerated=False)
    front.hold()


CHECK = {"check": "command", "on": "srv-web", "run": "true", "within": 0}


def test_this_computer_is_as_fast_as_limits_expect(lab: LocalLab) -> None:
    """The real program, on the real Perl."""
    ((machine, speed),) = measured_speeds(lab, ["srv-web"]).items()
    assert machine == "srv-web"
    assert 0.01 < speed < 1.0
    report = run_scenario(Scenario(steps=(CHECK,)), lab, time_scale=None)
    assert (report.time_scale, list(report.speeds)) == (1.0, ["srv-web"])


def test_a_slow_guest_stretches_limits_and_the_report_says_so(lab: LocalLab) -> None:
    program(lab, "perl", f"echo {EXPECTED / 2.34:.0f}")
    report = run_scenario(Scenario(steps=(CHECK,)), lab, time_scale=None)
    assert report.time_scale == 2.3
    assert "time scale 2.3 (limits and waits are stretched by how slow the guests are: srv-web 2.34)" in render_text(
        report
    )


def test_a_time_scale_that_was_asked_for_is_taken(lab: LocalLab) -> None:
    program(lab, "perl", "exit 1")
    report = run_scenario(Scenario(steps=(CHECK,)), lab, time_scale=4.0)
    assert (report.time_scale, report.speeds, report.exit_code) == (4.0, {}, 0)


def test_with_hardware_virtualisation_nothing_is_stretched(lab: LocalLab) -> None:
    program(lab, "perl", "exit 1")
    lab.is_accelerated = True
    report = run_scenario(Scenario(steps=(CHECK,)), lab, time_scale=None)
    assert (report.time_scale, report.speeds) == (1.0, {})


@pytest.mark.parametrize("text", ["exit 1", "echo 0", "echo fast", "exit 0"])
def test_a_guest_that_does_not_tell_its_speed_is_trouble(lab: LocalLab, text: str) -> None:
    program(lab, "perl", text)
    with pytest.raises(InfrastructureTrouble, match="srv-web: its speed cannot be measured"):
        run_scenario(Scenario(steps=(CHECK,)), lab, time_scale=None)


def test_the_slowest_guest_counts_and_none_shortens_limits() -> None:
    assert scale_for([0.2, 2.41, 1.9]) == 2.4
    assert scale_for([0.2]) == scale_for([]) == 1.0


def test_what_programs_wait_by_their_own_settings_is_not_stretched() -> None:
    stretching = Stretching(3.0, own=5.0)
    assert stretching.limit(15.0, waits=True) == 35.0
    assert stretching.limit(15.0, waits=False) == 45.0
    assert stretching.limit(4.0, waits=True) == 4.0


def test_heartbeat_waits_its_deadtime() -> None:
    def own(tuning: str) -> float:
        values = {"role": "heartbeat", "address": "192.168.200.5/24", "nodes": ["a", "b"], "tuning": tuning}
        return HeartbeatRole.model_validate(values).own_seconds()

    assert (own("practical"), own("fast")) == (5.0, 2.0)
