"""`vboxlab destroy`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from vboxlab.cli import options, output
from vboxlab.language import _, n_

if TYPE_CHECKING:
    from vboxlab.operations.destroy import Destroyed
    from vboxlab.operations.request import Which


@click.command()
@click.argument("lab", required=False)
@options.copies
@options.driver
@options.jobs
@options.patience
@options.yes
def destroy(
    lab: str | None, which: Which, driver: str | None, jobs: int | None, patience: float | None, *, yes: bool
) -> int:
    """Remove LAB (a lab or topology name): its machines, disks and snapshots. Bases and foreign VMs stay."""
    from vboxlab.cli import summary
    from vboxlab.cli.terminal import Terminal
    from vboxlab.operations.destroy import DestroyRequest
    from vboxlab.operations.destroy import destroy as remove

    request = DestroyRequest(lab=lab, which=which, driver=driver, jobs=jobs, patience=patience, yes=yes)
    with output.progress() as events:
        result = remove(request, Terminal(events))
    if isinstance(result, list):
        return summary.report(result, _said)
    if result.machines:
        output.say(_("lab {lab} is gone: {done}").format(lab=result.lab, done=_said(result)))
    else:
        output.say(_("lab {lab}: nothing to remove").format(lab=result.lab))
    return 0


def _said(done: Destroyed) -> str:
    if not done.machines:
        return _("nothing to remove")
    return n_("{count} machines removed", "{count} machines removed", done.machines).format(count=done.machines)
