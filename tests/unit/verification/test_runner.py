"""Whole scenarios on a lab of this host's loopback: real prober, real HTTP, real shell."""

from __future__ import annotations

import threading
import time
from ipaddress import IPv4Interface
from pathlib import Path
from typing import Any

import pytest

from tests.unit.local_lab import LocalLab
from vboxlab.errors import DriverError, UsageError
from vboxlab.events import ActionFailed, ActionFinished, ActionStarted, Event, Note
from vboxlab.planning.observed import PowerState
from vboxlab.roles.web.role import WebRole
from vboxlab.topology.model import Adapter, Machine, Network, Stage, Topology
from vboxlab.topology.scenario import Scenario
from vboxlab.verification.report import Measurement, Report
from vboxlab.verification.runner import run_scenario

PAGES = {"srv-web": "<h1>Srv-Web de theodore</h1>", "srv-web-bis": "<h1>Srv-Web-bis de theodore</h1>"}


def topology(**values: str) -> Topology:
    def web(name: str, last: int) -> Machine:
        return Machine(
            name=name,
            hostname=f"{name}-theodore",
            adapters=(Adapter(slot=1, network="sw-dmz", address=IPv4Interface(f"192.168.200.{last}/24")),),
            stages={"web": (WebRole(role="web", page=PAGES[name]),)},
        )

    machines = {"srv-web": web("srv-web", 51), "srv-web-bis": web("srv-web-bis", 52)}
    machines["client"] = Machine(name="client", hostname="client", adapters=())
    return Topology(
        name="failover",
        lab="ha",
        base="debian12",
        domain="mlif.local",
        networks={"sw-dmz": Network()},
        machines=machines,
        stages=(Stage(name="web"),),
        values=values,
    )


def program(lab: LocalLab, name: str, text: str) -> None:
    """Put a program in front of this host's own, as a guest would have it."""
    assert lab.commands is not None
    path = lab.commands / name
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)


def run(lab: LocalLab, *steps: dict[str, Any], time_scale: float = 1.0, events: list[Event] | None = None) -> Report:
    sink = (lambda _event: None) if events is None else events.append
    return run_scenario(Scenario(steps=steps), lab, time_scale=time_scale, events=sink)


def interruption(lab: LocalLab, **more: Any) -> dict[str, Any]:
    return {
        "measure": "interruption",
        "from": "client",
        "url": lab.front.url,
        "cause": {"fault": "power-off", "machine": "srv-web"},
        "served_by": "srv-web-bis",
        "every": 0.05,
        "before": 0.3,
        "observe": 0.3,
        "within": 8,
        **more,
    }


def assert_bounds(figure: Measurement, truth: float) -> None:
    """Expect the truth between the bounds, or as near as threads are on time, and the bounds not far from it."""
    assert figure.least is not None, figure
    assert figure.most is not None, figure
    assert figure.least - 0.25 <= truth <= figure.most + 0.05, figure
    assert figure.most <= truth + 0.5, figure


def test_failover_is_measured_with_detection_and_takeover_apart(lab: LocalLab, tmp_path: Path) -> None:
    journal = tmp_path / "journal"
    program(lab, "journalctl", f"cat {journal}")

    def die() -> None:
        text = "srv-web-bis-theodore heartbeat[1]: WARN: node srv-web-theodore: is dead\n"
        journal.write_text(f"{time.time() - 3600:.6f} {text}{time.time():.6f} {text}")

    lab.on_power_off = {"srv-web": ((0, ()), (1.4, ("srv-web-bis",)))}
    lab.on_start = {"srv-web": ((0.5, ()), (0.8, ("srv-web",)))}
    original = lab.power_off

    def power_off(machine: str) -> None:
        timer = threading.Timer(0.8, die)
        timer.daemon = True
        timer.start()
        original(machine)

    lab.power_off = power_off  # type: ignore[method-assign]
    detection = {"on": "srv-web-bis", "node": "srv-web"}
    report = run(
        lab,
        {"check": "page", "from": "client", "url": lab.front.url, "contains": "Srv-Web de", "times": 10, "within": 0},
        interruption(lab, detection=detection, limits={"detection": 2, "takeover": 2, "interruption": 3, "failed": 99}),
        {
            **interruption(lab, served_by="srv-web", limits={"interruption": 2, "failed": 0}),
            "measure": "failback",
            "cause": {"fault": "start", "machine": "srv-web"},
        },
    )
    assert [step.outcome for step in report.steps] == ["passed", "passed", "failed"], report.steps
    assert report.exit_code == 1
    figures = {figure.name: figure for figure in report.steps[1].measurements}
    for name, truth in (("detection", 0.8), ("takeover", 0.6), ("interruption", 1.4), ("served_after", 1.4)):
        assert_bounds(figures[name], truth)
    assert figures["detection"].least is not None
    assert figures["detection"].least >= 0.5
    back = {figure.name: figure for figure in report.steps[2].measurements}
    assert_bounds(back["interruption"], 0.3)
    assert_bounds(back["served_after"], 0.8)
    assert back["failed"].outcome == "failed"
    assert lab.calls == ["power_off srv-web", "start srv-web wait=False"]


