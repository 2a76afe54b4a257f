"""Copies of a lab, one for each student: who they are, read from a list, a range or a CSV file."""

from __future__ import annotations

import csv
import io
import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from vboxlab.errors import UsageError
from vboxlab.topology.problems import did_you_mean, one_of

COLUMN = "copy"
MOST = 1000
LONGEST = 30
# Part of VM names, network names, folders and (as the student) host names: RFC 1123 letters, digits and hyphens, in
# lower case because some file systems take two names that differ in case for one.
_NAME = re.compile(r"[a-z0-9](?:[a-z0-9-]*[a-z0-9])?")
_RANGE = re.compile(r"(\d{1,6})-(\d{1,6})")


@dataclass(frozen=True)
class Copy:
    """One copy, and the values that the topology's parameters have in it."""

    name: str
    values: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Roll:
    """The copies that a command is about. `columns` are the parameters that a CSV file gives values to."""

    copies: tuple[Copy, ...]
    columns: tuple[str, ...] = ()
    source: str = ""

    def check_columns(self, parameters: Sequence[str], topology: str) -> None:
        """Raise UsageError for a column that is no parameter of the topology."""
        unknown = [column for column in self.columns if column not in parameters]
        if unknown:
            raise UsageError(
                f"{self.source}:1: {', '.join(f'`{column}`' for column in unknown)}: no parameter of {topology}",
                details=[f"{one_of([COLUMN, *parameters])}{did_you_mean(unknown[0], parameters)}"],
            )


def name_fault(name: str) -> str | None:
    """Return what makes a text unfit as a copy's name, with one that would do; None when it is fit."""
    if len(name) <= LONGEST and "--" not in name and _NAME.fullmatch(name):
        return None
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    near = re.sub(r"[^a-z0-9]+", "-", plain).strip("-")[:LONGEST].strip("-")
    expected = f"expected up to {LONGEST} of a-z, 0-9 and `-`"
    return f"`{name}` is no name for a copy; {expected}" + (f", such as `{near}`" if near else "")


def check_name(name: str) -> str:
    """Return the name of a copy. Raises UsageError saying what is wrong with it."""
    fault = name_fault(name)
    if fault:
        raise UsageError(fault)
    return name


def parse_copies(text: str) -> Roll:
    """Return the copies of a list such as `alice,bob`, `1-30`, `01-12,guest`; a range keeps leading zeros.

    Raises UsageError naming every word that is no copy, or that comes twice.
    """
    names: list[str] = []
    faults: list[str] = []
    for word in filter(None, (part.strip() for part in text.split(","))):
        bounds = _RANGE.fullmatch(word)
        found = list(_range(bounds[1], bounds[2])) if bounds else [word]
        if not found:
            faults.append(f"`{word}` is no range: expected FIRST-LAST of at most {MOST}, such as 1-30")
        faults.extend(filter(None, map(name_fault, found)))
        names += found
    faults += [f"`{name}` comes twice" for name in dict.fromkeys(n for n in names if names.count(n) > 1)]
    if faults or not names:
        raise UsageError(
            f"--copies {text}: {faults[0] if len(faults) == 1 else 'no list of copies'}",
            details=faults if len(faults) > 1 else (),
            resolution="give names or ranges with commas between (alice,bob,1-30), or a CSV file with a column `copy`",
        )
    return Roll(tuple(Copy(name) for name in names), source=text)


def _range(first: str, last: str) -> Iterator[str]:
    width = len(first) if first.startswith("0") else 0
    if int(first) <= int(last) < int(first) + MOST:
        yield from (f"{number:0{width}d}" for number in range(int(first), int(last) + 1))


def read_copies(argument: str) -> Roll:
    """Return the copies that an argument of --copies names: a CSV file's, a list's or a range's.

    Raises UsageError with file and line.
    """
    if not (argument.lower().endswith((".csv", ".txt")) or "/" in argument or "\\" in argument):
        return parse_copies(argument)
    try:
        text = Path(argument).expanduser().read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise UsageError(f"{argument}: cannot be read: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise UsageError(
            f"{argument}:{line}: is not UTF-8", resolution="save it from the spreadsheet as `CSV UTF-8`"
        ) from error
    return parse_csv(text, argument)


def parse_csv(text: str, file: str) -> Roll:
    """Return the copies of a CSV text: a heading with `copy` and parameters, then one line a copy.

    Separated by commas or semicolons (whichever the heading has more of). An empty cell means the default. Raises
    UsageError listing every problem as FILE:LINE.
    """
    heading = next((line for line in text.splitlines() if line.strip()), "")
    separator = ";" if heading.count(";") > heading.count(",") else ","
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    rows: list[tuple[int, list[str]]] = []
    try:
        rows.extend((reader.line_num, [cell.strip() for cell in cells]) for cells in reader)
    except csv.Error as error:
        raise UsageError(f"{file}:{reader.line_num}: is no CSV: {error}") from error
    rows = [(line, cells) for line, cells in rows if any(cells)]
    if not rows:
        raise UsageError(f"{file}: is empty", resolution=f"the first line names the columns; one of them is `{COLUMN}`")
    (line, columns), *entries = rows
    problems = [f"{file}:{line}: {fault}" for fault in _heading_faults(columns)]
    copies: list[Copy] = []
    if not problems:
        copies, problems = _entries(columns, entries, file)
    if problems:
        raise UsageError(
            problems[0] if len(problems) == 1 else f"{file}: {len(problems)} problems",
            details=problems if len(problems) > 1 else (),
        )
    if not copies:
        raise UsageError(f"{file}: names no copy", resolution="write one line for each copy below the heading")
    return Roll(tuple(copies), tuple(column for column in columns if column != COLUMN), file)


def _heading_faults(columns: Sequence[str]) -> Iterator[str]:
    if COLUMN not in columns:
        yield f"there is no column `{COLUMN}`; the columns are {', '.join(f'`{column}`' for column in columns)}"
    if "" in columns:
        yield f"column {columns.index('') + 1} has no name"
    yield from (f"column `{c}` comes twice" for c in dict.fromkeys(columns) if c and columns.count(c) > 1)


def _entries(
    columns: Sequence[str], entries: Sequence[tuple[int, list[str]]], file: str
) -> tuple[list[Copy], list[str]]:
    copies: list[Copy] = []
    problems: list[str] = []
    seen: dict[str, int] = {}
    for line, cells in entries:
        if len(cells) != len(columns):
            problems.append(f"{file}:{line}: has {len(cells)} cells, expected {len(columns)} as the heading")
            continue
        values = dict(zip(columns, cells, strict=True))
        name = values.pop(COLUMN)
        fault = name_fault(name) if name else "the copy has no name"
        if name in seen:
            fault = f"copy `{name}` is in line {seen[name]} already"
        if fault:
            problems.append(f"{file}:{line}: {fault}")
        seen.setdefault(name, line)
        copies.append(Copy(name, {key: value for key, value in values.items() if value}))
    return copies, problems
