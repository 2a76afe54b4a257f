"""Several runs of one verification: how a figure spreads over them, in one report of each form. Pure."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from xml.etree import ElementTree as ET

from vboxlab.harmless import for_html, for_json, for_svg, for_terminal
from vboxlab.language import C_, _, n_, spoken
from vboxlab.lazily import dataclass
from vboxlab.verification.render import MEASURES, counted, render_csv, render_text
from vboxlab.verification.render_html import STYLE, body_of
from vboxlab.verification.render_junit import render_junit
from vboxlab.verification.report import Measurement, Report, StepReport, Unit, report_as_dict

WIDTH, LEFT, RIGHT, ROW, TOP, FOOT = 920, 90, 12, 16, 8, 26
BARS = """
.runs .detection { fill: #c77700 } .runs .takeover { fill: #1f6fb2 } .runs .interruption { fill: #b3261e; opacity: .8 }
"""


@dataclass(frozen=True)
class Spread:
    """How one figure came out over the runs: of each run its upper bound. `seen` of `runs` had one.

    `p95` is the nearest rank: of fewer than twenty runs it is the largest.
    """

    step: int
    title: str
    name: str
    unit: Unit
    runs: int
    seen: int
    least: float | None
    median: float | None
    p95: float | None
    most: float | None


def spreads(reports: Sequence[Report]) -> list[Spread]:
    """Return the spread of each figure, in the order of the first run that has it."""
    found: dict[tuple[int, str], tuple[StepReport, Measurement, list[float | None]]] = {}
    for report in reports:
        for step in report.steps:
            for figure in step.measurements:
                found.setdefault((step.number, figure.name), (step, figure, []))[2].append(figure.most)
    return [_spread(step, figure, values, len(reports)) for step, figure, values in found.values()]


def _spread(step: StepReport, figure: Measurement, values: Sequence[float | None], runs: int) -> Spread:
    seen = sorted(value for value in values if value is not None)
    if not seen:
        return Spread(step.number, step.title, figure.name, figure.unit, runs, 0, None, None, None, None)
    middle = (seen[(len(seen) - 1) // 2] + seen[len(seen) // 2]) / 2
    p95 = seen[math.ceil(0.95 * len(seen)) - 1]
    return Spread(
        step.number, step.title, figure.name, figure.unit, runs, len(seen),
        seen[0], round(middle, 3), p95, seen[-1],
    )  # fmt: skip


def exit_code(reports: Sequence[Report]) -> int:
    """Return 0 when all runs passed, else the first run's that did not."""
    return next((report.exit_code for report in reports if report.exit_code), 0)


def series_text(reports: Sequence[Report]) -> str:
    """Return all runs as text: a line a run, then a table of figures; of runs that did not pass the whole report."""
    lines = []
    for report in reports:
        if report.exit_code:
            lines += [*render_text(report).splitlines(), ""]
    for report in reports:
        counts = report.counts()
        parts = ", ".join(counted(outcome, counts[outcome]) for outcome in counts)
        text = _("run {run} at {moment}: {counts}")
        lines.append(text.format(run=report.run, moment=report.started_at, counts=parts or _("no step")))
    lines += ["", *_table(reports), "", verdict(reports)]
    return for_terminal("\n".join(lines)) + "\n"


def verdict(reports: Sequence[Report]) -> str:
    """Say how many of the runs passed."""
    passed = sum(report.passed for report in reports)
    text = n_("{passed} of {count} run proved", "{passed} of {count} runs proved", len(reports))
    return text.format(passed=passed, count=len(reports))


def _table(reports: Sequence[Report]) -> Iterator[str]:
    heads = (_("step"), _("figure"), _("seen"), _("min"), _("median"), _("p95"), _("max"))
    rows = [heads, *(_cells(spread) for spread in spreads(reports))]
    widths = [max(len(row[column]) for row in rows) for column in range(len(heads))]
    for row in rows:
        cells = (
            f"{cell:<{w}}" if c < 2 else f"{cell:>{w}}" for c, (cell, w) in enumerate(zip(row, widths, strict=True))
        )
        yield "  ".join(cells).rstrip()


def _cells(spread: Spread) -> tuple[str, ...]:
    values = (spread.least, spread.median, spread.p95, spread.most)
    shown = (_("not seen") if v is None else f"{v:.2f} s" if spread.unit == "s" else f"{v:g}" for v in values)
    name = C_("figure", spread.name).replace("_", " ")
    return (f"{spread.step}", name, f"{spread.seen}/{spread.runs}", *shown)


def series_json(reports: Sequence[Report]) -> str:
    """Return all runs and the spread of their figures as a JSON document."""
    data = {
        "runs": [report_as_dict(report) for report in reports],
        "figures": [asdict(spread) for spread in spreads(reports)],
        "passed": all(report.passed for report in reports),
        "exit_code": exit_code(reports),
    }
    return for_json(json.dumps(data, indent=2, ensure_ascii=False)) + "\n"


def series_csv(reports: Sequence[Report]) -> str:
    """Return the figures of all runs as CSV, a line each."""
    lines: list[str] = []
    for report in reports:
        head, *rows = render_csv(report).splitlines(keepends=True)
        lines += [head, *rows] if not lines else rows
    return "".join(lines)


def series_junit(reports: Sequence[Report]) -> str:
    """Return all runs as JUnit XML, a test suite each."""
    suites = ET.Element("testsuites")
    for report in reports:
        suites.append(ET.fromstring(render_junit(report)))  # noqa: S314 -- made a line above
    ET.indent(suites)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ET.tostring(suites, encoding="unicode") + "\n"


def series_html(reports: Sequence[Report]) -> str:
    """Return all runs as one HTML page: their figures, a picture of all, then each run folded."""
    title = for_html(f"{reports[0].topology}: {verdict(reports)}")
    heads = (_("step"), _("figure"), _("seen"), _("min"), _("median"), _("p95"), _("max"))
    rows = ["<tr>" + "".join(f"<th>{for_html(head)}" for head in heads)]
    rows += ["<tr>" + "".join(f"<td>{for_html(cell)}" for cell in _cells(spread)) for spread in spreads(reports)]
    parts = [
        f'<!doctype html>\n<html lang="{spoken()}"><head><meta charset="utf-8"><title>{title}</title>',
        f"<style>{STYLE}{BARS}</style></head><body><h1>{title}</h1><table>{''.join(rows)}</table>",
        *_pictures(reports),
    ]
    for report in reports:
        told = _("run {run} at {moment}: {counts}").format(
            run=report.run, moment=report.started_at,
            counts=", ".join(counted(outcome, count) for outcome, count in report.counts().items()),
        )  # fmt: skip
        parts.append(f"<details><summary>{for_html(told)}</summary>{body_of(report)}</details>")
    return "\n".join([*parts, "</body></html>"]) + "\n"


def _pictures(reports: Sequence[Report]) -> Iterator[str]:
    """Yield a picture for each measure: a row a run, from the cause to the page's being served again."""
    steps = {s.number: s for report in reports for s in report.steps if s.kind == "measure"}
    for number, step in sorted(steps.items()):
        rows = [next((s for s in report.steps if s.number == number), None) for report in reports]
        longest = max((_bar(row, "interruption") or 0.0 for row in rows if row), default=0.0)
        if longest:
            name = C_("figure", MEASURES[step.name])
            yield f"<h2>{for_html(step.title)}</h2><p>{for_html(name)}</p>{_rows(reports, rows, longest)}"


def _rows(reports: Sequence[Report], rows: Sequence[StepReport | None], longest: float) -> str:
    height = TOP + ROW * len(rows) + FOOT
    share = (WIDTH - LEFT - RIGHT) / (1.05 * longest)
    parts = [f'<svg class="picture runs" viewBox="0 0 {WIDTH} {height}" role="img">']
    for row, (report, step) in enumerate(zip(reports, rows, strict=True)):
        y = TOP + ROW * row
        parts.append(f'<text x="{LEFT - 6}" y="{y + 11}" text-anchor="end">{for_svg(report.run)}</text>')
        whole, detection = (_bar(step, "interruption"), _bar(step, "detection")) if step else (None, None)
        if whole is None:
            unseen = _("not seen")
            parts.append(f'<text x="{LEFT + 4}" y="{y + 11}">{for_svg(unseen)}</text>')
            continue
        first = min(detection or 0.0, whole)
        spans = [("detection", 0.0, first), ("takeover" if first else "interruption", first, whole)]
        for name, begin, end in spans:
            width = (end - begin) * share
            if width:
                words = C_("figure", name)
                parts.append(
                    f'<rect class="{name}" x="{LEFT + begin * share:.1f}" y="{y + 2}" width="{width:.1f}" '
                    f'height="{ROW - 4}"><title>{for_svg(words)} {end - begin:.2f} s</title></rect>'
                )
    floor = TOP + ROW * len(rows)
    pace = next((p for p in (0.2, 0.5, 1, 2, 5, 10, 20, 50) if longest / p <= 12), 100)
    for tick in range(int(longest / pace) + 1):
        x = LEFT + tick * pace * share
        parts.append(f'<text x="{x:.1f}" y="{floor + 16}" text-anchor="middle">{tick * pace:g} s</text>')
    return "\n".join([*parts, "</svg>"])


def _bar(step: StepReport | None, name: str) -> float | None:
    return next((figure.most for figure in step.measurements if figure.name == name), None) if step else None