def test_a_takeover_that_never_comes_fails_and_the_machine_is_started_again(lab: LocalLab) -> None:
    lab.on_power_off = {"srv-web": ((0, ()),)}
    report = run(lab, interruption(lab, within=0.6, limits={"interruption": 5}))
    measured, undone = report.steps
    assert measured.outcome == "failed"
    assert f"srv-web-bis did not serve {lab.front.url} after srv-web is powered off brutally" in measured.details
    assert {figure.name: figure.most for figure in measured.measurements}["interruption"] is None
    assert (undone.name, undone.outcome) == ("undo", "passed")
    assert lab.calls == ["power_off srv-web", "start srv-web wait=True"]


def test_limits_stretch_with_the_time_scale(lab: LocalLab) -> None:
    lab.on_power_off = {"srv-web": ((0, ()), (0.6, ("srv-web-bis",)))}
    lab.on_start = {"srv-web": ((0, ("srv-web",)),)}
    limited = interruption(lab, limits={"interruption": 0.3})
    assert run(lab, limited).steps[0].outcome == "failed"
    stretched = run(lab, limited, time_scale=4).steps[0]
    assert stretched.outcome == "passed"
    figure = next(figure for figure in stretched.measurements if figure.name == "interruption")
    assert (figure.limit, figure.scaled_limit) == (0.3, 1.2)


def test_nothing_is_powered_off_while_the_page_is_not_served(lab: LocalLab) -> None:
    lab.front.hold()
    report = run(lab, interruption(lab, within=0.5))
    assert report.steps[0].outcome == "failed"
    assert "was not served steadily" in report.steps[0].message
    assert lab.calls == []


def test_load_balancing_loses_nothing_when_the_survivor_serves_on(lab: LocalLab) -> None:
    lab.front.hold("srv-web", "srv-web-bis")
    lab.on_power_off = {"srv-web": ((0, ("srv-web-bis",)),)}
    lab.on_start = {"srv-web": ((0.4, ("srv-web", "srv-web-bis")),)}
    shared = {"check": "distribution", "from": "client", "url": lab.front.url, "requests": 8, "within": 0}
    report = run(
        lab,
        {**shared, "over": ["srv-web", "srv-web-bis"], "tolerance": 0},
        interruption(lab, observe=1, limits={"failed": 0, "slow": 0, "longest_gap": 1.0}),
        {**shared, "over": "srv-web-bis", "tolerance": 0},
        {
            **interruption(lab, served_by=["srv-web", "srv-web-bis"], limits={"failed": 0}),
            "measure": "failback",
            "cause": {"fault": "start", "machine": "srv-web"},
        },
        {**shared, "over": ["srv-web", "srv-web-bis"], "tolerance": 1},
        {**shared, "over": "srv-web-bis", "tolerance": 1},
    )
    assert [step.outcome for step in report.steps] == ["passed"] * 5 + ["failed"], report.steps
    assert report.steps[0].message == "srv-web 4, srv-web-bis 4"
    assert report.steps[5].message == "srv-web-bis served 4 of 8, expected 8 (give or take 1)"


def test_a_paused_machine_is_trouble_not_a_failed_check(lab: LocalLab) -> None:
    lab.powers["client"] = PowerState.PAUSED
    page = {"check": "page", "from": "client", "url": lab.front.url, "within": 0}
    report = run(lab, page, page)
    assert [step.outcome for step in report.steps] == ["error", "skipped"]
    assert report.steps[0].message == "client is paused, so nothing can be proved"
    assert report.exit_code == 7


def test_a_machine_that_stops_during_a_measure_is_trouble(lab: LocalLab) -> None:
    lab.on_power_off = {"srv-web": ((0, ()),)}
    lab.on_start = {"srv-web": ((0, ("srv-web",)),)}
    original = lab.power_off

    def power_off(machine: str) -> None:
        original(machine)
        lab.powers["srv-web-bis"] = PowerState.OFF

    lab.power_off = power_off  # type: ignore[method-assign]
    report = run(lab, interruption(lab, within=0.5))
    assert [step.outcome for step in report.steps] == ["error", "passed"]
    assert report.steps[0].message == "srv-web-bis is off, so nothing can be proved"
    assert report.steps[0].measurements


