"""Every check, fault and measure where its claim is false, and where its probe fails: neither passes."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any, get_args

import pytest

from tests.unit.local_lab import LocalLab
from tests.unit.verification.test_readings import ADDRESSES, IPVS
from tests.unit.verification.test_runner import interruption, program
from vboxlab.errors import DriverError
from vboxlab.topology import checks as wanted
from vboxlab.topology.faults import Fault
from vboxlab.topology.invariants import Invariant
from vboxlab.topology.scenario import Measure, Scenario
from vboxlab.verification.report import StepReport
from vboxlab.verification.runner import run_scenario

UNIT = "printf 'LoadState=loaded\\nActiveState={}\\nUnitFileState={}\\n'"
# Of each check: how it is asked for, and for each way that its claim may be false, what the guest's programs do.
FALSE: Mapping[str, tuple[dict[str, Any], tuple[dict[str, str], ...]]] = {
    "ping": (
        {"from": "srv-web", "to": ["srv-web-bis", "192.168.200.52"]},
        ({"ping": "exit 1"}, {"ping": "echo 'Network is unreachable' >&2; exit 2"}),
    ),
    "resolves": (
        {"from": "srv-web", "name": "www", "address": "10.0.0.7"},
        ({"getent": "exit 2"}, {"getent": "echo '10.0.0.8 STREAM www'"}),
    ),
    "clocks": ({"on": ["srv-web", "srv-web-bis"]}, ({"date": "echo $$.0", "bash": "exit 127"},)),
    "internet": ({"from": "srv-web"}, ({"getent": "exit 2"}, {"getent": "exit 0", "ping": "exit 1", "perl": "exit 1"})),
    "apt": ({"from": "srv-web"}, ({"apt-get": "exit 100"},)),
    "address": (
        {"on": "srv-web", "address": "192.168.200.9"},
        ({"ip": f"cat <<'END'\n{ADDRESSES}END"},),
    ),
    "page": ({"from": "client", "contains": "nothing such", "times": 2}, ({},)),
    "probe": ({"from": "client", "contains": "nothing such", "times": 2}, ({},)),
    "service": (
        {"on": "srv-web", "service": "apache2", "enabled": True},
        tuple({"systemctl": UNIT.format(*state)} for state in (("failed", "enabled"), ("active", "masked"))),
    ),
    "file": (
        {"on": "srv-web", "path": "/etc/passwd", "contains": "nothing such"},
        ({}, {"stat": "exit 1"}),
    ),
    "ipvs": (
        {"on": "srv-web", "virtual": "192.168.200.5", "real_servers": ["192.168.201.12"]},
        ({"ipvsadm": f"cat <<'END'\n{IPVS}END"}, {"ipvsadm": "echo 'IP Virtual Server version 1.2.1'"}),
    ),
    "distribution": ({"from": "client", "over": "srv-web-bis", "requests": 4}, ({},)),
    "command": ({"on": "srv-web", "run": "sysctl -n net.ipv4.ip_forward", "equals": "2"}, ({"sysctl": "echo 0"},)),
}
# Of each check: the programs that it asks. None of their ways to fail may look like an answer.
PROBES: Mapping[str, tuple[str, ...]] = {
    "ping": ("ping",),
    "resolves": ("getent",),
    "clocks": ("date", "bash"),
    "internet": ("getent", "ping", "perl"),
    "apt": ("apt-get",),
    "address": ("ip",),
    "page": ("perl",),
    "probe": ("perl",),
    "service": ("systemctl",),
    "file": ("stat",),
    "ipvs": ("ipvsadm",),
    "distribution": ("perl",),
    "command": ("sysctl",),
}
FAILING = ("exit 127", "exit 126", "exit 1", "exit 139", "kill -9 $$", "echo garbage; exit 3")
SILENT = ("exit 0", "echo garbage")  # neither may look like an answer, but for who asks only how a program ended
BY_EXIT_CODE = {"ping", "apt", "internet"}


def one(lab: LocalLab, step: dict[str, Any]) -> StepReport:
    return run_scenario(Scenario(steps=(step,)), lab).steps[0]


def check(lab: LocalLab, kind: str, **more: Any) -> StepReport:
    url = {"url": lab.front.url} if kind in ("page", "probe", "distribution") else {}
    return one(lab, {"check": kind, "within": 0, "severity": "failure", **url, **FALSE[kind][0], **more})


def kinds(union: Any, key: str) -> set[str]:
    """Return the names of all members of a union of steps."""
    models = get_args(get_args(union)[0])
    return {str(name) for model in models for name in get_args(model.model_fields[key].annotation)}


def test_every_check_is_gone_through() -> None:
    assert set(FALSE) == set(PROBES) == kinds(wanted.Check, "check")


@pytest.mark.parametrize("kind", FALSE)
def test_a_false_claim_does_not_pass(lab: LocalLab, kind: str) -> None:
    for programs in FALSE[kind][1]:
        for name, text in programs.items():
            program(lab, name, text)
        step = check(lab, kind)
        assert step.outcome in ("failed", "unclear"), (programs, step)
        assert step.message


@pytest.mark.parametrize("kind", FALSE)
def test_a_probe_that_fails_does_not_pass(lab: LocalLab, kind: str) -> None:
    for text in (*FAILING, *(() if kind in BY_EXIT_CODE else SILENT)):
        for name in PROBES[kind]:
            program(lab, name, text)
        step = check(lab, kind)
        assert step.outcome in ("failed", "unclear", "error"), (text, step)
        assert step.message
        if text in ("exit 127", "exit 126"):
            assert step.outcome in ("unclear", "error"), (text, step)


@pytest.mark.parametrize("kind", FALSE)
def test_a_guest_that_is_not_reached_does_not_pass(lab: LocalLab, kind: str) -> None:
    for machine in ("srv-web", "srv-web-bis", "client"):
        lab.executor(machine).reachable = False
    assert check(lab, kind).outcome == "error"


def test_what_must_not_be_is_not_proved_by_a_program_that_fails(lab: LocalLab) -> None:
    program(lab, "ip", "exit 1")
    assert check(lab, "address", held=False).outcome == "unclear"
    program(lab, "ip", "exit 0")
    assert check(lab, "address", held=False).outcome == "unclear"
    program(lab, "systemctl", "exit 1")
    assert check(lab, "service", running=False, enabled=None).outcome == "unclear"
    program(lab, "ipvsadm", "exit 0")
    assert check(lab, "ipvs", real_servers=[]).outcome == "unclear"


def test_a_clock_that_may_be_wrong_is_not_right(lab: LocalLab) -> None:
    program(lab, "date", 'sleep 0.6; exec /bin/date "$@"')
    program(lab, "bash", "exit 127")
    step = check(lab, "clocks", tolerance=1.0)
    assert step.outcome == "unclear"
    assert step.message.endswith("s apart, 1 s are allowed")


@pytest.mark.parametrize("expected", ["refused", "timeout", "unreachable"])
def test_what_must_be_refused_is_not_proved_by_an_answer_nor_by_a_dead_prober(lab: LocalLab, expected: str) -> None:
    assert check(lab, "probe", expect=expected, contains="").outcome == "failed"
    for text in (*FAILING, *SILENT):
        program(lab, "perl", text)
        assert check(lab, "probe", expect=expected, contains="").outcome == "error"


def test_a_refusal_is_a_pass_where_it_is_expected(lab: LocalLab) -> None:
    lab.front.hold()
    assert check(lab, "probe", expect="refused", contains="").outcome == "passed"
    assert check(lab, "probe", expect="timeout", contains="").message == (
        "0 of 2 requests ended as expected; the first other: refused"
    )


def test_two_names_for_one_address_are_both_answered(lab: LocalLab) -> None:
    program(lab, "ping", "exit 0")
    step = check(lab, "ping", to=["srv-web-bis", "192.168.200.52"])
    assert (step.outcome, step.message) == ("passed", "2 of 2 answered")


FAULTS: Mapping[str, dict[str, Any]] = {
    "power-off": {},
    "start": {},
    "pause": {},
    "resume": {},
    "unplug": {"slot": 1},
    "plug": {"slot": 1},
    "impair": {"slot": 1, "loss": 0.5},
    "repair": {"slot": 1},
    "partition": {"machine": None, "network": "sw-dmz", "groups": [["srv-web"], ["srv-web-bis"]]},
    "heal": {"machine": None, "network": "sw-dmz"},
    "stop-service": {"service": "apache2"},
    "start-service": {"service": "apache2"},
    "kill-service": {"service": "apache2"},
    "hang-service": {"service": "apache2"},
    "continue-service": {"service": "apache2"},
    "clock-jump": {"seconds": 60},
    "fill-disk": {"path": "/nonexistent"},
    "disk-out": {"disk": "nothing"},
    "disk-in": {"disk": "nothing"},
    "command": {"run": ["false"], "undo": ["true"]},
    "reboot": {"within": 0.5},
}


def test_every_fault_is_gone_through() -> None:
    assert set(FAULTS) == kinds(Fault, "fault")


@pytest.mark.parametrize("kind", FAULTS)
def test_a_fault_that_could_not_be_made_does_not_pass(lab: LocalLab, kind: str) -> None:
    def refused(*_arguments: Any, **_named: Any) -> None:
        raise DriverError("the hypervisor refuses")

    lab.power_off = lab.start = lab.set_cable = lab.pause = refused  # type: ignore[method-assign]
    lab.impair = lab.set_groups = refused  # type: ignore[method-assign]
    program(lab, "systemctl", "exit 1")
    program(lab, "date", "exit 1")
    asked = {"machine": "srv-web", **FAULTS[kind]}
    fault = {"fault": kind, **{key: value for key, value in asked.items() if value is not None}}
    for step in (fault, {"fault": "together", "faults": [fault]}, {"fault": "chaos", "among": [fault], "every": 0}):
        assert one(lab, step).outcome == "error", step


def test_a_bug_in_one_step_is_an_error_and_the_rest_goes_on(lab: LocalLab) -> None:
    def broken(*_arguments: Any) -> None:
        raise KeyError("slot")

    lab.set_cable = broken  # type: ignore[method-assign,assignment]
    page = {"check": "page", "from": "client", "url": lab.front.url, "within": 0}
    report = run_scenario(Scenario(steps=({"fault": "unplug", "machine": "srv-web", "slot": 1}, page)), lab)
    assert [step.outcome for step in report.steps][:2] == ["error", "passed"]
    assert report.steps[0].message == "a bug of vboxlab: KeyError: 'slot'"
    assert report.exit_code == 7


@pytest.mark.parametrize("measure", get_args(Measure.model_fields["measure"].annotation))
def test_no_measure_passes_where_nobody_takes_over(lab: LocalLab, measure: str) -> None:
    cause = {"fault": "power-off" if measure == "interruption" else "unplug", "machine": "srv-web"}
    if cause["fault"] == "unplug":
        cause["slot"] = 1  # type: ignore[assignment]
    lab.on_power_off = {"srv-web": ((0, ()),)}
    step = one(lab, {**interruption(lab, within=1.0, limits={"interruption": 5}), "measure": measure, "cause": cause})
    assert step.outcome == "failed"


@pytest.mark.parametrize("text", [*FAILING, *SILENT])
def test_no_measure_passes_without_its_prober(lab: LocalLab, text: str) -> None:
    program(lab, "perl", text)
    step = one(lab, interruption(lab, within=1.0, limits={"interruption": 5}))
    assert step.outcome == "error"
    assert lab.calls == []  # nothing was done to the lab


def test_no_measure_passes_whose_prober_is_killed(lab: LocalLab) -> None:
    original = lab.power_off

    def power_off(machine: str) -> None:
        original(machine)
        for process in list(lab.executor("client").running):
            process.kill()

    lab.power_off = power_off  # type: ignore[method-assign]
    lab.on_power_off = {"srv-web": ((0, ()), (0.3, ("srv-web-bis",)))}
    step = one(lab, interruption(lab, within=2.0, limits={"interruption": 5}))
    assert step.outcome in ("error", "unclear")
    assert step.message in ("client: the prober has ended by itself", "the prober did not end as it was asked to")


# Of each invariant: how it is asked for where its claim is false on this computer, which is all machines at once.
INVARIANTS: Mapping[str, dict[str, Any]] = {
    "one-holder": {"address": "192.0.2.77", "on": ["srv-web", "srv-web-bis"], "none_for": 0.5, "every": 0.05},
    "at-most-one": {"address": "127.0.0.1", "on": ["srv-web", "srv-web-bis"], "every": 0.05},
    "answers": {"from": "client", "failing_for": 0.5, "every": 0.05, "timeout": 0.5},
}


def invariant(lab: LocalLab, kind: str, seconds: float = 2.5, **more: Any) -> StepReport:
    url = {"url": lab.front.url} if kind == "answers" else {}
    step = {"invariant": kind, **url, **INVARIANTS[kind], **more}
    return run_scenario(
        Scenario(steps=(step, {"check": "command", "on": "client", "run": f"sleep {seconds}"})), lab
    ).steps[0]


def test_every_invariant_is_gone_through() -> None:
    assert set(INVARIANTS) == kinds(Invariant, "invariant")


@pytest.mark.parametrize("kind", INVARIANTS)
def test_an_invariant_that_does_not_hold_does_not_pass(lab: LocalLab, kind: str) -> None:
    lab.front.hold()
    step = invariant(lab, kind)
    assert step.outcome == "failed", step
    assert step.bars["violated"][0].state == "wrong"


@pytest.mark.parametrize("kind", INVARIANTS)
def test_no_invariant_passes_without_its_sampler(lab: LocalLab, kind: str) -> None:
    for text in (*FAILING, *SILENT):
        program(lab, "perl", text)
        step = invariant(lab, kind, 0.2)
        assert step.outcome == "unclear", (text, step)
        assert step.message.startswith("nothing was seen of ")


def test_an_invariant_that_holds_passes(lab: LocalLab) -> None:
    assert invariant(lab, "answers").outcome == "passed"
    assert invariant(lab, "at-most-one", address="192.0.2.77").outcome == "passed"


def test_a_state_is_told_by_whole_words_and_not_by_a_command_that_fails_silently(lab: LocalLab) -> None:
    state: dict[str, Any] = {"address": None, "run": ["systemctl", "is-active", "drbd"], "shows": "active"}
    program(lab, "systemctl", "echo inactive; exit 3")
    assert invariant(lab, "at-most-one", **state).outcome == "passed"
    program(lab, "systemctl", "echo active")
    assert invariant(lab, "at-most-one", **state).outcome == "failed"
    program(lab, "systemctl", "exit 1")
    assert invariant(lab, "at-most-one", **state).outcome == "unclear"


def test_no_invariant_passes_whose_sampler_is_killed(lab: LocalLab) -> None:
    original = lab.executor("client").run

    def run(script: str, **more: Any) -> Any:
        done = original(script, **more)
        if "sleep 2.5" in script:
            lab.executor("client").reachable = False
            for process in list(lab.executor("client").running):
                process.kill()
            time.sleep(2.5)
        return done

    lab.executor("client").run = run  # type: ignore[method-assign]
    step = invariant(lab, "answers")
    assert step.outcome == "unclear", step
    assert step.message.startswith("client said nothing for ")
