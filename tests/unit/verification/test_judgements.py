"""From a history to a report: what passes, what fails, and what cannot be told."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.verification.histories import checked, failover, interruption, judged, measured, run_begun
from vboxlab.verification.history import (
    AnyRecord,
    FaultInForce,
    FaultLeft,
    FaultUndone,
    History,
    Load,
    RunEnded,
    Skipped,
    StepBegun,
    StepEnded,
    StoodStill,
    Tried,
    Trouble,
)
from vboxlab.verification.judgements import judge, unverified

PING = {"check": "ping", "from": "client", "to": "srv-web"}
CUT = {"fault": "power-off", "machine": "srv-web"}


def history(steps: list[dict[str, Any]], *records: AnyRecord, **more: Any) -> History:
    return History([run_begun(steps, **more), *records, RunEnded(at=99.0)])


def carried_out(step: int, *records: AnyRecord) -> list[AnyRecord]:
    return [StepBegun(at=1.0, step=step), *records, StepEnded(at=9.0, step=step)]


def test_a_check_that_holds_has_neither_problem_nor_doubt() -> None:
    assert judged(checked(PING, {"message": "1 of 1 answered"})).outcome == "passed"
    assert judged(checked(PING, {"problems": ("no",)}, {"message": "1 of 1 answered"})).attempts == 2
    assert judged(checked(PING, {"doubts": ("ping is not there",)})).outcome == "unclear"
    assert judged(checked(PING, {"problems": ("no",), "doubts": ("maybe",)})).outcome == "failed"
    assert judged(checked(PING)).outcome == "unclear"


def test_no_step_and_none_that_applies_prove_nothing() -> None:
    for left_out, said in (
        (0, "the topology has no `verify:`, so nothing was verified"),
        (3, "no step applies under these parameters, so nothing was verified"),
    ):
        report = judge(history([], left_out=left_out))
        assert (report.exit_code, report.passed, report.doubts) == (7, False, (said,))


def test_a_run_that_was_interrupted_or_killed_proves_nothing() -> None:
    step = carried_out(1, Tried(at=2.0, step=1))
    assert judge(history([PING], *step)).exit_code == 0
    interrupted = History([run_begun([PING]), *step, RunEnded(at=9.0, interrupted=True)])
    assert (judge(interrupted).exit_code, judge(interrupted).doubts) == (7, ("the run was interrupted",))
    killed = History([run_begun([PING]), *step])
    assert (judge(killed).exit_code, judge(killed).doubts) == (7, ("the run did not come to its end",))


def test_steps_that_were_not_begun_are_skipped() -> None:
    trouble = Trouble(at=2.0, step=1, cause="lab", brief="client is paused", resolution="vboxlab up failover")
    report = judge(history([PING, PING], *carried_out(1, trouble), Skipped(at=9.0, step=2)))
    assert [step.outcome for step in report.steps] == ["error", "skipped"]
    assert report.steps[0].details == ("-> vboxlab up failover",)
    assert judge(History([run_begun([PING])])).steps[0].message == "the run ended before"


def test_an_attempt_that_could_not_be_made_does_not_count_against_a_later_one() -> None:
    missed = Trouble(at=2.0, step=1, cause="guest", brief="client does not answer", passing=True)
    step = judge(history([PING], *carried_out(1, missed, Tried(at=3.0, step=1, message="1 of 1 answered")))).steps[0]
    assert (step.outcome, step.attempts) == ("passed", 2)


def test_a_failure_after_a_fault_that_could_not_be_made_cannot_be_told() -> None:
    bug = Trouble(at=2.0, step=1, cause="bug", brief="a bug of vboxlab: KeyError: 'x'")
    failed, passed = Tried(at=3.0, step=2, problems=("no",)), Tried(at=3.0, step=3)
    report = judge(history([CUT, PING, PING], *carried_out(1, bug), *carried_out(2, failed), *carried_out(3, passed)))
    assert [step.outcome for step in report.steps] == ["error", "unclear", "passed"]
    assert report.steps[1].details == ("step 1 could not be carried out, so this may come from it",)


@pytest.mark.parametrize(
    ("record", "outcome"),
    [
        (Tried(at=2.0, step=1, problems=("no",)), "warning"),
        (Tried(at=2.0, step=1, doubts=("maybe",)), "warning"),
        (Trouble(at=2.0, step=1, cause="guest", brief="no answer"), "warning"),
        (Trouble(at=2.0, step=1, cause="lab", brief="client is paused"), "error"),
        (Trouble(at=2.0, step=1, cause="bug", brief="a bug"), "error"),
        (Tried(at=2.0, step=1), "passed"),
    ],
)
def test_a_step_of_severity_warning(record: AnyRecord, outcome: str) -> None:
    step = {**PING, "severity": "warning"}
    assert judge(history([step], *carried_out(1, record))).steps[0].outcome == outcome


def test_a_standstill_of_this_computer_is_said_of_what_did_not_pass() -> None:
    still = StoodStill(at=8.0, seconds=4.5)
    failed = judge(history([PING], *carried_out(1, Tried(at=8.5, step=1, problems=("no",))), still)).steps[0]
    assert (failed.stood_still, failed.message) == (4.5, "no; this computer stood still for 4.5 s meanwhile")
    passed = judge(history([PING], *carried_out(1, Tried(at=8.5, step=1, message="yes")), still)).steps[0]
    assert (passed.stood_still, passed.message) == (4.5, "yes")
    before = StoodStill(at=0.9, seconds=0.5)
    assert judge(history([PING], *carried_out(1, Tried(at=2.0, step=1)), before)).steps[0].stood_still == 0


def test_a_fault_passes_only_when_it_was_in_force() -> None:
    done = FaultInForce(at=2.0, step=1, asked=1.5, words="srv-web is off")
    assert judge(history([CUT], *carried_out(1, done))).steps[0].outcome == "passed"
    assert judge(history([CUT], *carried_out(1))).steps[0].outcome == "unclear"


def test_what_cannot_be_undone_is_an_error() -> None:
    done = FaultInForce(at=2.0, step=1, asked=1.5, words="srv-web is off")
    undone = FaultUndone(at=9.5, step=0, words="srv-web is powered off")
    left = FaultLeft(at=9.6, step=0, words="apache2 is stopped", problems=("srv-web does not answer",))
    fine = judge(history([CUT], *carried_out(1, done), undone))
    assert (fine.exit_code, fine.steps[1].outcome) == (0, "passed")
    report = judge(history([CUT], *carried_out(1, done), undone, left))
    assert (report.exit_code, report.steps[1].message) == (7, "not undone: apache2 is stopped")
    assert report.steps[1].details == ("srv-web does not answer", "-> run `vboxlab up failover`")


def test_the_load_of_this_computer_is_told() -> None:
    loads = [Load(at=5.0, busy=0.5), Load(at=10.0, busy=1.0)]
    assert judge(history([PING], *carried_out(1, Tried(at=2.0, step=1)), *loads)).busy == 0.75


def test_a_measure_without_its_end_cannot_be_told() -> None:
    whole = measured(failover(3.0, 15.0), step=interruption(limits={"interruption": 15}))
    cut = [record for record in whole.records if record.kind not in ("probe-ended", "end")]
    step = judge(History(cut)).steps[0]
    assert (step.outcome, step.message) == ("unclear", "the prober did not end as it was asked to")
    assert judged(whole).outcome == "passed"


def test_a_verification_that_could_not_begin_has_a_report_too() -> None:
    report = unverified("failover", None, "qemu", ["lab ha is not up"])
    assert (report.exit_code, report.doubts, report.steps) == (7, ("lab ha is not up",), ())