def test_a_guest_that_cannot_be_reached_is_trouble(lab: LocalLab) -> None:
    lab.executor("srv-web").reachable = False
    report = run(lab, {"check": "service", "on": "srv-web", "service": "apache2", "within": 0})
    assert (report.steps[0].outcome, report.steps[0].message) == ("error", "srv-web does not answer")


def test_what_cannot_be_undone_is_an_error_that_says_so(lab: LocalLab) -> None:
    def start(machine: str, *, wait: bool) -> None:
        raise DriverError(f"{machine} cannot be started", details=["the disk is full"])

    lab.start = start  # type: ignore[method-assign]
    report = run(lab, {"fault": "power-off", "machine": "srv-web"})
    assert [step.outcome for step in report.steps] == ["passed", "error"]
    assert report.steps[1].message == "not undone: srv-web is powered off"
    assert report.steps[1].details == (
        "srv-web cannot be started",
        "  the disk is full",
        "-> run `vboxlab up failover`",
    )


def test_faults_are_undone_when_the_run_is_interrupted(lab: LocalLab) -> None:
    def interrupt(_event: Event) -> None:
        if lab.calls and not interrupted:
            interrupted.append(True)
            raise KeyboardInterrupt

    interrupted: list[bool] = []

    with pytest.raises(KeyboardInterrupt):
        run_scenario(
            Scenario(steps=[{"fault": "unplug", "machine": "srv-web", "slot": 1}]),
            lab,
            events=interrupt,
        )
    assert lab.calls == ["set_cable srv-web 1 False", "set_cable srv-web 1 True"]


def test_faults_reversed_by_the_scenario_are_not_undone_twice(lab: LocalLab) -> None:
    program(lab, "systemctl", "exit 0")
    report = run(
        lab,
        {"fault": "unplug", "machine": "srv-web", "slot": 1},
        {"fault": "plug", "machine": "srv-web", "slot": 1},
        {"fault": "stop-service", "machine": "srv-web", "service": "apache2"},
        {"fault": "start-service", "machine": "srv-web", "service": "apache2"},
    )
    assert [step.outcome for step in report.steps] == ["passed"] * 4
    assert lab.calls == ["set_cable srv-web 1 False", "set_cable srv-web 1 True"]
    assert lab.executor("srv-web").scripts == ["systemctl stop -- apache2", "systemctl start -- apache2"]


def test_a_reboot_is_seen_by_a_new_boot_id(lab: LocalLab, tmp_path: Path) -> None:
    (tmp_path / "boot").write_text("1")
    program(lab, "systemctl", f"echo 2 > {tmp_path / 'boot'}")
    program(lab, "cat", f"exec /bin/cat {tmp_path / 'boot'}")
    report = run(lab, {"fault": "reboot", "machine": "srv-web", "within": 5})
    assert report.steps[0].outcome == "passed"
    assert "systemctl reboot" in lab.executor("srv-web").scripts


def test_a_failed_step_of_severity_warning_is_a_warning(lab: LocalLab) -> None:
    program(lab, "getent", "exit 2")
    report = run(lab, {"check": "internet", "from": "client", "within": 0})
    assert report.steps[0].outcome == "warning"
    assert report.steps[0].message == "client: the name deb.debian.org does not resolve"
    assert report.exit_code == 0


def test_steps_that_do_not_apply_are_left_out(lab: LocalLab) -> None:
    lab.topology = topology(tuning="fast")
    page = {"check": "page", "from": "client", "url": lab.front.url}
    report = run(lab, {**page, "when": {"tuning": "practical"}}, {**page, "when": {"tuning": "fast"}}, page)
    assert [step.number for step in report.steps] == [1, 2]


def test_a_check_is_tried_again_until_it_holds(lab: LocalLab) -> None:
    lab.front.hold("srv-web-bis")
    timer = threading.Timer(1.2, lab.front.hold, ("srv-web",))
    timer.start()
    page = {"check": "page", "from": "client", "url": lab.front.url, "contains": "Srv-Web de", "within": 8}
    step = run(lab, page).steps[0]
    timer.join()
    assert step.outcome == "passed"
    assert step.attempts in (2, 3)


def test_events_tell_of_each_step(lab: LocalLab) -> None:
    events: list[Event] = []
    page = {"check": "page", "from": "client", "url": lab.front.url, "within": 0}
    run(lab, {**page, "title": "good"}, {**page, "title": "bad", "contains": "nothing such"}, events=events)
    assert [type(event) for event in events] == [ActionStarted, ActionFinished, ActionStarted, ActionFailed]
    assert [event.title for event in events if not isinstance(event, str) and hasattr(event, "title")] == [
        "good",
        "good",
        "bad",
        "bad",
    ]


