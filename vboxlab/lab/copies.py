"""Copies of a lab, one for each student: who they are, read from a list, a range or a CSV file."""

from __future__ import annotations

import csv
import io
import re
import unicodedata
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import field
from itertools import islice
from pathlib import Path

from vboxlab.errors import UsageError
from vboxlab.invisible import MOST as MOST_STRAYS
from vboxlab.invisible import strays
from vboxlab.language import _, n_
from vboxlab.lazily import dataclass
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
            names = ", ".join(f"`{column}`" for column in unknown)
            raise UsageError(
                _("{place}: {columns}: no parameter of {topology}").format(
                    place=f"{self.source}:1", columns=names, topology=topology
                ),
                details=[f"{one_of([COLUMN, *parameters])}{did_you_mean(unknown[0], parameters)}"],
            )


def name_fault(name: str) -> str | None:
    """Return what makes a text unfit as a copy's name, with one that would do; None when it is fit."""
    if len(name) <= LONGEST and "--" not in name and _NAME.fullmatch(name):
        return None
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    near = re.sub(r"[^a-z0-9]+", "-", plain).strip("-")[:LONGEST].strip("-")
    said = (
        _("`{name}` is no name for a copy; expected up to {count} of a-z, 0-9 and `-`, such as `{near}`")
        if near
        else _("`{name}` is no name for a copy; expected up to {count} of a-z, 0-9 and `-`")
    )
    return said.format(name=name, count=LONGEST, near=near)


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
            faults.append(
                _("`{word}` is no range: expected FIRST-LAST of at most {count}, such as 1-30").format(
                    word=word, count=MOST
                )
            )
        faults.extend(filter(None, map(name_fault, found)))
        names += found
    faults += [_("`{name}` comes twice").format(name=name) for name, count in Counter(names).items() if count > 1]
    if faults or not names:
        fault = faults[0] if len(faults) == 1 else _("no list of copies")
        raise UsageError(
            _("{subject}: {problem}").format(subject=f"--copies {text}", problem=fault),
            details=faults if len(faults) > 1 else (),
            resolution=_(
                "give names or ranges with commas between (alice,bob,1-30), or a CSV file with a column `copy`"
            ),
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
        said = error.strerror or str(error)
        raise UsageError(_("{file}: cannot be read: {error}").format(file=argument, error=_(said))) from error
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise UsageError(
            _("{place}: is not UTF-8").format(place=f"{argument}:{line}"),
            resolution=_("save it from the spreadsheet as `CSV UTF-8`"),
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
        place = f"{file}:{reader.line_num}"
        raise UsageError(_("{place}: is no CSV: {error}").format(place=place, error=error)) from error
    rows = [(line, cells) for line, cells in rows if any(cells)]
    if not rows:
        raise UsageError(
            _("{file}: is empty").format(file=file),
            resolution=_("the first line names the columns; one of them is `{column}`").format(column=COLUMN),
        )
    (line, columns), *entries = rows
    problems = [_located(file, line, fault) for fault in _heading_faults(columns)]
    copies: list[Copy] = []
    if not problems:
        copies, problems = _entries(columns, entries, file)
    if problems:
        problems += _lookalikes(text, file)
        raise UsageError(
            problems[0] if len(problems) == 1 else _("{file}: {count} problems").format(file=file, count=len(problems)),
            details=problems if len(problems) > 1 else (),
        )
    if not copies:
        raise UsageError(
            _("{file}: names no copy").format(file=file),
            resolution=_("write one line for each copy below the heading"),
        )
    return Roll(tuple(copies), tuple(column for column in columns if column != COLUMN), file)


def _lookalikes(text: str, file: str) -> Iterator[str]:
    """Yield which characters are not what they look like; those at the ends of cells are no part of them."""
    inner = "\n".join(line.strip() for line in text.split("\n"))
    for stray in islice(strays(inner), MOST_STRAYS):
        fault = _("here stands {character}; expected a character of the keyboard").format(character=stray.shown)
        yield _located(file, stray.line, fault)


def _heading_faults(columns: Sequence[str]) -> Iterator[str]:
    if COLUMN not in columns:
        have = ", ".join(f"`{column}`" for column in columns)
        yield _("there is no column `{column}`; the columns are {columns}").format(column=COLUMN, columns=have)
    if "" in columns:
        yield _("column {number} has no name").format(number=columns.index("") + 1)
    for column in dict.fromkeys(columns):
        if column and columns.count(column) > 1:
            yield _("column `{column}` comes twice").format(column=column)


def _located(file: str, line: int, fault: str) -> str:
    return _("{subject}: {problem}").format(subject=f"{file}:{line}", problem=fault)


def _entries(
    columns: Sequence[str], entries: Sequence[tuple[int, list[str]]], file: str
) -> tuple[list[Copy], list[str]]:
    copies: list[Copy] = []
    problems: list[str] = []
    seen: dict[str, int] = {}
    for line, cells in entries:
        if len(cells) != len(columns):
            fault = n_(
                "has {count} cells, expected {expected} as the heading",
                "has {count} cells, expected {expected} as the heading",
                len(cells),
            ).format(count=len(cells), expected=len(columns))
            problems.append(_located(file, line, fault))
            continue
        values = dict(zip(columns, cells, strict=True))
        name = values.pop(COLUMN)
        problem = name_fault(name) if name else _("the copy has no name")
        if name in seen:
            problem = _("copy `{name}` is in line {line} already").format(name=name, line=seen[name])
        if problem:
            problems.append(_located(file, line, problem))
        seen.setdefault(name, line)
        copies.append(Copy(name, {key: value for key, value in values.items() if value}))
    return copies, problems
