"""The report as text for a teacher's terminal, and its figures as CSV."""

from __future__ import annotations

import csv
import io
import textwrap
from collections.abc import Iterator

from vboxlab.errors import EXIT_CHECK_FAILED, EXIT_INFRASTRUCTURE, EXIT_OK
from vboxlab.harmless import for_csv, for_terminal
from vboxlab.language import C_, NC_, _, n_
from vboxlab.verification.report import Evidence, Measurement, Report, StepOutcome, StepReport
from vboxlab.verification.waterfall import told_in_words

WIDTH = 110
MARKS: dict[StepOutcome, str] = {
    "passed": NC_("step", "ok"),
    "failed": NC_("step", "FAILED"),
    "unclear": NC_("step", "unclear"),
    "warning": NC_("step", "warning"),
    "skipped": NC_("step", "skipped"),
    "error": NC_("step", "ERROR"),
}
MEASURES = {
    "interruption": NC_("figure", "interruption"),
    "failback": NC_("figure", "failback"),
    "writes": NC_("figure", "writes"),
}
INDENT = " " * 13


def render_text(report: Report) -> str:
    """Return the whole report as text: a line for each step, all figures, evidence of what is not as it should be."""
    lines = [*head(report), ""]
    for step in report.steps:
        lines += _step(step)
    return for_terminal("\n".join([*lines, "", *_verdict(report)])) + "\n"


def head(report: Report) -> Iterator[str]:
    """Yield what a report begins with: what was verified, where, when and with what."""
    lab = report.lab if report.copy is None else f"{report.lab}/{report.copy}"
    scale = f"{report.time_scale:g}"
    if report.speeds and report.time_scale != 1:
        slow = ", ".join(f"{machine} {speed:g}" for machine, speed in report.speeds.items())
        text = _("{scale} (limits and waits are stretched by how slow the guests are: {speeds})")
        scale = text.format(scale=scale, speeds=slow)
    elif report.time_scale != 1:
        scale = _("{scale} (limits and waits are stretched)").format(scale=scale)
    yield _("Verification of {topology} (lab {lab}, digest {digest}), run {run} at {moment}").format(
        topology=report.topology, lab=lab, digest=report.digest, run=report.run, moment=report.started_at
    )
    yield _("Driver {driver} {version}, vboxlab {vboxlab}, time scale {scale}").format(
        driver=report.driver, version=report.driver_version, vboxlab=report.vboxlab, scale=scale
    )
    if report.parameters:
        parameters = ", ".join(f"{key}={value}" for key, value in report.parameters.items())
        yield _("Parameters: {parameters}").format(parameters=parameters)
    if report.only:
        yield _("Only the steps asked for: {steps}").format(steps=", ".join(report.only))
    if report.busy is not None:
        yield _("This computer's processors were busy for {share:.0%} of the time").format(share=report.busy)


def _step(step: StepReport) -> Iterator[str]:
    took = f"{step.seconds:.1f} s"
    if step.attempts > 1:
        tries = n_("{took}, {count} attempt", "{took}, {count} attempts", step.attempts)
        took = tries.format(took=took, count=step.attempts)
    mark = C_("step", MARKS[step.outcome])
    yield f"{mark:>8} {step.number:>3} {step.title} ({took})"
    if step.message and (step.outcome != "passed" or step.kind != "fault"):
        yield from _wrapped(step.message)
    for line in step.details:
        if line != step.message:
            yield from _wrapped(line)
    for figure in step.measurements:
        yield _figure(figure)
    for name, value in step.facts.items():
        yield from _wrapped(_("{subject}: {text}").format(subject=_(name), text=value))
    if step.stages:
        yield from _wrapped(_("{subject}: {text}").format(subject=_("take-over"), text=told_in_words(step)))
    if step.note and (step.kind == "measure" or step.outcome != "passed"):
        yield from _wrapped(_("note: {note}").format(note=step.note))
    if step.outcome not in ("passed", "skipped"):
        for evidence in step.evidence:
            yield from _evidence(evidence)


