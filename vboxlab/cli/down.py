"""`vboxlab down`."""

from __future__ import annotations

import click

from vboxlab.cli import options, output


@click.command()
@click.argument("lab", required=False)
@options.copies
@options.driver
@options.jobs
@options.patience
@click.option("--timeout", type=float, default=60.0, show_default=True, help="Seconds before the plug is pulled.")
@click.option("--hard", is_flag=True, help="Pull the plug at once.")
def down(
    lab: str | None,
    which: options.Which,
    driver: str | None,
    jobs: int | None,
    patience: float,
    timeout: float,
    *,
    hard: bool,
) -> int:
    """Power the machines of LAB (a lab or topology name) off: gracefully, then by pulling the plug."""
    from vboxlab.cli import session, several
    from vboxlab.lab.down import down as stop

    with output.progress() as events, session.opened(driver, events) as opened:
        if which.several:
            context = several.many(opened)
            results = several.each(
                context,
                several.choose(context, lab, which),
                lambda own, entry, share: stop(own, entry.lab, timeout=timeout, hard=hard, jobs=share),
                jobs=jobs,
                patience=several.patience_of(patience),
            )
        else:
            target = session.only_lab(opened, lab, which.copy)
            with opened.directory(target.lab).locked(events, patience=patience):
                count = stop(opened, target.lab, timeout=timeout, hard=hard, jobs=jobs or opened.settings.concurrency)
    if which.several:
        return several.report(results, lambda found: f"{found} machines powered off")
    output.say(f"lab {target.lab} is down: {count} machines powered off")
    return 0