def test_single_steps_are_asked_for_by_number_title_or_kind(lab: LocalLab) -> None:
    page = {"check": "page", "from": "client", "url": lab.front.url, "within": 0}
    steps = (
        {**page, "title": "First"},
        {**page, "title": "second"},
        {"check": "command", "on": "client", "run": "true"},
    )
    scenario = Scenario(steps=({**page, "when": {"tuning": "fast"}}, *steps))

    def titles(*names: str) -> list[str]:
        return [step.title for step in run_scenario(scenario, lab, only=names).steps]

    assert titles("2") == ["second"]
    assert titles("first") == ["First"]
    assert titles("page", "1") == ["First", "second"]
    assert titles("command") == ["true on client says what it should"]
    with pytest.raises(UsageError) as caught:
        titles("third")
    assert caught.value.brief == "--only third: there is no such step"
    assert caught.value.details == ("1 First", "2 second", "3 true on client says what it should")


def test_a_connection_is_measured_as_a_page_is(lab: LocalLab) -> None:
    """One server, told by nothing: gone for a while, and back."""
    lab.on_power_off = {"srv-web": ((0, ()), (1.0, ("srv-web",)))}
    url = lab.front.url.replace("http://", "tcp://")
    step = run(lab, {**interruption(lab, served_by="srv-web", limits={"interruption": 3}), "url": url}).steps[0]
    assert step.outcome == "passed", step
    figures = {figure.name: figure for figure in step.measurements}
    assert figures["interruption"].least == pytest.approx(1.0, abs=0.3)
    assert figures["interruption"].most == pytest.approx(1.0, abs=0.3)


def test_servers_are_told_apart_by_what_the_step_says(lab: LocalLab) -> None:
    lab.on_power_off = {"srv-web": ((0, ()), (0.5, ("srv-web-bis",)))}
    told = {"srv-web": "Srv-Web de", "srv-web-bis": "Srv-Web-bis de"}
    step = run(lab, interruption(lab, told_by=told, limits={"interruption": 3})).steps[0]
    assert step.outcome == "passed", step
    swapped = {"srv-web": "Srv-Web-bis de", "srv-web-bis": "nothing such"}
    lab.powers.clear()
    lab.front.hold("srv-web")
    assert run(lab, interruption(lab, told_by=swapped, within=1.0)).steps[0].outcome == "failed"


def test_a_check_may_have_to_hold_after_a_reboot_too(lab: LocalLab, tmp_path: Path) -> None:
    (tmp_path / "boot").write_text("1")
    program(lab, "systemctl", f"echo $$ > {tmp_path / 'boot'}")
    program(lab, "cat", f"exec /bin/cat {tmp_path / 'boot'}")
    lives, lost = tmp_path / "lives", {"check": "command", "on": "srv-web", "within": 0, "persist": "srv-web"}
    lives.touch()
    kept = run(lab, {**lost, "run": f"test -e {lives}"}).steps[0]
    assert (kept.outcome, kept.message) == ("passed", "also after a reboot of srv-web")
    gone = run(lab, {**lost, "run": ["rm", str(lives)]}).steps[0]
    assert gone.outcome == "failed"
    never = run(lab, {**lost, "run": "false"})
    assert never.steps[0].outcome == "failed"
    assert "systemctl reboot" not in lab.executor("srv-web").scripts[-1]


def test_a_run_breaks_off_at_the_first_failure_and_leaves_everything_as_it_is(lab: LocalLab) -> None:
    page = {"check": "page", "from": "client", "url": lab.front.url, "within": 0}
    kept: list[list[str]] = []
    events: list[Event] = []
    report = run_scenario(
        Scenario(
            steps=(
                page,
                {"fault": "unplug", "machine": "srv-web", "slot": 1},
                {**page, "contains": "nothing such"},
                page,
            )
        ),
        lab,
        events=events.append,
        keep=lambda faults: kept.append([one.state() for one in faults]),
        break_on_failure=True,
    )
    assert [step.outcome for step in report.steps] == ["passed", "passed", "failed", "skipped"]
    assert report.steps[3].message == "the run was broken off at a failure, as asked"
    assert lab.calls == ["set_cable srv-web 1 False"]
    assert kept == [["adapter 1 of srv-web is unplugged"]]
    told = [event.text for event in events if isinstance(event, Note)]
    assert told == [
        "broken off at a failure; still in force: adapter 1 of srv-web is unplugged",
        "look with `vboxlab ssh client`",
        "end it with `vboxlab verify failover --undo`",
    ]
    assert report.exit_code == 1
