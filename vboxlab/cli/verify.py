"""`vboxlab verify`."""

from __future__ import annotations

from pathlib import Path

import click

from vboxlab.cli import options, output

report_file = click.Path(dir_okay=False, path_type=Path)


@click.command()
@click.argument("topology")
@options.set_values
@options.copy
@options.driver
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
    copy: str | None,
    driver: str | None,
    patience: float,
    time_scale: float | None,
    junit: Path | None,
    html: Path | None,
    csv_file: Path | None,
    *,
    as_json: bool,
) -> int:
    """Prove that the lab does what TOPOLOGY promises: checks, faults, measurements.

    Exits 0 when all is well, 1 when a check failed, 7 when the verification could not be carried out.
    """
    from vboxlab.cli import session
    from vboxlab.verification.live import prove
    from vboxlab.verification.render import render_csv, render_text
    from vboxlab.verification.render_html import render_html
    from vboxlab.verification.render_junit import render_junit
    from vboxlab.verification.report import render_json

    with output.progress(as_json=False) as events, session.opened(driver, events, quiet=as_json) as context:
        target = session.target(context, topology, values, copy)
        directory = context.directory(target.lab)
        with directory.locked(events, patience=patience):
            scale = time_scale if time_scale is not None else context.settings.time_scale
            report = prove(context, target.lab, target.needed.topology, time_scale=scale)
    for path, render in ((junit, render_junit), (html, render_html), (csv_file, render_csv)):
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(render(report), encoding="utf-8")
    output.say((render_json if as_json else render_text)(report).rstrip("\n"))
    return report.exit_code
