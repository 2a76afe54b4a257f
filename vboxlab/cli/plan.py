"""`vboxlab plan`."""

from __future__ import annotations

import click

from vboxlab.cli import options, output
from vboxlab.errors import EXIT_CHANGES_PENDING, EXIT_DRIVER


@click.command()
@click.argument("topology")
@options.set_values
@options.copy
@options.driver
@options.as_json
@click.option("--until", metavar="STAGE", help="Plan up to this stage, or to `created`.")
def plan(
    topology: str, values: dict[str, str], copy: str | None, driver: str | None, until: str | None, *, as_json: bool
) -> int:
    """Show what `up TOPOLOGY` would do and why; exit 0 when nothing, 2 when there are changes, 4 when it cannot."""
    from vboxlab.cli import session
    from vboxlab.lab.up import make_plan, missing_source
    from vboxlab.planning import describe

    with session.opened(driver, quiet=as_json) as context:
        target = session.target(context, topology, values, copy)
        changes, _, observed = make_plan(context, target.needed, target.lab, until=until)
        source = missing_source(target.needed, observed) if until is None else None
        first = None
        if source is not None:
            first, _, _ = make_plan(context, target.needed.load(source.topology), target.lab, until=source.stage)
    if as_json:
        output.say_json({**describe.data(changes), "first": describe.data(first) if first else None})
    else:
        if first is not None and source is not None:
            output.say(f"first, to make {source.name}:")
            for line in describe.lines(first):
                output.say(line)
            output.say("then, planned anew from what is there by then:")
        for line in describe.lines(changes):
            output.say(line)
    if changes.blockers:
        return EXIT_DRIVER
    return EXIT_CHANGES_PENDING if changes.actions or first else 0
