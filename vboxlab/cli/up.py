"""`vboxlab up`."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import click

from vboxlab.cli import options, output
from vboxlab.errors import EXIT_INTERRUPTED, UsageError

if TYPE_CHECKING:
    from vboxlab.cli.session import Target
    from vboxlab.lab.context import Context
    from vboxlab.lab.up import UpResult


@click.command()
@click.argument("topology")
@options.set_values
@options.copies
@options.driver
@options.jobs
@options.patience
@options.yes
@options.as_json
@click.option("--until", metavar="STAGE", help="Stop after this stage, or after `created`: everything but the boot.")
@click.option("--gui", is_flag=True, help="Start the machines with a window.")
@click.option("--at-most-running", type=click.IntRange(min=1), metavar="N",
              help="Work through the copies N at a time, each powered off again when it is up.")  # fmt: skip
@click.option("--force", is_flag=True, help="Go on although memory, disk or ports do not suffice.")
def up(
    topology: str,
    values: dict[str, str],
    which: options.Which,
    driver: str | None,
    jobs: int | None,
    patience: float,
    until: str | None,
    at_most_running: int | None,
    *,
    yes: bool,
    as_json: bool,
    gui: bool,
    force: bool,
) -> int:
    """Bring a lab up to TOPOLOGY: create, boot and configure what is missing, check the rest.

    It asks before machines go back to a snapshot because the lab changes its topology; a file of a guest that somebody
    changed is kept beside it before it is overwritten.
    """
    from vboxlab.cli import session, several
    from vboxlab.cli.questions import asking
    from vboxlab.cli.up_copies import up_copies
    from vboxlab.lab.up import up as bring_up

    if at_most_running is not None and not which.several:
        raise UsageError("--at-most-running is for several copies", resolution="add --copies or --all")
    with output.progress(as_json=as_json) as events, session.opened(driver, events) as context:
        if which.several:
            patience = several.patience_of(patience)
            run = up_copies(
                context, topology, which, values, until=until, at_most=at_most_running, force=force, gui=gui,
                jobs=jobs, patience=patience, yes=yes,
            )  # fmt: skip
        else:
            target = session.target(context, topology, values, which.copy)
            check_stage(target, until)
            warn_of_shortfalls(context, target, until)
            directory = context.directory(target.lab)
            with session.stopping_gently(context.stop), directory.locked(events, patience=patience):
                result = bring_up(
                    replace(context, confirm=asking(yes=yes)),
                    target.needed,
                    target.lab,
                    until=until,
                    jobs=jobs or context.settings.concurrency,
                    gui=gui,
                )
    if which.several:
        return several.report(run, said, as_json=as_json)
    if as_json:
        record = {"result": "stopped" if result.stopped else "up", "actions": result.actions}
        output.say_json({**record, "repaired": list(result.repaired)})
    elif result.stopped:
        output.say(f"stopped: {result.actions} actions done; `vboxlab up {topology}` goes on from here")
    else:
        output.say(f"lab {target.lab} is up: {said(result)}")
    return EXIT_INTERRUPTED if result.stopped else 0


def said(result: UpResult) -> str:
    """Return what `up` did, in a few words."""
    repaired = f", repaired: {', '.join(result.repaired)}" if result.repaired else ""
    return f"{result.actions} actions{repaired}" if result.actions or result.repaired else "no change"


def check_stage(target: Target, until: str | None) -> None:
    """Raise UsageError unless the topology has a stage of that name."""
    from vboxlab.planning.planner import UNTIL_CREATED

    stages = target.needed.topology.stage_order
    if until is not None and until not in (*stages, UNTIL_CREATED):
        raise UsageError(f"--until {until}: expected created, {', '.join(stages)}")


def warn_of_shortfalls(context: Context, target: Target, until: str | None) -> None:
    """Say when a single lab wants more than the computer has left: it may well run nevertheless."""
    from vboxlab.events import Note
    from vboxlab.lab.capacity import demand, room, shortfalls
    from vboxlab.lab.observe import see
    from vboxlab.planning.planner import UNTIL_CREATED

    topology = target.needed.topology
    wanted = demand(topology, see(context, target.lab), boots=until != UNTIL_CREATED)
    for line in shortfalls([wanted], room(context.settings.home, context.machines())):
        context.events(Note(line, level="warning"))
