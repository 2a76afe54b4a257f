"""`vboxlab down`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from vboxlab.cli import options, output
from vboxlab.language import N_, _, n_

if TYPE_CHECKING:
    from vboxlab.operations.down import Down
    from vboxlab.operations.request import Which


@click.command()
@click.argument("lab", required=False)
@options.copies
@options.driver
@options.jobs
@options.patience
@click.option("--timeout", type=float, default=60.0, show_default=True, help=N_("Seconds before the plug is pulled."))
@click.option("--hard", is_flag=True, help=N_("Pull the plug at once."))
def down(
    lab: str | None,
    which: Which,
    driver: str | None,
    jobs: int | None,
    patience: float | None,
    timeout: float,
    *,
    hard: bool,
) -> int:
    """Power the machines of LAB (a lab or topology name) off: gracefully, then by pulling the plug."""
    from vboxlab.cli import summary
    from vboxlab.cli.terminal import Terminal
    from vboxlab.operations.down import DownRequest
    from vboxlab.operations.down import down as power_off

    request = DownRequest(lab=lab, which=which, driver=driver, jobs=jobs, patience=patience, timeout=timeout, hard=hard)
    with output.progress() as events:
        result = power_off(request, Terminal(events))
    if isinstance(result, list):
        return summary.report(result, _said)
    output.say(_("lab {lab} is down: {done}").format(lab=result.lab, done=_said(result)))
    return 0


def _said(done: Down) -> str:
    return n_("{count} machine powered off", "{count} machines powered off", done.machines).format(count=done.machines)
