"""All lines in which a file differs from the wanted text, as findings, where nothing compares meanings. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from difflib import SequenceMatcher
from itertools import islice, zip_longest

from vboxlab.guest.findings import Finding, Severity, in_file
from vboxlab.lazily import dataclass

SHOWN = 80  # characters of a line that differs
MOST = {"error": 20, "warning": 20, "hint": 3}  # lines of a file that are told one by one
_LONGEST = 300  # lines of a text that is compared as such: the time can grow with their cube

Lines = tuple[str, ...]


@dataclass(frozen=True)
class Difference:
    """A line that is otherwise, one too many (`want` is None), or one that is lacking before it (`have` is None)."""

    line: int
    have: str | None
    want: str | None
    is_at_the_end: bool = False


def differing_lines(machine: str, path: str, found: str, wanted: str, severity: Severity) -> Iterator[Finding]:
    """Yield a finding for each line that differs, first to last; of many, the first, and how many more there are."""
    differences = list(differences_of(tuple(found.splitlines()), tuple(wanted.splitlines())))
    for each in islice(differences, MOST[severity]):
        values = {"found": _short(each.have), "expected": _short(each.want)}
        if each.have is not None:
            code = "file-more" if each.want is None else "file-line"
        else:
            code = "file-less" if each.is_at_the_end else "file-lacks"
        yield in_file(code, machine, path, each.line, severity, **values)
    more = len(differences) - MOST[severity]
    if more > 0:
        line = differences[MOST[severity]].line
        yield in_file("file-differs-more", machine, path, line, severity, count=str(more))


def differences_of(found: Lines, wanted: Lines) -> Iterator[Difference]:
    """Yield the differences of two texts by their lines; of long ones, as if no line were added or taken away."""
    if len(found) > _LONGEST or len(wanted) > _LONGEST:
        for number, (have, want) in enumerate(zip_longest(found, wanted), 1):
            if have != want:
                yield Difference(number, have, want, have is None)
        return
    for what, start, end, first, last in SequenceMatcher(None, found, wanted, autojunk=False).get_opcodes():
        if what == "equal":
            continue
        for number, (have, want) in enumerate(zip_longest(found[start:end], wanted[first:last]), start + 1):
            line = number if have is not None else end + 1
            yield Difference(line, have, want, have is None and end == len(found))


def _short(line: str | None) -> str:
    text = line or ""
    return f"`{text[:SHOWN]}{'…' if len(text) > SHOWN else ''}`" if text.strip() else "-"
