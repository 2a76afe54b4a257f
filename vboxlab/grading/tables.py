"""Marks as tables: of a class, for Moodle's grade import, and as JUnit XML."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from typing import Literal
from xml.etree import ElementTree as ET

from vboxlab.grading.judge import Marks
from vboxlab.grading.record import Graded
from vboxlab.grading.words import SIGNS, hints_of, reasons, title_of
from vboxlab.harmless import for_csv, for_xml
from vboxlab.language import C_, _
from vboxlab.lazily import dataclass

Separator = Literal[",", ";", "\t"]
DecimalMark = Literal[".", ","]
FEEDBACK_LINES = 40


@dataclass(frozen=True)
class Form:
    """How a table separates its cells, and writes the decimals of numbers."""

    separator: Separator = ","
    decimal: DecimalMark = "."

    def number(self, points: float) -> str:
        """Return points as the table writes them."""
        return f"{points:g}".replace(".", self.decimal)


_SEPARATORS: Mapping[str, Separator] = {"comma": ",", "semicolon": ";", "tab": "\t"}


def form_of(separator: str, decimal: str) -> Form:
    """Return the form of tables by the words for its separator (comma, semicolon, tab) and decimal mark."""
    return Form(_SEPARATORS[separator], "," if decimal == "comma" else ".")


def class_csv(graded: Sequence[tuple[Graded, Marks]], form: Form) -> str:
    """Return one row a copy and one column a question, with what is certain; what nobody can tell is empty.

    The last columns are the sum, the same with a decimal comma to paste elsewhere, what the sum can be at most, and
    what hints have cost, which is taken off already.
    """
    questions = list(dict.fromkeys(each.shown.question for _graded, marks in graded for each in marks.judged))
    heads = [C_("column", "COPY"), *questions, C_("column", "SUM"), C_("column", "SUM,"), C_("column", "AT MOST")]
    heads.append(C_("column", "HINTS"))
    rows = []
    for each, marks in graded:
        by_name = {judged.shown.question: judged for judged in marks.judged}
        points = [
            form.number(judged.least) if (judged := by_name.get(name)) and judged.least == judged.most else ""
            for name in questions
        ]
        comma = f"{marks.least:g}".replace(".", ",")
        hints = sum(judged.shown.hints.cost for judged in marks.judged)
        last = (form.number(marks.least), comma, form.number(marks.most), form.number(hints))
        rows.append([for_csv(each.name), *points, *last])
    return _csv([heads, *rows], form)


def moodle_csv(graded: Sequence[tuple[Graded, Marks]], form: Form, identity: str) -> str:
    """Return what Moodle's grade import reads: who, the mark, and feedback (docs.moodle.org, "Grade import").

    `identity` heads the column that tells who it is, as Moodle calls it: its values are the names of copies. A copy
    whose mark is not settled has no mark, so that none is imported for it.
    """
    item = graded[0][0].topology if graded else ""
    rows = [[identity, item, "Feedback"]]
    for each, marks in graded:
        mark = form.number(marks.least) if marks.is_settled else ""
        rows.append([str(for_csv(each.name)), mark, str(for_csv(_feedback(marks)))])
    return _csv(rows, form)


def junit(graded: Sequence[tuple[Graded, Marks]]) -> str:
    """Return a test suite a copy and a test case a question; what nobody can tell is an error."""
    suites = ET.Element("testsuites")
    for each, marks in graded:
        failed = sum(judged.value in ("failed", "partly") for judged in marks.judged)
        unclear = sum(judged.value == "unclear" for judged in marks.judged)
        suite = ET.SubElement(
            suites, "testsuite", name=for_xml(f"{each.topology} {each.name}"), tests=str(len(marks.judged)),
            failures=str(failed), errors=str(unclear), skipped="0", time=f"{each.seconds:.3f}",
            timestamp=each.graded_at,
        )  # fmt: skip
        for judged in marks.judged:
            case = ET.SubElement(
                suite, "testcase", classname=for_xml(f"{each.topology}.{each.name}"),
                name=for_xml(judged.shown.question), time="0.000",
            )  # fmt: skip
            if judged.value == "passed":
                if hints := hints_of(judged):
                    ET.SubElement(case, "system-out").text = for_xml(hints)
            else:
                tag = "error" if judged.value == "unclear" else "failure"
                points = _("{points} of {total}").format(points=f"{judged.least:g}", total=f"{judged.shown.points:g}")
                ET.SubElement(case, tag, message=for_xml(points)).text = for_xml("\n".join(reasons(judged))) or None
    ET.indent(suites)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ET.tostring(suites, encoding="unicode") + "\n"


def _feedback(marks: Marks) -> str:
    lines = []
    for judged in marks.judged:
        lines.append(f"{title_of(judged)}: {judged.least:g}/{judged.shown.points:g} {SIGNS[judged.value]}")
        lines += [f"  {line}" for line in reasons(judged)]
    return "\n".join(lines[:FEEDBACK_LINES])


def _csv(rows: Iterable[Iterable[object]], form: Form) -> str:
    out = io.StringIO()
    csv.writer(out, delimiter=form.separator, lineterminator="\r\n").writerows(rows)
    return out.getvalue()
