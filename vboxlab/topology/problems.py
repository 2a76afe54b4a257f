"""Problems of a file: where they are, a stable code, and plain words."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import field, replace
from difflib import get_close_matches
from typing import Literal

from vboxlab.errors import TopologyInvalid
from vboxlab.language import _, n_
from vboxlab.lazily import dataclass

# Where a value stands in a file: keys and list places from the top, for example ("machines", "srv-web", "adapters", 0).
Place = tuple[str | int, ...]
# An error makes a file unusable; a warning is a doubt whether it does what was meant.
Severity = Literal["error", "warning"]


@dataclass(frozen=True)
class Turn:
    """One turn of a `for each`: what its names stand for, and the place of what it makes."""

    names: Mapping[str, str]
    place: Place

    def __str__(self) -> str:
        return ", ".join(f"{name}={value}" for name, value in self.names.items())


@dataclass(frozen=True, order=True)
class Position:
    """A line and column of a file, both counted from 1, and the turn of a `for each` that made something of it.

    What was written in one place is at one position, whatever is made of it. `file` and `part` are empty in the file
    of the topology itself; `use` is the line there that uses the part, 0 where no other does.
    """

    line: int
    column: int
    file: str = ""
    part: str = field(default="", compare=False)
    turn: Turn | None = field(default=None, compare=False)
    use: int = field(default=0, compare=False)

    def __str__(self) -> str:
        return f"{self.line}:{self.column}"

    @property
    def made(self) -> tuple[str, int]:
        """Return what tells apart the things that are made of what is written in one place."""
        return str(self.turn), self.use

    def line_seen_from(self, other: Position, file: str) -> str:
        """Return the line as a sentence about another position names it; `file` is the topology's own."""
        if self.file == other.file:
            return str(self.line)
        return _("{line} of {file}").format(line=self.line, file=self.file or file)


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong in a file, or doubtful."""

    code: str
    position: Position
    message: str
    place: Place = ()
    more: int = 0  # turns of a `for each`, or uses of a part, that have it as well
    severity: Severity = "error"

    def render(self, file: str) -> str:
        """Return it as `FILE:LINE:COLUMN: [code] message`, with the part and the turn that it is of.

        A warning says that it is one before its code.
        """
        found, turn = self.position, self.position.turn
        within = [_("in part `{part}`").format(part=found.part)] if found.part else []
        if found.use and turn is None and self.more:
            text = n_("used on line {line}, and {count} more", "used on line {line}, and {count} more", self.more)
            within.append(text.format(line=found.use, count=self.more))
        elif found.use:
            within.append(_("used on line {line}").format(line=found.use))
        if turn is not None and self.more:
            text = n_("turn {turn}, and {count} more", "turn {turn}, and {count} more", self.more)
            within.append(text.format(turn=turn, count=self.more))
        elif turn is not None:
            within.append(_("turn {turn}").format(turn=turn))
        told = f" ({', '.join(within)})" if within else ""
        where = f"{found.file or file}:{found}:"
        what = f"[{self.code}] {self.message}{told}"
        if self.severity == "warning":
            return _("{where} warning: {what}").format(where=where, what=what)
        return f"{where} {what}"

    @property
    def written(self) -> tuple[Position, str, Place]:
        """Return what problems have in common that are one mistake in the file, seen in several places."""
        turn = self.position.turn
        return self.position, self.code, self.place[-1:] if turn is None else self.place[len(turn.place) :]


def nearest(wrong: str, valid: Iterable[str]) -> str | None:
    """Return the valid word nearest to a wrong one, None when none is near."""
    words = {word.lower(): word for word in valid if word != wrong}
    near = get_close_matches(wrong.lower(), words, n=1, cutoff=0.6)
    return words[near[0]] if near else None


def did_you_mean(wrong: str, valid: Iterable[str]) -> str:
    """Return `; did you mean X?` for the valid word nearest to the wrong one, or nothing when none is near."""
    near = nearest(wrong, valid)
    return _("; did you mean `{word}`?").format(word=near) if near else ""


def one_of(valid: Iterable[str]) -> str:
    """Return `expected one of a, b, c` (`expected a` for a single word) in the order given."""
    words = list(valid)
    if not words:
        return _("expected none, as none exists")
    text = _("expected one of {words}") if len(words) > 1 else _("expected {words}")
    return text.format(words=", ".join(words))


def in_order(problems: Iterable[Problem]) -> list[Problem]:
    """Return the problems sorted by position, each once.

    A value that several places share through an alias is reported only for the first of them, and one that is made in
    several turns of a `for each`, or by several uses of a part, for the first of them in which it is wrong.
    """
    alike: dict[tuple[Position, str, Place], list[Problem]] = {}
    for problem in sorted(problems, key=lambda problem: (problem.position.file, problem.position)):
        alike.setdefault(problem.written, []).append(problem)
    return [
        replace(first, more=len({each.position.made for each in others} - {first.position.made}))
        for first, *others in alike.values()
    ]


def without_follow_ups(
    earlier: Iterable[Problem], later: Iterable[Problem], unsure: Iterable[tuple[Position, Place]] = ()
) -> list[Problem]:
    """Return the later problems but those of values that an earlier one has already found wrong, or that are unsure."""
    found = {(problem.position, problem.place) for problem in earlier} | set(unsure)
    return [problem for problem in later if (problem.position, problem.place) not in found]


def invalid(file: str, problems: Sequence[Problem]) -> TopologyInvalid:
    """Return the error that reports these problems of one file, first to last."""
    ordered = in_order(problems)
    count = len(ordered)
    return TopologyInvalid(
        n_("{file}: {count} problem", "{file}: {count} problems", count).format(file=file, count=count),
        details=[problem.render(file) for problem in ordered],
        resolution=_("correct the file; `vboxlab validate {file}` checks it again").format(file=file),
    )
