"""`vboxlab destroy`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from vboxlab.cli import options, output

if TYPE_CHECKING:
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
        return summary.report(
            result, lambda done: f"{done.machines} machines removed" if done.machines else "nothing to remove"
        )
    done = f"lab {result.lab} is gone: {result.machines} machines removed"
    output.say(done if result.machines else f"lab {result.lab}: nothing to remove")
    return 0
