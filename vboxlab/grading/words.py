"""Marks in words: a line a question for a terminal, and what they have in common with pages and tables."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from vboxlab.grading.judge import Judged, Marks
from vboxlab.grading.record import Graded
from vboxlab.harmless import for_line
from vboxlab.language import C_, NC_, _, n_, spoken
from vboxlab.topology.exercise import words_in

VALUES = {
    "passed": NC_("question", "passed"),
    "partly": NC_("question", "partly"),
    "failed": NC_("question", "failed"),
    "unclear": NC_("question", "not judgeable"),
}
SIGNS = {"passed": "+", "partly": "~", "failed": "-", "unclear": "?"}


def number(points: float) -> str:
    """Return points as the language writes numbers: 13.25, or 13,25 in French."""
    text = f"{points:g}"
    return text.replace(".", ",") if spoken() == "fr" else text


def span(least: float, most: float) -> str:
    """Return points, or between what they lie."""
    return number(least) if least == most else _("{least} to {most}").format(least=number(least), most=number(most))


def title_of(judged: Judged) -> str:
    """Return the title of a question in the language spoken."""
    return for_line(words_in(judged.shown.title, spoken()))


def sum_of(marks: Marks) -> str:
    """Return the sum: `13.5 of 20`."""
    return _("{points} of {total}").format(points=span(marks.least, marks.most), total=number(marks.total))


def hints_of(judged: Judged) -> str:
    """Return in words which hints a question was done with and what they cost, or "" for none."""
    count, cost = judged.shown.hints.count, judged.shown.hints.cost
    if not count or judged.change is not None:
        return ""
    text = n_("{count} hint was asked for (cost: {points})", "{count} hints were asked for (cost: {points})", count)
    return text.format(count=count, points=number(cost))


def lines_of(graded: Graded, marks: Marks) -> Iterator[str]:
    """Yield the marks of a lab for a terminal: each question, what was found where it did not pass, and the sum."""
    for judged in marks.judged:
        points = _("{points} of {total}").format(
            points=span(judged.least, judged.most), total=number(judged.shown.points)
        )
        value = C_("question", VALUES[judged.value])
        yield f"{SIGNS[judged.value]} {judged.shown.question}  {title_of(judged)}  {points}  {value}"
        yield from (f"    {line}" for line in reasons(judged))
    for line in graded.lost:
        yield _("did not survive the reboot: {what}").format(what=for_line(line))
    yield sum_of(marks)


def reasons(judged: Judged) -> Iterator[str]:
    """Yield why a question did not get all its points: a teacher's reason, hints, or what was found."""
    if hints := hints_of(judged):
        yield hints
    if judged.change is not None:
        yield _("changed by the teacher: {reason}").format(reason=for_line(judged.change.reason))
    elif judged.because:
        yield for_line(judged.because)
    elif judged.value != "passed":
        for criterion in judged.shown.criteria:
            if criterion.value != "passed":
                yield for_line(criterion.title)
                yield from (f"  {for_line(line)}" for line in criterion.found)


def record(graded: Graded, marks: Marks) -> dict[str, Any]:
    """Return what came out as plain data; keys are stable."""
    return {
        **graded.model_dump(mode="json", exclude={"questions"}),
        "copy": graded.copy_name,
        "least": marks.least,
        "most": marks.most,
        "settled": marks.is_settled,
        "questions": [
            {
                **judged.shown.model_dump(mode="json", exclude={"least", "most", "because"}),
                "value": judged.value,
                "least": judged.least,
                "most": judged.most,
                "because": judged.because,
                "change": judged.change.model_dump(mode="json") if judged.change else None,
            }
            for judged in marks.judged
        ],
    }
