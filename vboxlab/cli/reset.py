"""`vboxlab reset`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from vboxlab.cli import options, output
from vboxlab.cli.up import said

if TYPE_CHECKING:
    from vboxlab.operations.request import Which
    from vboxlab.operations.reset import Reset


@click.command()
@click.argument("lab", required=False)
@options.set_values
@options.copies
@options.driver
@options.jobs
@options.patience
@options.yes
@options.as_json
@click.option("--to", "snapshot", metavar="SNAPSHOT", help="Go back to this snapshot instead of the topology's last.")
@click.option("--keep", metavar="NAME", help="Keep what the machines are now as a snapshot of this name first.")
@click.option("--up/--no-up", "bring_up", default=None,
              help="Bring the lab up afterwards, or leave it off (default: up if a machine of it ran).")  # fmt: skip
def reset(
    lab: str | None,
    values: dict[str, str],
    which: Which,
    driver: str | None,
    jobs: int | None,
    patience: float | None,
    snapshot: str | None,
    keep: str | None,
    *,
    yes: bool,
    as_json: bool,
    bring_up: bool | None,
) -> int:
    """Bring LAB (a lab or topology name; default: the only one) back to the beginning of its exercise.

    Its machines go back to the last snapshot that a stage of the topology ends in (srv-web and srv-web-bis to
    apache-base, for failover), all or none; then the lab is brought up, repaired and checked.
    """
    from vboxlab.cli import summary
    from vboxlab.cli.terminal import Terminal
    from vboxlab.operations.reset import ResetRequest
    from vboxlab.operations.reset import reset as bring_back

    request = ResetRequest(
        lab=lab, values=values, which=which, driver=driver, jobs=jobs, patience=patience, snapshot=snapshot,
        keep=keep, bring_up=bring_up, yes=yes,
    )  # fmt: skip
    with output.progress(as_json=as_json) as events:
        results = bring_back(request, Terminal(events, quiet=as_json))
    return summary.report(results, _said, as_json=as_json)


def _said(done: Reset) -> str:
    back = f"{', '.join(done.machines)} back to {done.snapshot}"
    return f"{back}; left off" if done.brought_up is None else f"{back}; up again: {said(done.brought_up)}"
