"""`vboxlab verify`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from vboxlab.cli import options, output
from vboxlab.errors import VboxlabError

if TYPE_CHECKING:
    from vboxlab.cli.session import Target
    from vboxlab.lab.context import Context
    from vboxlab.verification.report import Report

report_file = click.Path(dir_okay=False, path_type=Path)


class NotProved(VboxlabError):
    """The scenario of a copy did not pass."""


@click.command()
@click.argument("topology")
@options.set_values
@options.copies
@options.driver
@options.jobs
@options.patience
@options.as_json
@click.option("--time-scale", type=click.FloatRange(min=0, min_open=True), metavar="N",
              help="Stretch limits and waits N times, for emulated guests; printed in every report.")  # fmt: skip
@click.option("--junit", type=report_file, help="Write a JUnit report too.")
@click.option("--html", type=report_file, help="Write an HTML report too.")
@click.option("--csv", "csv_file", type=report_file, help="Write the measurements as CSV too.")
def verify(
    topology: str,
    values: dict[str, str],
    which: options.Which,
    driver: str | None,
    jobs: int | None,
    patience: float,
    time_scale: float | None,
    junit: Path | None,
    html: Path | None,
    csv_file: Path | None,
    *,
    as_json: bool,
) -> int:
    """Prove that the lab does what TOPOLOGY promises: checks, faults, measurements.

    Exits 0 when all is well, 1 when a check failed, 7 when the verification could not be carried out. Copies are
    verified one after the other unless --jobs says otherwise: measurements side by side disturb each other.
    """
    from vboxlab.cli import session, several

    files = {"junit": junit, "html": html, "csv": csv_file}

    def one(context: Context, target: Target) -> Report:
        report = _prove(context, target, time_scale)
        _write(report, {kind: _for_copy(path, report, which) for kind, path in files.items() if path is not None})
        return report

    def proved(context: Context, entry: several.Chosen, _share: int) -> Report:
        report = one(context, entry.target(context, values))
        if not report.passed:
            wrong = [step for step in report.steps if step.outcome in ("failed", "error")]
            raise NotProved(
                f"{len(wrong)} of {len(report.steps)} steps did not pass",
                details=[f"{step.number} {step.title}: {step.message}" for step in wrong],
            )
        return report

    with output.progress(as_json=False) as events, session.opened(driver, events, quiet=as_json) as opened:
        if which.several:
            context = several.many(opened)
            chosen = several.choose(context, topology, which, parameters=True)
            wait = several.patience_of(patience)
            results = several.each(context, chosen, proved, jobs=jobs or 1, patience=wait)
        else:
            target = session.target(opened, topology, values, which.copy)
            with opened.directory(target.lab).locked(events, patience=patience):
                report = one(opened, target)
    if which.several:
        return several.report(results, _said, as_json=as_json)
    output.say(_text(report, as_json=as_json).rstrip("\n"))
    return report.exit_code


def _prove(context: Context, target: Target, time_scale: float | None) -> Report:
    from vboxlab.verification.live import prove

    scale = time_scale if time_scale is not None else context.settings.time_scale
    return prove(context, target.lab, target.needed.topology, time_scale=scale)


def _for_copy(path: Path, report: Report, which: options.Which) -> Path:
    """Return the file of one copy's report: its name in front of the ending, when there are several."""
    return path.with_name(f"{path.stem}-{report.copy or report.lab}{path.suffix}") if which.several else path


def _write(report: Report, files: dict[str, Path]) -> None:
    from vboxlab.verification.render import render_csv
    from vboxlab.verification.render_html import render_html
    from vboxlab.verification.render_junit import render_junit

    renders = {"junit": render_junit, "html": render_html, "csv": render_csv}
    for kind, path in files.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(renders[kind](report), encoding="utf-8")


def _text(report: Report, *, as_json: bool) -> str:
    from vboxlab.verification.render import render_text
    from vboxlab.verification.report import render_json

    return (render_json if as_json else render_text)(report)


def _said(report: Report) -> str:
    counts = report.counts()
    words = [f"{counts[outcome]} {outcome}" for outcome in ("passed", "warning", "skipped") if counts[outcome]]
    return ", ".join(words)
