"""`vboxlab destroy`."""

from __future__ import annotations

import click

from vboxlab.cli import options, output
from vboxlab.cli.questions import confirm, shortened
from vboxlab.errors import UsageError


@click.command()
@click.argument("lab", required=False)
@options.copies
@options.driver
@options.jobs
@options.patience
@options.yes
def destroy(
    lab: str | None, which: options.Which, driver: str | None, jobs: int | None, patience: float, *, yes: bool
) -> int:
    """Remove LAB (a lab or topology name): its machines, disks and snapshots. Bases and foreign VMs stay."""
    from vboxlab.cli import session, several
    from vboxlab.lab.down import destroy as remove

    if lab is None and which.copy is None and not which.several:
        raise UsageError("which lab? `destroy` removes none that is not named", resolution="vboxlab status --all")
    with session.opened(driver) as opened:
        context = several.many(opened) if which.several else opened
        chosen = several.choose_or_only(context, lab, which)
        labs = {entry.lab for entry in chosen}
        machines = sorted(machine.name for machine in context.machines() if machine.lab in labs)
        if machines and not yes:
            of = f"lab {chosen[0].lab}" if len(chosen) == 1 else f"{len(chosen)} labs"
            confirm(f"remove {len(machines)} machines of {of} ({shortened(machines)})?")
        with output.progress() as events:
            context = several.with_events(context, events)
            if which.several:
                results = several.each(
                    context,
                    chosen,
                    lambda own, entry, share: remove(own, entry.lab, jobs=share),
                    jobs=jobs,
                    patience=several.patience_of(patience),
                )
            else:
                with context.directory(chosen[0].lab).locked(events, patience=patience):
                    count = remove(context, chosen[0].lab, jobs=jobs or context.settings.concurrency)
    if which.several:
        return several.report(results, lambda found: f"{found} machines removed" if found else "nothing to remove")
    done = f"lab {chosen[0].lab} is gone: {count} machines removed"
    output.say(done if count else f"lab {chosen[0].lab}: nothing to remove")
    return 0
