"""Marks from evidence that is written out: every rule of counting, and what nobody can tell."""

from __future__ import annotations

from typing import Any

import pytest

from vboxlab.grading.evidence import Evidence, Hinted, Looked
from vboxlab.grading.judge import Change, Marks, looked_through, rounded, settle
from vboxlab.guest.findings import Finding, Where
from vboxlab.guest.telling import told
from vboxlab.topology.grading import Rounding, Scheme
from vboxlab.verification.report import Measurement, StepOutcome, StepReport

HOSTS = {"on": ["web"], "none_of": ["hosts-*"]}
PING = {"check": "ping", "from": "web", "to": "gate"}
MEASURE = {
    "measure": "interruption",
    "from": "client",
    "url": "http://192.168.200.5",
    "cause": {"fault": "power-off", "machine": "web"},
    "served_by": "bis",
}
TIERS = [
    {"figure": "interruption", "at_most": 8, "worth": 1},
    {"figure": "interruption", "at_most": 15, "worth": 0.5},
]
MISSING = told(Finding("hosts-missing", "web", Where("file", "/etc/hosts"), {"name": "bis", "address": "192.168.7.2"}))
HINT = told(Finding("hosts-missing", "web", Where("file", "/etc/hosts"), {"name": "a", "address": "b"}, "hint"))


def scheme(*questions: dict[str, Any], rounding: dict[str, str] | None = None) -> Scheme:
    named = [{"question": f"q{number}", "title": "t", **each} for number, each in enumerate(questions, start=1)]
    total = sum(each["points"] for each in named)
    return Scheme.model_validate({"total": total, "questions": named, "rounding": rounding or {}})


def step(outcome: StepOutcome, *measurements: Measurement, kind: Any = "check") -> StepReport:
    return StepReport(1, kind, "ping", "t", outcome, "said", measurements=measurements)


def marks(
    of: Scheme, evidence: Evidence, changes: dict[str, Change] | None = None, given: dict[str, str] | None = None
) -> Marks:
    return settle(looked_through(of, given or {}, evidence), of.total, of.rounding, changes or {})


def values(of: Marks) -> list[tuple[str, float, float]]:
    return [(each.value, each.least, each.most) for each in of.judged]


FINE = {"web": Looked()}


@pytest.mark.parametrize(
    ("looked", "expected"),
    [
        (Looked(), ("passed", 2.0, 2.0)),
        (Looked((HINT,)), ("passed", 2.0, 2.0)),
        (Looked((MISSING,)), ("failed", 0.0, 0.0)),
        (Looked((), "no answer"), ("unclear", 0.0, 2.0)),
        (Looked((MISSING,), "no answer"), ("failed", 0.0, 0.0)),
    ],
)
def test_findings_fail_hints_do_not_and_a_silent_guest_tells_nothing(
    looked: Looked, expected: tuple[str, float, float]
) -> None:
    found = marks(scheme({"points": 2, "findings": [HOSTS]}), Evidence({"web": looked}))
    assert values(found) == [expected]
    assert found.is_settled == (expected[1] == expected[2])


@pytest.mark.parametrize(
    ("count", "outcomes", "expected"),
    [
        ("all", ("passed", "passed"), ("passed", 3.0, 3.0)),
        ("all", ("passed", "failed"), ("failed", 0.0, 0.0)),
        ("all", ("failed", "unclear"), ("failed", 0.0, 0.0)),
        ("all", ("passed", "error"), ("unclear", 0.0, 3.0)),
        ("any", ("failed", "passed"), ("passed", 3.0, 3.0)),
        ("any", ("unclear", "passed"), ("passed", 3.0, 3.0)),
        ("any", ("unclear", "failed"), ("unclear", 0.0, 3.0)),
        ("proportional", ("passed", "failed"), ("partly", 1.5, 1.5)),
        ("proportional", ("passed", "unclear"), ("unclear", 1.5, 3.0)),
        ("proportional", ("passed", "failed", "failed"), ("partly", 1.0, 1.0)),
        (
            "proportional",
            ("passed", "passed", "passed", "failed", "failed", "failed", "failed"),
            ("partly", 1.25, 1.25),
        ),
        ("all", ("warning", "passed"), ("passed", 3.0, 3.0)),
    ],
)
def test_criteria_are_counted_as_the_question_says(
    count: str, outcomes: tuple[StepOutcome, ...], expected: tuple[str, float, float]
) -> None:
    of = scheme({"points": 3, "count": count, "steps": [PING] * len(outcomes)})
    steps = {("q1", number): step(outcome) for number, outcome in enumerate(outcomes)}
    assert values(marks(of, Evidence(FINE, steps))) == [expected]


def test_a_step_that_was_not_carried_out_is_not_judgeable_and_says_why() -> None:
    of = scheme({"points": 1, "steps": [PING]})
    (judged,) = marks(of, Evidence(trouble="the host stood still")).judged
    assert (judged.value, judged.least, judged.most, judged.because) == ("unclear", 0.0, 1.0, "the host stood still")


@pytest.mark.parametrize(
    ("first", "expected"),
    [
        ("passed", ("passed", 2.0, 2.0)),
        ("failed", ("unclear", 0.0, 0.0)),
        ("unclear", ("unclear", 0.0, 2.0)),
    ],
)
def test_what_depends_on_a_question_is_judged_only_when_that_has_passed(
    first: StepOutcome, expected: tuple[str, float, float]
) -> None:
    of = scheme({"points": 1, "steps": [PING]}, {"points": 2, "depends": ["q1"], "steps": [PING]})
    found = marks(of, Evidence(FINE, {("q1", 0): step(first), ("q2", 0): step("passed")}))
    assert values(found)[1] == expected
    assert ("q1" in found.judged[1].because) == (first != "passed")


