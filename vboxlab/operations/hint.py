"""`hint`: one hint at a time where the scheme has hints, counted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from vboxlab.errors import UsageError
from vboxlab.grading.words import number
from vboxlab.harmless import for_line
from vboxlab.lab.hints_given import GivenHint, note_hint, read_hints
from vboxlab.lab.observe import see
from vboxlab.language import _, spoken
from vboxlab.lazily import dataclass
from vboxlab.operations.copies import choose
from vboxlab.operations.door import Door
from vboxlab.operations.grade import scheme_of
from vboxlab.operations.request import LabRequest
from vboxlab.operations.session import opened
from vboxlab.topology.exercise import words_in
from vboxlab.topology.grading import Question


@dataclass(frozen=True, kw_only=True)
class HintRequest(LabRequest):
    """The next hint for which question of a topology's scheme; None: which ones there are. `yes`: without asking."""

    topology: str
    question: str | None = None
    yes: bool = False


@dataclass(frozen=True)
class Hints:
    """The hints of a question: those that were given, how many there are, and what the next one costs, if any."""

    question: str
    title: str
    given: tuple[str, ...]
    count: int
    next_cost: float | None

    def lines(self) -> list[str]:
        """Return them for a terminal."""
        left = self.count - len(self.given)
        head = _("{question}  {title}: {left} of {count} left")
        text = head.format(question=self.question, title=self.title, left=left, count=self.count)
        if self.next_cost is not None:
            text += _(" (the next one costs: {points})").format(points=number(self.next_cost))
        return [text, *(f"    {line}" for each in self.given for line in each.splitlines())]

    def record(self) -> dict[str, Any]:
        """Return them as plain data."""
        return asdict(self)


@dataclass(frozen=True)
class HintGiven:
    """A hint that was given: the which of how many, what it cost, and its text."""

    question: str
    place: int
    count: int
    cost: float
    text: str

    def lines(self) -> list[str]:
        """Return it for a terminal."""
        head = _("hint {place} of {count} for `{question}` (cost: {points}):").format(
            place=self.place, count=self.count, question=self.question, points=number(self.cost)
        )
        return [head, *self.text.splitlines()]

    def record(self) -> dict[str, Any]:
        """Return it as plain data."""
        return asdict(self)


def hints(request: HintRequest, door: Door) -> list[Hints]:
    """Return the questions that have hints, with those that were given already.

    Raises UsageError when the topology has no scheme, LabError when what was given cannot be read.
    """
    with opened(door, request.driver) as session:
        (entry,) = choose(session, request.topology, request)
        topology = entry.target(session).needed.topology
        given = read_hints(session.context.directory(entry.lab).hints)
        return [
            _hints(question, _of(given, topology.name, question))
            for question in scheme_of(topology).asked(topology.values)
            if question.hints
        ]


def hint(request: HintRequest, door: Door) -> HintGiven:
    """Give the next hint for a question: it is asked for what it costs first, then written down, then told.

    Raises UsageError when there is no such lab, question, or hint left; LabError when it cannot be written down.
    """
    with opened(door, request.driver) as session:
        (entry,) = choose(session, request.topology, request)
        topology = entry.target(session).needed.topology
        question = _question(scheme_of(topology).asked(topology.values), request.question or "")
        if not see(session.context, entry.lab).machines:
            text = _("lab {lab} does not exist, and hints are counted with it")
            raise UsageError(text.format(lab=entry.lab), resolution=f"`vboxlab up {topology.name}`")
        before = len(_of(read_hints(session.context.directory(entry.lab).hints), topology.name, question))
        if before >= len(question.hints):
            text = _("question {question!r} has no hint left; all {count} were given")
            brief = text.format(question=question.question, count=before)
            raise UsageError(brief, resolution=_("`vboxlab hint {topology}` shows them").format(topology=topology.name))
        cost = question.hints[before].cost
        if cost and not request.yes:
            text = _("hint {place} of {count} for `{question}` costs {points} of its {total} points: show it?")
            door.confirm(text.format(
                place=before + 1, count=len(question.hints), question=question.question, points=number(cost),
                total=number(question.points),
            ))  # fmt: skip
        directory = session.context.directory(entry.lab)
        with directory.locked(session.context.events, patience=request.wait):
            return _give(directory.hints, topology.name, question, before)


def _give(path: Path, topology: str, question: Question, before: int) -> HintGiven:
    """Write down that the next hint was given, and return it; `before` it were so many when it was agreed to."""
    given = read_hints(path)
    if len(_of(given, topology, question)) != before:
        raise UsageError(_("another hint was given meanwhile"), resolution=_("ask again"))
    wanted, now = question.hints[before], datetime.now(UTC).isoformat(timespec="seconds")
    note_hint(path, (*given, GivenHint(topology, question.question, wanted.cost, now)))
    text = words_in(wanted.text, spoken())
    return HintGiven(question.question, before + 1, len(question.hints), wanted.cost, text)


def _question(questions: Sequence[Question], name: str) -> Question:
    """Return a question that has hints. Raises UsageError, naming those that have some."""
    by_name: Mapping[str, Question] = {each.question: each for each in questions}
    with_hints = ", ".join(each.question for each in questions if each.hints)
    if name not in by_name:
        brief = _("there is no question {question!r}").format(question=name)
    elif not by_name[name].hints:
        brief = _("there are no hints for question {question!r}").format(question=name)
    else:
        return by_name[name]
    raise UsageError(brief, details=[_("questions with hints: {names}").format(names=with_hints or "-")])


def _of(given: Sequence[GivenHint], topology: str, question: Question) -> list[GivenHint]:
    return [each for each in given if (each.topology, each.question) == (topology, question.question)]


def _hints(question: Question, given: Sequence[GivenHint]) -> Hints:
    had = question.hints[: len(given)]
    left = question.hints[len(given) :]
    texts = tuple(words_in(each.text, spoken()) for each in had)
    title = for_line(words_in(question.title, spoken()))
    return Hints(question.question, title, texts, len(question.hints), left[0].cost if left else None)
