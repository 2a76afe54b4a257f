"""What a scheme must make of a mutant, against what came out. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping, Sequence
from typing import Literal

from vboxlab.grading.judge import Judged, Marks
from vboxlab.grading.words import VALUES
from vboxlab.language import C_, _
from vboxlab.topology.caused import CausedStep
from vboxlab.topology.fault_step import FaultStep
from vboxlab.topology.grading import Question
from vboxlab.topology.mutants import Mutant
from vboxlab.topology.roles import Parameters
from vboxlab.topology.rules_mutants import dependents

REFERENCE = "reference"
"""The name under which the untouched lab is proved, which no mutant has."""
EXERCISE = "exercise"
"""The name under which a lab in which nobody has done anything is proved to be worth nothing, which no mutant has."""
Expected = Literal["passed", "failed", "unclear"]


class Proof(Parameters):
    """What came out of a mutant, or of the reference.

    `key` is of all that it depends on: what has another one now is to be proved again. `whole` says that every question
    was looked at, `differences` what is otherwise than it must be, `trouble` why nothing could be looked at.
    `began` is ISO 8601 in UTC.
    """

    mutant: str
    title: str
    key: str
    whole: bool
    fails: tuple[str, ...] = ()
    differences: tuple[str, ...] = ()
    trouble: str = ""
    least: float = 0
    most: float = 0
    began: str
    seconds: float

    @property
    def passed(self) -> bool:
        """Tell whether it cost exactly the questions that it names."""
        return not self.differences and not self.trouble


def key_of(*parts: str) -> str:
    """Return a short digest of all that a proof depends on."""
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]


def needs_faults(question: Question) -> bool:
    """Tell whether a question is only answered by making trouble, which takes minutes and leaves its traces."""
    return any(
        isinstance(step, FaultStep | CausedStep) or bool(getattr(step, "persist", ())) for step in question.steps
    )


def looked_at(questions: Sequence[Question], mutant: Mutant | None) -> tuple[Question, ...]:
    """Return the questions that tell whether a mutant (None: the reference) costs what it must.

    Those that need faults are left out where none of them is to fail. Other words are looked at as a whole.
    """
    if mutant is None or not mutant.fails:
        return tuple(questions)
    if any(needs_faults(question) for question in questions if question.question in mutant.fails):
        return tuple(questions)
    return tuple(question for question in questions if not needs_faults(question))


def looked_at_untouched(questions: Sequence[Question]) -> tuple[Question, ...]:
    """Return the questions that tell whether a lab in which nobody has done anything is worth nothing.

    Those that need faults are left out where they depend on others, which must fail.
    """
    return tuple(question for question in questions if not (needs_faults(question) and question.depends))


def gained(marks: Marks) -> tuple[str, ...]:
    """Return in words where marks are not nothing for certain, as they must be where nobody has done anything."""
    text = _("{question}: {found}, expected: {expected}")
    return tuple(
        text.format(question=judged.shown.question, found=_in_words(judged), expected=C_("question", VALUES["failed"]))
        for judged in marks.judged
        if judged.most > 0
    )


def expected_of(questions: Sequence[Question], fails: Sequence[str]) -> dict[str, Expected]:
    """Return what each question must come to: those named fail, those that depend on them cannot be judged."""
    follow = dependents(questions, fails)
    return {
        each.question: "failed" if each.question in fails else "unclear" if each.question in follow else "passed"
        for each in questions
    }


def differences(expected: Mapping[str, Expected], marks: Marks, looked: Collection[str]) -> tuple[str, ...]:
    """Return in words where marks are not as they must be, of the questions that were looked at.

    A question that lost a part of its points has failed as well.
    """
    return tuple(
        _("{question}: {found}, expected: {expected}").format(
            question=judged.shown.question,
            found=_in_words(judged),
            expected=C_("question", VALUES[expected[judged.shown.question]]),
        )
        for judged in marks.judged
        if judged.shown.question in looked and _value(judged) != expected[judged.shown.question]
    )


def _value(judged: Judged) -> Expected:
    return "failed" if judged.value == "partly" else judged.value


def _in_words(judged: Judged) -> str:
    found = [judged.because] if judged.because else [
        line for each in judged.shown.criteria if each.value != "passed" for line in each.found
    ]  # fmt: skip
    value = C_("question", VALUES[judged.value])
    return f"{value} ({'; '.join(found)})" if found else value
