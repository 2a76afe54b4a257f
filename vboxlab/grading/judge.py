"""From what a lab showed to what each question is worth. Pure: the same evidence always comes to the same marks.

A criterion has three values: it holds, it does not, or nobody can tell. What nobody can tell is never worth nothing in
silence: the question is not judgeable, and the marks say between what the sum lies.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from math import floor
from typing import Literal

from pydantic import Field

from vboxlab.grading.evidence import Evidence, Hinted
from vboxlab.language import _
from vboxlab.lazily import dataclass
from vboxlab.topology.exercise import Words
from vboxlab.topology.fault_step import FaultStep
from vboxlab.topology.grading import QUARTER, Findings, Question, Rounding, Scheme, Tier
from vboxlab.topology.roles import Parameters
from vboxlab.topology.scenario import ScenarioStep
from vboxlab.verification.report import Measurement, StepReport

Value = Literal["passed", "failed", "unclear"]
STEPS_OF: Mapping[str, float] = {"quarter": 0.25, "half": 0.5, "point": 1.0}
_NOT_SEEN = ("never-reached", "unreachable", "not-running")


class Criterion(Parameters):
    """One thing that shows that a question is done: what was looked at, what came out, and what was found."""

    title: str
    value: Value
    found: tuple[str, ...] = ()


class Shown(Parameters):
    """What a lab showed of one question: `least` and `most` points, the same unless nobody can tell.

    What `hints` cost is not taken off them yet. `because` says why nobody can tell, or "".
    """

    question: str
    title: Words
    points: float
    depends: tuple[str, ...] = ()
    least: float
    most: float
    criteria: tuple[Criterion, ...] = ()
    because: str = ""
    hints: Hinted = Field(default_factory=Hinted)


class Change(Parameters):
    """What a teacher gave instead for a question, and why; `at` is ISO 8601 in UTC."""

    points: float
    reason: str
    at: str = ""


@dataclass(frozen=True)
class Judged:
    """What a question came to, with all that it depends on, and what a teacher gave instead.

    What depends on a question that has failed is not judgeable either, and worth nothing for certain. Hints take points
    and no more: whoever did it with their help has done it, and what depends on it is judged.
    """

    shown: Shown
    value: Literal["passed", "partly", "failed", "unclear"]
    least: float
    most: float
    because: str = ""
    change: Change | None = None
    follows: bool = False  # what it depends on has failed, or follows from what has


@dataclass(frozen=True)
class Marks:
    """What a scheme came to, rounded: the same `least` and `most` where all was judgeable."""

    judged: tuple[Judged, ...]
    least: float
    most: float
    total: float

    @property
    def is_settled(self) -> bool:
        """Tell whether all could be judged."""
        return self.least == self.most


def looked_through(scheme: Scheme, values: Mapping[str, str], evidence: Evidence) -> tuple[Shown, ...]:
    """Return what a lab showed of each question that is asked under parameter values."""
    looking = _Looking(evidence, values)
    return tuple(looking.question(question) for question in scheme.asked(values))


def settle(shown: Sequence[Shown], total: float, rounding: Rounding, changes: Mapping[str, Change]) -> Marks:
    """Return the marks of what a lab showed; `changes` are what a teacher gave instead, by question."""
    done: dict[str, Judged] = {}
    for each in shown:
        done[each.question] = _settled(each, done, changes.get(each.question))
    least = rounded(sum(each.least for each in done.values()), rounding)
    most = rounded(sum(each.most for each in done.values()), rounding)
    return Marks(tuple(done.values()), least, most, total)


def _settled(shown: Shown, done: Mapping[str, Judged], change: Change | None) -> Judged:
    if change is not None:
        points = min(change.points, shown.points)
        return Judged(shown, _value(points, shown.points), points, points, change=change)
    broken = [name for name in shown.depends if name in done and done[name].value in ("failed", "unclear")]
    if broken:
        text = _("it depends on {questions}, which did not pass").format(questions=", ".join(broken))
        lost = any(done[name].value == "failed" or done[name].follows for name in broken)
        most = 0.0 if lost else shown.points
        return Judged(shown, "unclear", 0.0, _less(most, shown.hints), text, follows=lost)
    least, most = (_less(points, shown.hints) for points in (shown.least, shown.most))
    if shown.least == shown.most:
        return Judged(shown, _value(shown.least, shown.points), least, most)
    return Judged(shown, "unclear", least, most, shown.because)


def _less(points: float, hints: Hinted) -> float:
    return max(0.0, points - hints.cost)


@dataclass
class _Looking:
    evidence: Evidence
    values: Mapping[str, str]

    def question(self, question: Question) -> Shown:
        """Return what is shown of a question."""
        criteria = tuple(self._criteria(question))
        least, most = _worth(question, criteria, self.evidence)
        least, most = (_in_quarters(part * question.points) for part in (least, most))
        because = ""
        if least != most:
            # Where all is clear, it is a measured time that may be on either side of a tier.
            unclear = [each for each in criteria if each.value == "unclear"] or [
                each for each in criteria if each.found
            ]
            because = self.evidence.trouble or "; ".join(line for each in unclear for line in each.found)
            because = because or _("none of its steps applies with these parameters")
        return Shown(
            question=question.question, title=question.title, points=question.points, depends=question.depends,
            least=least, most=most, criteria=criteria, because=because,
            hints=self.evidence.hints.get(question.question, Hinted()),
        )  # fmt: skip

    def _criteria(self, question: Question) -> Iterator[Criterion]:
        for findings in question.findings:
            yield self._findings(findings)
        for number, step in enumerate(question.steps):
            if not isinstance(step, FaultStep) and step.applies(self.values):
                yield self._step(step, self.evidence.steps.get((question.question, number)))

    def _findings(self, findings: Findings) -> Criterion:
        title = _("`vboxlab check` finds nothing of {codes} on {machines}").format(
            codes=", ".join(findings.none_of), machines=", ".join(findings.on)
        )
        wrong: list[str] = []
        unseen: list[str] = []
        for machine in findings.on:
            looked = self.evidence.machines.get(machine)
            if looked is None or looked.unseen:
                why = looked.unseen if looked else self.evidence.trouble or _("it was not looked at")
                unseen.append(f"{machine}: {why}")
            for told in looked.findings if looked else ():
                code, severity, about = told.finding.code, told.finding.severity, told.finding.where.name
                if severity != "hint" and code not in _NOT_SEEN and findings.concerns(machine, code, about):
                    expected = _(" (expected: {expected})").format(expected=told.expected) if told.expected else ""
                    wrong.append(f"{machine} {told.place}: {told.found}{expected}")
        if wrong:
            return Criterion(title=title, value="failed", found=tuple(wrong))
        return Criterion(title=title, value="unclear" if unseen else "passed", found=tuple(unseen))

    def _step(self, step: ScenarioStep, report: StepReport | None) -> Criterion:
        title = step.describe()
        if report is None:
            why = self.evidence.trouble or _("it was not carried out")
            return Criterion(title=title, value="unclear", found=(why,))
        found = tuple(line for line in (report.message, *report.details) if line)
        if report.outcome in ("passed", "warning"):
            return Criterion(title=title, value="passed", found=found)
        value: Value = "failed" if report.outcome == "failed" else "unclear"
        return Criterion(title=title, value=value, found=found)


def rounded(points: float, rounding: Rounding) -> float:
    """Return a sum as the scheme rounds it."""
    step = STEPS_OF[rounding.to]
    whole = points / step
    match rounding.way:
        case "nearest":
            return floor(whole + 0.5) * step
        case "up":
            return -floor(-whole) * step
        case "down":
            return floor(whole) * step


def _in_quarters(points: float) -> float:
    return floor(points / QUARTER + 1e-9) * QUARTER


def _value(points: float, whole: float) -> Literal["passed", "partly", "failed"]:
    return "passed" if points >= whole else "partly" if points > 0 else "failed"


def _worth(question: Question, criteria: Sequence[Criterion], evidence: Evidence) -> tuple[float, float]:
    """Return the least and the most part of the points that criteria come to."""
    holds = sum(each.value == "passed" for each in criteria)
    unclear = sum(each.value == "unclear" for each in criteria)
    if not criteria:
        return 0.0, 1.0
    match question.count:
        case "proportional":
            return holds / len(criteria), (holds + unclear) / len(criteria)
        case "any":
            return float(holds > 0), float(holds + unclear > 0)
        case "all" if question.tiers:
            return _tiers(question, criteria, evidence)
        case "all":
            return float(holds == len(criteria)), float(holds + unclear == len(criteria))


def _tiers(question: Question, criteria: Sequence[Criterion], evidence: Evidence) -> tuple[float, float]:
    """Return what a measure is worth by its tiers; all that is no measure must hold.

    A measure that failed for its limit alone is worth what its figures say.
    """
    measured = [
        report
        for number in range(len(question.steps))
        if (report := evidence.steps.get((question.question, number))) is not None and report.kind == "measure"
    ]
    titles = {step.describe() for step in question.steps if getattr(step, "measure", None)}
    others = [each.value for each in criteria if each.title not in titles]
    if "failed" in others:
        return 0.0, 0.0
    if not measured or measured[0].outcome in ("unclear", "error", "skipped"):
        return 0.0, max(tier.worth for tier in question.tiers)
    figures = {each.name: each for each in measured[0].measurements}
    least = max((tier.worth for tier in question.tiers if _is_within(figures, tier, "most")), default=0.0)
    most = max((tier.worth for tier in question.tiers if _is_within(figures, tier, "least")), default=0.0)
    return (0.0 if "unclear" in others else least), most


def _is_within(figures: Mapping[str, Measurement], tier: Tier, bound: Literal["least", "most"]) -> bool:
    figure = figures.get(tier.figure)
    value = (figure.most if bound == "most" else figure.least) if figure is not None else None
    if figure is None or value is None:
        return False
    stretched = figure.scaled_limit / figure.limit if figure.limit and figure.scaled_limit else 1.0
    return value <= tier.at_most * stretched
