"""The report as text for a teacher's terminal, and its figures as CSV."""

from __future__ import annotations

import csv
import io
import re
import textwrap
from collections.abc import Iterator

from vboxlab.verification.report import Evidence, Measurement, Report, StepOutcome, StepReport

WIDTH = 110
MARKS: dict[StepOutcome, str] = {
    "passed": "ok",
    "failed": "FAILED",
    "warning": "warning",
    "skipped": "skipped",
    "error": "ERROR",
}
INDENT = " " * 13
CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f]")  # a guest's output must not drive the terminal


def render_text(report: Report) -> str:
    """Return the whole report as text: a line for each step, all figures, evidence of what is not as it should be."""
    lines = [*_head(report), ""]
    for step in report.steps:
        lines += _step(step)
    return CONTROL.sub("\N{REPLACEMENT CHARACTER}", "\n".join([*lines, "", *_verdict(report)])) + "\n"


def _head(report: Report) -> Iterator[str]:
    lab = report.lab if report.copy is None else f"{report.lab}/{report.copy}"
    scale = f"{report.time_scale:g}" + (" (limits and waits are stretched)" if report.time_scale != 1 else "")
    run = f"run {report.run} at {report.started_at}"
    yield f"Verification of {report.topology} (lab {lab}, digest {report.digest}), {run}"
    yield f"Driver {report.driver} {report.driver_version}, vboxlab {report.vboxlab}, time scale {scale}"
    if report.parameters:
        yield "Parameters: " + ", ".join(f"{key}={value}" for key, value in report.parameters.items())


def _step(step: StepReport) -> Iterator[str]:
    tries = f", {step.attempts} attempts" if step.attempts > 1 else ""
    yield f"{MARKS[step.outcome]:>8} {step.number:>3} {step.title} ({step.seconds:.1f} s{tries})"
    if step.message and (step.outcome != "passed" or step.kind != "fault"):
        yield from _wrapped(step.message)
    for line in step.details:
        if line != step.message:
            yield from _wrapped(line)
    for figure in step.measurements:
        yield _figure(figure)
    for name, value in step.facts.items():
        yield f"{INDENT}{name}: {value}"
    if step.note and (step.kind == "measure" or step.outcome != "passed"):
        yield from _wrapped(f"note: {step.note}")
    if step.outcome not in ("passed", "skipped"):
        for evidence in step.evidence:
            yield from _evidence(evidence)


def _wrapped(text: str) -> Iterator[str]:
    yield from textwrap.wrap(text, WIDTH, initial_indent=INDENT, subsequent_indent=INDENT, break_long_words=False)


def _figure(figure: Measurement) -> str:
    limit = ""
    if figure.scaled_limit is not None:
        stretched = "" if figure.scaled_limit == figure.limit else f" (of {figure.limit:g})"
        limit = f"{MARKS[figure.outcome]}, limit {figure.scaled_limit:g}{stretched}"
    name = figure.name.replace("_", " ")
    return f"{INDENT}{name:<13} {amount(figure):>16}  {limit:<24} {figure.meaning}".rstrip()


def amount(figure: Measurement) -> str:
    """Return a figure with its unit, as people read it: the two ends between which it lies, where it is uncertain."""
    if figure.actual is None:
        return "not seen"
    if figure.unit == "requests":
        return (f"{figure.actual - figure.uncertainty:g} to " if figure.uncertainty else "") + f"{figure.actual:g}"
    least = max(0.0, figure.actual - figure.uncertainty)
    doubt = f"{least:.2f} to " if figure.uncertainty >= 0.005 else ""
    return f"{doubt}{figure.actual:.2f} s"


def _evidence(evidence: Evidence) -> Iterator[str]:
    ended = "" if evidence.exit_code in (None, 0) else f"   (ended with {evidence.exit_code})"
    command = textwrap.shorten(evidence.command, WIDTH)
    yield f"{INDENT}{evidence.machine}$ {command}{ended}"
    for line in evidence.output.splitlines():
        yield f"{INDENT}| {line}"


def _verdict(report: Report) -> Iterator[str]:
    for step in report.steps:
        if step.kind == "measure" and step.measurements:
            yield f"{step.name}: {step.message}"
    counts = report.counts()
    parts = [f"{counts[outcome]} {outcome}" for outcome in MARKS if counts[outcome]]
    words = {0: "PROVED", 1: "NOT PROVED", 7: "COULD NOT BE CARRIED OUT: nothing is proved either way"}
    yield f"{words[report.exit_code]} in {report.seconds:.0f} s: {', '.join(parts) or 'no step'}"


def render_csv(report: Report) -> str:
    """Return the figures of all measures as CSV, a line each with everything that tells runs apart."""
    about = {
        "run": report.run,
        "started_at": report.started_at,
        "lab": report.lab,
        "copy": report.copy or "",
        "topology": report.topology,
        "digest": report.digest,
        "driver": report.driver,
        "driver_version": report.driver_version,
        "time_scale": f"{report.time_scale:g}",
    }
    figures = ("name", "unit", "actual", "uncertainty", "limit", "scaled_limit", "outcome")
    target = io.StringIO()
    writer = csv.writer(target, lineterminator="\n")
    writer.writerow([*about, "step", "title", *figures])
    for step in report.steps:
        for figure in step.measurements:
            values = (getattr(figure, name) for name in figures)
            writer.writerow([*about.values(), step.number, step.title, *("" if v is None else v for v in values)])
    return target.getvalue()


def render_samples_csv(report: Report) -> str:
    """Return every single sample as CSV: seconds from the first request of its step."""
    target = io.StringIO()
    writer = csv.writer(target, lineterminator="\n")
    writer.writerow(["run", "step", "start", "duration", "outcome", "status", "page"])
    for step in report.steps:
        begin = step.samples[0].start if step.samples else 0.0
        for s in step.samples:
            page = " ".join(s.page.split())
            row = [report.run, step.number, f"{s.start - begin:.3f}", f"{s.duration:.3f}", s.outcome, s.status, page]
            writer.writerow(row)
    return target.getvalue()