@pytest.mark.parametrize(("first", "most"), [("failed", 0.0), ("unclear", 6.0), ("passed", 6.0)])
def test_what_follows_from_a_failure_is_worth_nothing_however_far_it_is(first: StepOutcome, most: float) -> None:
    of = scheme(
        {"points": 1, "steps": [PING]},
        {"points": 2, "depends": ["q1"], "steps": [PING]},
        {"points": 4, "depends": ["q2"], "steps": [PING]},
    )
    found = marks(of, Evidence(FINE, {("q1", 0): step(first), ("q2", 0): step("passed"), ("q3", 0): step("passed")}))
    assert sum(each.most for each in found.judged[1:]) == most


@pytest.mark.parametrize(
    ("least", "most", "outcome", "expected"),
    [
        (6.0, 7.9, "passed", ("passed", 4.0, 4.0)),
        (7.0, 9.0, "failed", ("unclear", 2.0, 4.0)),
        (9.0, 14.0, "failed", ("partly", 2.0, 2.0)),
        (14.0, 16.0, "failed", ("unclear", 0.0, 2.0)),
        (16.0, None, "failed", ("failed", 0.0, 0.0)),
        (None, None, "unclear", ("unclear", 0.0, 4.0)),
    ],
)
def test_a_measured_time_is_worth_its_tier_and_bounds_on_both_sides_of_one_are_unclear(
    least: float | None, most: float | None, outcome: StepOutcome, expected: tuple[str, float, float]
) -> None:
    of = scheme({"points": 4, "steps": [MEASURE], "tiers": TIERS})
    figure = Measurement("interruption", "m", "s", least, most)
    assert values(marks(of, Evidence(FINE, {("q1", 0): step(outcome, figure, kind="measure")}))) == [expected]


def test_tiers_are_stretched_like_the_limits_of_their_measure() -> None:
    of = scheme({"points": 4, "steps": [MEASURE], "tiers": TIERS})
    figure = Measurement("interruption", "m", "s", 20.0, 23.0, limit=8.0, scaled_limit=24.0)
    assert values(marks(of, Evidence(FINE, {("q1", 0): step("passed", figure, kind="measure")}))) == [
        ("passed", 4.0, 4.0)
    ]


def test_hints_cost_points_but_never_more_than_there_are() -> None:
    of = scheme({"points": 1, "steps": [PING]}, {"points": 1, "steps": [PING]}, {"points": 1, "steps": [PING]})
    steps = {("q1", 0): step("passed"), ("q2", 0): step("failed"), ("q3", 0): step("unclear")}
    given = {"q1": Hinted(count=1, cost=0.25), "q2": Hinted(count=2, cost=0.5), "q3": Hinted(count=1, cost=0.5)}
    found = marks(of, Evidence(FINE, steps, hints=given))
    assert values(found) == [("passed", 0.75, 0.75), ("failed", 0.0, 0.0), ("unclear", 0.0, 0.5)]


def test_what_was_done_with_hints_alone_is_done_for_what_depends_on_it() -> None:
    of = scheme({"points": 1, "steps": [PING]}, {"points": 2, "depends": ["q1"], "steps": [PING]})
    steps = {("q1", 0): step("passed"), ("q2", 0): step("passed")}
    found = marks(of, Evidence(FINE, steps, hints={"q1": Hinted(count=2, cost=1)}))
    assert values(found) == [("passed", 0.0, 0.0), ("passed", 2.0, 2.0)]
    assert (found.least, found.most) == (2.0, 2.0)


def test_a_teachers_change_counts_instead() -> None:
    of = scheme({"points": 2, "steps": [PING]}, {"points": 2, "depends": ["q1"], "steps": [PING]})
    steps = {("q1", 0): step("failed"), ("q2", 0): step("passed")}
    found = marks(of, Evidence(FINE, steps), {"q1": Change(points=1.5, reason="right idea")})
    assert values(found) == [("partly", 1.5, 1.5), ("passed", 2.0, 2.0)]
    assert (found.least, found.most) == (3.5, 3.5)


@pytest.mark.parametrize(
    ("points", "to", "way", "expected"),
    [
        (13.25, "half", "nearest", 13.5),
        (13.2, "quarter", "nearest", 13.25),
        (13.25, "half", "down", 13.0),
        (13.25, "point", "up", 14.0),
        (13.5, "point", "nearest", 14.0),
        (13.0, "point", "up", 13.0),
    ],
)
def test_a_sum_is_rounded_as_the_scheme_says(points: float, to: Any, way: Any, expected: float) -> None:
    assert rounded(points, Rounding(to=to, way=way)) == expected


@pytest.mark.parametrize("count", ["all", "any", "proportional"])
def test_steps_for_other_parameters_do_not_count(count: str) -> None:
    only = {"tuning": ["fast"]}
    of = scheme({"points": 3, "count": count, "steps": [PING, {**PING, "when": only}]})
    evidence = Evidence(FINE, {("q1", 0): step("passed")})
    assert values(marks(of, evidence, given={"tuning": "practical"})) == [("passed", 3.0, 3.0)]
    (judged,) = marks(of, evidence, given={"tuning": "fast"}).judged
    assert (judged.value, judged.most) == (("passed", 3.0) if count == "any" else ("unclear", 3.0))
    of = scheme({"points": 3, "count": count, "steps": [{**PING, "when": only}]})
    (judged,) = marks(of, Evidence(FINE), given={"tuning": "practical"}).judged
    assert (judged.least, judged.most) == (0.0, 3.0)
    assert judged.because == "none of its steps applies with these parameters"
