"""Rules for what the exercise and the grading of a topology say and refer to."""

from __future__ import annotations

from collections.abc import Iterator

from vboxlab.language import _
from vboxlab.topology.asking import DistributionCheck, PageCheck, ProbeCheck
from vboxlab.topology.checks import AddressCheck, CommandCheck, InternetCheck, PingCheck, ServiceCheck
from vboxlab.topology.exercise import EXERCISE
from vboxlab.topology.grading import Question
from vboxlab.topology.invariants import InvariantStep
from vboxlab.topology.problems import Place, Problem, did_you_mean, one_of
from vboxlab.topology.scenario import Measure, ScenarioStep
from vboxlab.topology.subject import Subject

_REACHES = (PingCheck, PageCheck, InternetCheck, DistributionCheck, ProbeCheck)


def _questions(subject: Subject) -> Iterator[tuple[Question, Place]]:
    scheme = subject.topology.grading
    for index, question in enumerate(scheme.questions if scheme else ()):
        yield question, ("grading", "questions", index)


def exercise_names(subject: Subject) -> Iterator[Problem]:
    """unknown-stage, unknown-machine, nothing-left: an exercise names stages and machines that there are."""
    exercise, topology = subject.topology.exercise, subject.topology
    if exercise is None or not subject.fit.complete:
        return
    for word, named, there in (
        ("stage", exercise.stages, topology.stage_order),
        ("machine", exercise.machines, tuple(topology.machines)),
    ):
        for index, name in enumerate(named):
            if name not in there:
                text = _("there is no stage `{name}`; {expected}") if word == "stage" else _(
                    "there is no machine `{name}`; {expected}"
                )  # fmt: skip
                message = text.format(name=name, expected=one_of(there) + did_you_mean(name, there))
                yield subject.problem(f"unknown-{word}", ("exercise", f"{word}s", index), message)
    if not any(topology.left_undone(machine) for machine in topology.machines.values()):
        message = _("nothing is left to the student: no machine has something to do in these stages")
        yield subject.problem_of_key("nothing-left", ("exercise",), message)


def exercise_reserved(subject: Subject) -> Iterator[Problem]:
    """reserved-name: an exercise ends in a stage and a snapshot set of its own."""
    topology = subject.topology
    used: list[tuple[str | None, Place]] = [(topology.start_from, ("from",)), (topology.reset, ("reset",))]
    for index, stage in enumerate(topology.stages):
        used += [(stage.name, ("stages", index, "name")), (stage.snapshot, ("stages", index, "snapshot"))]
    for name, place in used:
        if name == EXERCISE:
            message = _("`{name}` is the stage and the snapshot that `up --exercise` ends in; expected another name")
            yield subject.problem("reserved-name", place, message.format(name=name))


def question_names(subject: Subject) -> Iterator[Problem]:
    """duplicate-question."""
    first: dict[str, Place] = {}
    for question, place in _questions(subject):
        place = (*place, "question")  # noqa: PLW2901 -- that is where the name stands
        if question.question in first:
            message = _("question `{name}` is already in line {{line}}; expected another name")
            text = message.format(name=question.question)
            yield subject.repeated("duplicate-question", place, first[question.question], text)
        first.setdefault(question.question, place)


def points_add_up(subject: Subject) -> Iterator[Problem]:
    """points: those of the questions that are asked add up."""
    scheme = subject.topology.grading
    if scheme is None or not subject.fit.complete:
        return
    points = sum(question.points for question in scheme.asked(subject.topology.values))
    if points != scheme.total:
        message = _("the points of the questions add up to {points:g}, not to {total:g}; expected the same")
        place: Place = ("grading", "total") if subject.value(("grading", "total")) is not None else ("grading",)
        text = message.format(points=points, total=scheme.total)
        yield subject.problem_of_key("points", place, text)


def depended_on(subject: Subject) -> Iterator[Problem]:
    """unknown-question: a question depends on earlier ones only, so that there is no circle."""
    earlier: list[str] = []
    for question, place in _questions(subject):
        for index, name in enumerate(question.depends):
            if name not in earlier:
                text = _("question `{question}` depends on `{name}`, which is no question before it; {expected}")
                expected = one_of(earlier) + did_you_mean(name, earlier)
                message = text.format(question=question.question, name=name, expected=expected)
                yield subject.problem("unknown-question", (*place, "depends", index), message)
        earlier.append(question.question)


def graded_machines(subject: Subject) -> Iterator[Problem]:
    """unknown-machine, no-invariant: what shows that a question is done can be looked at."""
    there = tuple(subject.topology.machines)
    if not subject.fit.complete:
        return
    for question, place in _questions(subject):
        named: list[tuple[str, Place]] = [
            (name, (*place, "findings", number, "on"))
            for number, findings in enumerate(question.findings)
            for name in findings.on
        ]
        for number, step in enumerate(question.steps):
            named += [(name, (*place, "steps", number)) for name in step.machines]
            if isinstance(step, InvariantStep):
                message = _("an invariant holds all the time, so it is no step of a question; expected it in `verify`")
                yield subject.problem("no-invariant", (*place, "steps", number), message)
        for name, where in named:
            if name not in there:
                message = _("there is no machine `{name}`; {expected}")
                text = message.format(name=name, expected=one_of(there) + did_you_mean(name, there))
                yield subject.problem("unknown-machine", where, text)


def tiers(subject: Subject) -> Iterator[Problem]:
    """nothing-measured: tiers are of one measure."""
    for question, place in _questions(subject):
        if question.tiers and sum(isinstance(step, Measure) for step in question.steps) != 1:
            message = _("tiers are of what is measured; expected one step `measure: interruption` or `failback`")
            yield subject.problem_of_key("nothing-measured", (*place, "tiers"), message)


def nothing_refused(subject: Subject) -> Iterator[Problem]:
    """nothing-refused: a question that only tries what is allowed is passed by whoever allows everything."""
    for question, place in _questions(subject):
        tries = [step for step in question.steps if isinstance(step, _REACHES)]
        if tries and not any(map(_is_refusal, question.steps)):
            message = _(
                "question `{question}` tries only what is allowed: whoever allows everything passes; expected one step "
                "for what is refused, such as a probe with `expect: refused` or `timeout`"
            ).format(question=question.question)
            yield subject.doubt("nothing-refused", (*place, "question"), message)


def _is_refusal(step: ScenarioStep) -> bool:
    match step:
        case ProbeCheck():
            return step.expect != "ok"
        case PageCheck():
            return step.status >= 400
        case AddressCheck():
            return not step.held
        case ServiceCheck():
            return step.running is False or step.enabled is False
        case CommandCheck():
            return step.exit_code != 0
        case _:
            return False


def hint_costs(subject: Subject) -> Iterator[Problem]:
    """dear-hints: hints that cost more than a question is worth."""
    for question, place in _questions(subject):
        costs = sum(hint.cost for hint in question.hints)
        if costs > question.points:
            message = _(
                "the hints of question `{question}` cost {costs:g} points of its {points:g}; expected at most all"
            )
            text = message.format(question=question.question, costs=costs, points=question.points)
            yield subject.problem_of_key("dear-hints", (*place, "hints"), text)
