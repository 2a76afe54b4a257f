"""`vboxlab reset`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from vboxlab.cli import options, output
from vboxlab.cli.up import said
from vboxlab.language import N_, _

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
@click.option("--to", "snapshot", metavar=N_("SNAPSHOT"),
              help=N_("Go back to this snapshot instead of the topology's last."))  # fmt: skip
@click.option("--keep", metavar=N_("NAME"),
              help=N_("Keep what the machines are now as a snapshot of this name first."))  # fmt: skip
@click.option("--up/--no-up", "bring_up", default=None, help=N_(
    "Bring the lab up afterwards, or leave it off (default: up if a machine of it ran)."
))  # fmt: skip
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
    machines = ", ".join(done.machines)
    if done.brought_up is None:
        return _("{machines} back to {snapshot}; left off").format(machines=machines, snapshot=done.snapshot)
    text = _("{machines} back to {snapshot}; up again: {done}")
    return text.format(machines=machines, snapshot=done.snapshot, done=said(done.brought_up))