def _wrapped(text: str) -> Iterator[str]:
    yield from textwrap.wrap(text, WIDTH, initial_indent=INDENT, subsequent_indent=INDENT, break_long_words=False)


def _figure(figure: Measurement) -> str:
    limit = ""
    if figure.scaled_limit is not None:
        stretched = _("{outcome}, limit {limit:g} (of {asked:g})")
        text = _("{outcome}, limit {limit:g}") if figure.scaled_limit == figure.limit else stretched
        outcome = C_("step", MARKS[figure.outcome])
        limit = text.format(outcome=outcome, limit=figure.scaled_limit, asked=figure.limit)
    name = C_("figure", figure.name).replace("_", " ")
    return f"{INDENT}{name:<13} {amount(figure):>16}  {limit:<24} {figure.meaning}".rstrip()


def amount(figure: Measurement) -> str:
    """Return a figure with its unit, as people read it: the two ends between which it lies, where it is uncertain."""
    least, most = figure.least, figure.most
    if least is None:
        return _("not seen")
    if most is None:
        return _("more than {least:.2f} s").format(least=least)
    if figure.unit == "requests":
        return _("{least:g} to {most:g}").format(least=least, most=most) if most > least else f"{most:g}"
    if figure.unit == "%":
        return (
            _("{least:g} to {most:g} %").format(least=least, most=most)
            if most > least
            else _("{most:g} %").format(most=most)
        )
    doubtful = most - least >= 0.005
    return _("{least:.2f} to {most:.2f} s").format(least=least, most=most) if doubtful else f"{most:.2f} s"


def _evidence(evidence: Evidence) -> Iterator[str]:
    ended = ""
    if evidence.exit_code not in (None, 0):
        ended = "   " + _("(ended with {code})").format(code=evidence.exit_code)
    command = textwrap.shorten(evidence.command, WIDTH)
    yield f"{INDENT}{evidence.machine}$ {command}{ended}"
    for line in evidence.output.splitlines():
        yield f"{INDENT}| {line}"


def _verdict(report: Report) -> Iterator[str]:
    for step in report.steps:
        if step.kind == "measure" and step.measurements:
            yield _("{subject}: {text}").format(subject=C_("figure", MEASURES[step.name]), text=step.message)
    counts = report.counts()
    parts = [counted(outcome, counts[outcome]) for outcome in MARKS if counts[outcome]]
    verdict = {
        EXIT_OK: _("PROVED in {seconds:.0f} s: {counts}"),
        EXIT_CHECK_FAILED: _("NOT PROVED in {seconds:.0f} s: {counts}"),
        EXIT_INFRASTRUCTURE: _("CANNOT TELL: nothing is proved either way in {seconds:.0f} s: {counts}"),
    }[report.exit_code]
    yield from report.doubts
    yield verdict.format(seconds=report.seconds, counts=", ".join(parts) or _("no step"))


def counted(outcome: StepOutcome, count: int) -> str:
    """Return how many steps had an outcome, as in "2 failed"."""
    text = {
        "passed": n_("{count} passed", "{count} passed", count),
        "failed": n_("{count} failed", "{count} failed", count),
        "unclear": n_("{count} unclear", "{count} unclear", count),
        "warning": n_("{count} warning", "{count} warning", count),
        "skipped": n_("{count} skipped", "{count} skipped", count),
        "error": n_("{count} error", "{count} error", count),
    }[outcome]
    return text.format(count=count)


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
    figures = ("name", "unit", "least", "most", "limit", "scaled_limit", "outcome")
    target = io.StringIO()
    writer = csv.writer(target, lineterminator="\n")
    writer.writerow([*about, "step", "title", *figures])
    for step in report.steps:
        for figure in step.measurements:
            values = (getattr(figure, name) for name in figures)
            row = [*about.values(), step.number, step.title, *("" if v is None else v for v in values)]
            writer.writerow(map(for_csv, row))
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
            writer.writerow(map(for_csv, row))
    return target.getvalue()
