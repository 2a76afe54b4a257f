"""`vboxlab verify`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from vboxlab.cli import options, output
from vboxlab.language import N_

if TYPE_CHECKING:
    from vboxlab.operations.request import Which
    from vboxlab.operations.verify import Form

report_file = click.Path(dir_okay=False, path_type=Path)


@click.command()
@click.argument("topology")
@options.set_values
@options.copies
@options.driver
@options.jobs
@options.patience
@options.as_json
@click.option("--time-scale", type=click.FloatRange(min=0, min_open=True), metavar="N",
              help=N_("Stretch limits and waits N times, for emulated guests; printed in every report."))  # fmt: skip
@click.option("--junit", type=report_file, metavar=N_("FILE"), help=N_("Write a JUnit report too."))
@click.option("--html", type=report_file, metavar=N_("FILE"), help=N_("Write an HTML report too."))
@click.option("--csv", "csv_file", type=report_file, metavar=N_("FILE"),
              help=N_("Write the measurements as CSV too."))  # fmt: skip
def verify(
    topology: str,
    values: dict[str, str],
    which: Which,
    driver: str | None,
    jobs: int | None,
    patience: float | None,
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
    from vboxlab.cli import summary
    from vboxlab.cli.terminal import Terminal
    from vboxlab.operations.verify import VerifyRequest
    from vboxlab.operations.verify import verify as prove

    files: dict[Form, Path | None] = {"junit": junit, "html": html, "csv": csv_file}
    request = VerifyRequest(
        topology=topology, values=values, which=which, driver=driver, jobs=jobs, patience=patience,
        time_scale=time_scale, form="json" if as_json else "text",
        files={form: path for form, path in files.items() if path is not None},
    )  # fmt: skip
    with output.progress(as_json=False) as events:
        result = prove(request, Terminal(events, quiet=as_json))
    if isinstance(result, list):
        return summary.report(result, lambda proof: proof.counted(), as_json=as_json)
    output.say(result.report.rstrip("\n"))
    return result.exit_code
