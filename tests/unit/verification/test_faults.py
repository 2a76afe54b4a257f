"""The troubles that a scenario makes, how each is undone, and what is written down of it before it is made."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.unit.local_lab import FrontPage, LocalLab
from tests.unit.verification.test_runner import PAGES, program, topology
from vboxlab.errors import DriverError
from vboxlab.planning.observed import PowerState
from vboxlab.topology.faults import Fault, fault_of
from vboxlab.topology.scenario import Scenario
from vboxlab.verification.faults import FILLING, Faults, _script, _undoing
from vboxlab.verification.runner import run_scenario


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[LocalLab]:
    front = FrontPage(PAGES)
    yield LocalLab(topology(), front, commands=tmp_path)
    front.hold()


def fault(kind: str, **more: Any) -> Fault:
    return fault_of({"fault": kind, "machine": "srv-web", **more})


def scripts(lab: LocalLab, *faults: dict[str, Any]) -> list[str]:
    steps = tuple({"machine": "srv-web", **one} for one in faults)
    report = run_scenario(Scenario(steps=steps), lab)
    assert {step.outcome for step in report.steps} == {"passed"}, report.steps
    return lab.executor("srv-web").scripts


def test_what_hangs_goes_on_and_what_was_killed_is_started(lab: LocalLab) -> None:
    program(lab, "systemctl", "exit 0")
    assert scripts(
        lab,
        {"fault": "hang-service", "service": "heartbeat"},
        {"fault": "kill-service", "service": "apache2"},
    ) == [
        "systemctl kill --signal=STOP -- heartbeat",
        "systemctl kill --signal=KILL -- apache2",
        "systemctl start -- apache2",
        "systemctl kill --signal=CONT -- heartbeat",
    ]


def test_a_service_goes_on_by_a_step_of_its_own(lab: LocalLab) -> None:
    program(lab, "systemctl", "exit 0")
    assert scripts(
        lab,
        {"fault": "hang-service", "service": "heartbeat"},
        {"fault": "continue-service", "service": "heartbeat"},
    ) == ["systemctl kill --signal=STOP -- heartbeat", "systemctl kill --signal=CONT -- heartbeat"]


def test_a_clock_jumps_and_is_set_right_by_this_computers(lab: LocalLab, tmp_path: Path) -> None:
    said = tmp_path / "said"
    program(lab, "date", f'case "$1" in -s) echo "$2" >> {said};; *) exec /bin/date "$@";; esac')
    scripts(lab, {"fault": "clock-jump", "seconds": -3600}, {"fault": "clock-jump", "seconds": 60})
    first, second, back = (float(line[1:]) for line in said.read_text().splitlines())
    assert second - first == pytest.approx(3660, abs=5)
    assert back - first == pytest.approx(3600, abs=5)


def test_a_command_is_run_and_undone_without_a_shell(lab: LocalLab, tmp_path: Path) -> None:
    file = tmp_path / "a b"
    scripts(lab, {"fault": "command", "run": ["touch", str(file)], "undo": ["rm", str(file)]})
    assert not file.exists()
    assert len(lab.executor("srv-web").scripts) == 2


def test_a_disk_is_filled_to_its_last_byte_and_emptied(tmp_path: Path) -> None:
    """On a file system of its own, as root of a namespace."""
    full = fault("fill-disk", path=str(tmp_path))
    fill, empty = _script(full), _undoing(full)  # type: ignore[arg-type]
    script = (
        f"mount -t tmpfs -o size=3m none {tmp_path} && echo there > {tmp_path}/file && {{ {fill}\n}} && "
        f"df --output=avail {tmp_path} | tail -1 && ! echo more > {tmp_path}/other 2>/dev/null && "
        f"{{ {empty}\n}} && ls {tmp_path} && df --output=avail {tmp_path} | tail -1"
    )
    done = subprocess.run(
        ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", script],
        capture_output=True,
        text=True,
        check=False,
    )
    if "unshare" in done.stderr:
        pytest.skip("no mount namespaces for this user")
    assert done.returncode == 0, done
    left, file, other, room = done.stdout.split()
    assert (left, file, other) == ("0", "file", "other")
    assert int(room) > 3000
    assert FILLING in fill


def test_a_disk_is_taken_out_of_the_guest_and_looked_for_again() -> None:
    out, back = fault("disk-out", disk="data"), fault("disk-in", disk="data")
    assert _script(out) == (  # type: ignore[arg-type]
        "disk=$(readlink -e -- /dev/disk/by-id/ata-vboxlab_data) || exit 1\n"
        'echo 1 > "/sys/block/${disk##*/}/device/delete"\n'
        "udevadm settle --timeout=30\n"
        "test ! -e /dev/disk/by-id/ata-vboxlab_data"
    )
    assert _undoing(out) == _script(back)  # type: ignore[arg-type]
    assert out.state() == "disk data of srv-web is out"
    assert back.ends == (out.key,)


def test_each_is_written_down_before_it_is_made_and_until_it_is_undone(lab: LocalLab) -> None:
    kept: list[list[str]] = []

    def keep(faults: Sequence[Fault]) -> None:
        kept.append([f"{len(lab.calls)}: {one.state()}" for one in faults])

    faults = Faults(lab, keep=keep)
    faults.inject(fault("unplug", slot=1), wait=True)
    faults.inject(fault("power-off"), wait=True)
    faults.inject(fault("start"), wait=True)
    assert list(faults.undo()) == [("adapter 1 of srv-web is unplugged", None)]
    assert kept == [
        ["0: adapter 1 of srv-web is unplugged"],
        ["1: adapter 1 of srv-web is unplugged", "1: srv-web is powered off"],
        ["3: adapter 1 of srv-web is unplugged"],
        [],
    ]


def test_where_the_guest_is_not_reached_any_more_it_is_started_anew(lab: LocalLab) -> None:
    program(lab, "systemctl", "exit 0")
    faults = Faults(lab)
    faults.inject(fault("stop-service", service="ssh"), wait=True)
    lab.executor("srv-web").reachable = False
    original = lab.start

    def start(machine: str, *, wait: bool) -> None:
        original(machine, wait=wait)
        lab.executor("srv-web").reachable = True

    lab.start = start  # type: ignore[method-assign]
    assert list(faults.undo()) == [("ssh is stopped on srv-web", None)]
    assert lab.calls == ["power_off srv-web", "start srv-web wait=True"]
    assert lab.executor("srv-web").scripts[-1] == "systemctl start -- ssh"
    assert lab.powers["srv-web"] is PowerState.RUNNING


def test_what_fails_half_way_is_undone_as_well(lab: LocalLab) -> None:
    program(lab, "systemctl", "exit 1")
    report = run_scenario(
        Scenario(steps=({"fault": "hang-service", "machine": "srv-web", "service": "heartbeat"},)), lab
    )
    assert report.steps[0].outcome == "error"
    assert "systemctl kill --signal=CONT -- heartbeat" in lab.executor("srv-web").scripts


CUT = {"fault": "partition", "network": "sw-dmz", "groups": [["srv-web"]]}


def test_a_paused_machine_is_no_trouble_and_goes_on_at_the_end(lab: LocalLab) -> None:
    program(lab, "date", "exit 0")
    lab.front.hold("srv-web")
    page = {"check": "page", "from": "client", "url": lab.front.url, "within": 0}
    steps = ({"fault": "pause", "machine": "srv-web"}, page, {"fault": "unplug", "machine": "srv-web", "slot": 1})
    report = run_scenario(Scenario(steps=steps), lab)
    assert [step.outcome for step in report.steps] == ["passed"] * 4
    assert lab.calls == [
        "pause srv-web", "set_cable srv-web 1 False", "start srv-web wait=True", "set_cable srv-web 1 True"
    ]  # fmt: skip
    assert report.steps[-1].title == (
        "what is not as it was is undone (srv-web is paused; adapter 1 of srv-web is unplugged)"
    )


def test_a_machine_that_nobody_has_paused_is_trouble(lab: LocalLab) -> None:
    lab.powers["srv-web"] = PowerState.PAUSED
    step = run_scenario(Scenario(steps=({"check": "ping", "from": "srv-web", "to": "client"},)), lab).steps[0]
    assert (step.outcome, step.message) == ("error", "srv-web is paused, so nothing can be proved")


@pytest.mark.parametrize(
    ("end", "left"),
    [
        ("resume", "the clock of srv-web is behind"),
        ("start", "the clock of srv-web is behind"),
        ("power-off", "srv-web is powered off"),
    ],
)
def test_a_pause_ends_when_the_machine_goes_on_or_is_off(lab: LocalLab, end: str, left: str) -> None:
    program(lab, "date", "exit 0")
    faults = Faults(lab)
    faults.inject(fault("pause"), wait=True)
    faults.inject(fault(end), wait=True)
    assert not faults.is_paused("srv-web")
    assert list(faults.undo()) == [(left, None)]
    set_right = [script for script in lab.executor("srv-web").scripts if script.startswith("date -s @")]
    assert len(set_right) == (end != "power-off")


def test_who_stood_still_until_the_end_has_its_clock_set(lab: LocalLab) -> None:
    program(lab, "date", "exit 0")
    faults = Faults(lab)
    faults.inject(fault("pause"), wait=True)
    assert list(faults.undo()) == [("srv-web is paused", None)]
    (script,) = lab.executor("srv-web").scripts
    assert float(script.removeprefix("date -s @")) == pytest.approx(time.time(), abs=60)


def test_what_is_undone_in_a_guest_waits_until_the_machine_goes_on(lab: LocalLab) -> None:
    program(lab, "systemctl", "exit 0")
    program(lab, "date", "exit 0")
    faults = Faults(lab)
    for one in (fault("pause"), fault("unplug", slot=1), fault("stop-service", service="apache2")):
        faults.inject(one, wait=True)
    undone = [words for words, _error in faults.undo()]
    assert undone == ["srv-web is paused", "apache2 is stopped on srv-web", "adapter 1 of srv-web is unplugged"]


def test_lines_are_made_bad_and_networks_cut_by_the_hypervisor_that_can(lab: LocalLab) -> None:
    steps = (
        CUT,
        {"fault": "impair", "machine": "srv-web", "slot": 1, "loss": 0.25, "delay": 0.1, "rate": 5000},
        {"fault": "heal", "network": "sw-dmz"},
        {"fault": "partition", "network": "sw-dmz", "groups": [["srv-web", "srv-web-bis"], ["srv-web-bis"]]},
    )
    report = run_scenario(Scenario(steps=steps), lab, time_scale=2.0)
    assert {step.outcome for step in report.steps} == {"passed"}
    assert lab.calls == [
        "set_groups srv-web 1 [1]", "set_groups srv-web-bis 1 [0]",
        "impair srv-web 1 0.25 0.2 5000",
        "set_groups srv-web 1 []", "set_groups srv-web-bis 1 []",
        "set_groups srv-web 1 [1]", "set_groups srv-web-bis 1 [1, 2]",
        "set_groups srv-web 1 []", "set_groups srv-web-bis 1 []",
        "impair srv-web 1 0 0 0",
    ]  # fmt: skip
    assert [step.title for step in report.steps[1:3]] == [
        "the line of adapter 1 of srv-web becomes bad (loss 25 %, delay 0.1 s, rate 5000 bytes/s)",
        "network sw-dmz is whole again",
    ]
    assert lab.executor("srv-web").scripts == []


def test_else_the_guests_do_it(lab: LocalLab) -> None:
    lab.shapes_lines = False
    program(lab, "tc", "exit 0")
    bad = {"fault": "impair", "machine": "srv-web", "slot": 1, "delay": 0.1, "rate": 5000}
    report = run_scenario(Scenario(steps=(CUT, bad)), lab)
    assert {step.outcome for step in report.steps} == {"passed"}, report.steps
    drop = "tc filter add dev enp0s3 ingress protocol all flower src_mac 08:00:27:00:00:11 action drop"
    assert lab.executor("srv-web").scripts == [
        f"tc qdisc del dev enp0s3 clsact 2>/dev/null\nset -e\ntc qdisc add dev enp0s3 clsact\n{drop}",
        "tc qdisc replace dev enp0s3 root netem delay 100ms rate 40000bit",
        "tc qdisc del dev enp0s3 root 2>/dev/null\n! tc qdisc show dev enp0s3 | grep -qw netem",
        "tc qdisc del dev enp0s3 clsact 2>/dev/null\n! tc qdisc show dev enp0s3 | grep -qw clsact",
    ]
    assert len(lab.executor("srv-web-bis").scripts) == 2
    assert lab.calls == []


def test_where_neither_can_the_step_says_who(lab: LocalLab) -> None:
    lab.shapes_lines = False
    program(lab, "tc", "echo 'Error: Specified qdisc kind is unknown.' >&2; exit 2")
    report = run_scenario(Scenario(steps=(CUT,)), lab)
    step = report.steps[0]
    assert (step.outcome, step.title) == ("error", "network sw-dmz is cut (srv-web)")
    assert step.message == (
        "local cannot change the lines of a network, and the guest of srv-web could not do it either"
    )
    assert "Error: Specified qdisc kind is unknown." in step.details
    assert report.steps[-1].outcome == "passed"  # half of it may have been made, and is undone


def test_a_guest_that_its_bad_line_has_cut_off_is_started_anew_which_repairs_it(lab: LocalLab) -> None:
    lab.shapes_lines = False
    program(lab, "tc", "exit 0")
    faults = Faults(lab)
    faults.inject(fault("impair", slot=1, loss=1), wait=True)
    lab.executor("srv-web").reachable = False
    assert list(faults.undo()) == [("the line of adapter 1 of srv-web is bad (loss 100 %)", None)]
    assert lab.calls == ["power_off srv-web", "start srv-web wait=True"]


def test_what_the_hypervisor_refuses_is_undone_as_well(lab: LocalLab) -> None:
    def refused(*_arguments: Any) -> None:
        lab.calls.append("refused")
        raise DriverError("no")

    original = lab.set_groups
    lab.set_groups = refused  # type: ignore[method-assign,assignment]
    faults = Faults(lab)
    with pytest.raises(DriverError):
        faults.inject(fault_of(CUT), wait=True)
    assert [(words, str(error)) for words, error in faults.undo()] == [("network sw-dmz is cut (srv-web)", "no")]
    lab.set_groups = original  # type: ignore[method-assign]
    assert list(faults.undo()) == [("network sw-dmz is cut (srv-web)", None)]
    assert faults.in_force == {}
    assert lab.calls[-1] == "set_groups srv-web-bis 1 []"
