"""`vboxlab destroy`."""

from __future__ import annotations

import sys

import click

from vboxlab.cli import options, output
from vboxlab.errors import UsageError


@click.command()
@click.argument("lab")
@options.copy
@options.driver
@options.jobs
@options.patience
@options.yes
def destroy(
    lab: str, copy: str | None, driver: str | None, jobs: int | None, patience: float, *, yes: bool
) -> None:
    """Remove LAB (a lab or topology name): its machines, disks and snapshots. Bases and foreign VMs stay."""
    from vboxlab.cli import session
    from vboxlab.lab.down import destroy as remove
    from vboxlab.lab.observe import observe

    with output.progress() as events, session.opened(driver, events) as context:
        target = session.target(context, lab, copy=copy)
        machines = sorted(m.name for m in observe(context.driver, target.lab).machines.values())
        if machines and not yes:
            confirm(f"remove {len(machines)} machines of lab {target.lab} ({', '.join(machines)})?")
        with context.directory(target.lab).locked(events, patience=patience):
            count = remove(context, target.lab, jobs=jobs or context.settings.concurrency)
    output.say(
        f"lab {target.lab} is gone: {count} machines removed" if count else f"lab {target.lab}: nothing to remove"
    )


def confirm(question: str) -> None:
    """Ask before something is lost. Raises UsageError where nobody can answer."""
    if not sys.stdin.isatty():
        raise UsageError(f"will not {question.removesuffix('?')} without asking", resolution="add --yes")
    click.confirm(question, abort=True, err=True)
