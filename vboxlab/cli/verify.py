"""`vboxlab verify`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from vboxlab.cli import options, output
from vboxlab.language import N_

if TYPE_CHECKING:
    from vboxlab.operations.request import Which


@click.command()
@click.argument("topology")
@options.set_values
@options.copies
@options.driver
@options.jobs
@options.patience
@options.as_json
@click.option("--time-scale", type=click.FloatRange(min=0, min_open=True), metavar="N",
              help=N_("Stretch limits and waits N times; default: as slow as the guests are."))  # fmt: skip
@click.option("--only", multiple=True, metavar=N_("STEP"),
              help=N_("Carry out only this step, by its number or title, or all of a kind."))  # fmt: skip
@click.option("--break-on-failure", is_flag=True,
              help=N_("Stop at the first step that does not pass; leave the lab and its faults."))  # fmt: skip
@click.option("--undo", is_flag=True,
              help=N_("Verify nothing: undo what a verification that was broken off has left."))  # fmt: skip
@click.option("--runs", type=click.IntRange(min=1), default=1, metavar=N_("N"),
              help=N_("Verify N times, and report how each figure spreads."))  # fmt: skip
@options.report_files
def verify(
    topology: str,
    values: dict[str, str],
    which: Which,
    driver: str | None,
    jobs: int | None,
    patience: float | None,
    time_scale: float | None,
    only: tuple[str, ...],
    runs: int,
    undo: bool,
    break_on_failure: bool,
    files: options.ReportFiles,
    *,
    as_json: bool,
) -> int:
    """Prove that the lab does what TOPOLOGY promises: checks, faults, measurements.

    Exits 0 when all is well, 1 when a check failed, 7 when it cannot be told. Copies are
    verified one after the other unless --jobs says otherwise: measurements side by side disturb each other.
    """
    from vboxlab.cli import summary
    from vboxlab.cli.terminal import Terminal
    from vboxlab.operations.verify import VerifyRequest
    from vboxlab.operations.verify import verify as prove

    request = VerifyRequest(
        topology=topology, values=values, which=which, driver=driver, jobs=jobs, patience=patience,
        time_scale=time_scale, only=only, runs=runs, undo=undo, break_on_failure=break_on_failure,
        form="json" if as_json else "text", files=files,
    )  # fmt: skip
    with output.progress(as_json=False) as events:
        result = prove(request, Terminal(events, quiet=as_json))
    if isinstance(result, list):
        return summary.report(result, lambda proof: proof.counted(), as_json=as_json)
    output.say(result.report.rstrip("\n"))
    return result.exit_code
