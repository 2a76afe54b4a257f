"""`vboxlab down`."""

from __future__ import annotations

import click

from vboxlab.cli import options, output


@click.command()
@click.argument("lab")
@options.copy
@options.driver
@options.jobs
@options.patience
@click.option("--timeout", type=float, default=60.0, show_default=True, help="Seconds before the plug is pulled.")
@click.option("--hard", is_flag=True, help="Pull the plug at once.")
def down(
    lab: str, copy: str | None, driver: str | None, jobs: int | None, patience: float, timeout: float, *, hard: bool
) -> None:
    """Power the machines of LAB (a lab or topology name) off: gracefully, then by pulling the plug."""
    from vboxlab.cli import session
    from vboxlab.lab.down import down as stop

    with output.progress() as events, session.opened(driver, events) as context:
        target = session.target(context, lab, copy=copy)
        with context.directory(target.lab).locked(events, patience=patience):
            count = stop(context, target.lab, timeout=timeout, hard=hard, jobs=jobs or context.settings.concurrency)
    output.say(f"lab {target.lab} is down: {count} machines powered off")
