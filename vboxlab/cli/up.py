"""`vboxlab up`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from vboxlab.cli import options, output
from vboxlab.errors import EXIT_INTERRUPTED
from vboxlab.language import N_, _, n_

if TYPE_CHECKING:
    from vboxlab.operations.request import Which
    from vboxlab.operations.up import Up


@click.command()
@click.argument("topology")
@options.set_values
@options.copies
@options.driver
@options.jobs
@options.patience
@options.yes
@options.as_json
@click.option("--until", metavar=N_("STAGE"),
              help=N_("Stop after this stage, or after `created`: everything but the boot."))  # fmt: skip
@click.option("--gui", is_flag=True, help=N_("Start the machines with a window."))
@click.option("--at-most-running", type=click.IntRange(min=1), metavar="N",
              help=N_("Work through the copies N at a time, each powered off again when it is up."))  # fmt: skip
@click.option("--build", is_flag=True, help=N_("Build the base first where it is missing, package layers beside it."))
@click.option("--force", is_flag=True, help=N_("Go on although memory, disk or ports do not suffice."))
@click.option("--exercise", is_flag=True,
              help=N_("Leave undone what is the student's to do, and mark the lab as an exercise."))  # fmt: skip
@click.option("--solution", is_flag=True,
              help=N_("Do what an exercise leaves to the student, from its beginning on; it asks first."))  # fmt: skip
def up(
    topology: str,
    values: dict[str, str],
    which: Which,
    driver: str | None,
    jobs: int | None,
    patience: float | None,
    until: str | None,
    at_most_running: int | None,
    *,
    yes: bool,
    as_json: bool,
    gui: bool,
    build: bool,
    force: bool,
    exercise: bool,
    solution: bool,
) -> int:
    """Bring a lab up to TOPOLOGY: create, boot and configure what is missing, check the rest.

    It asks before machines go back to a snapshot because the lab changes its topology; a file of a guest that somebody
    changed is kept beside it before it is overwritten.
    """
    from vboxlab.cli import summary
    from vboxlab.cli.terminal import Terminal
    from vboxlab.operations.up import UpRequest
    from vboxlab.operations.up import up as bring_up

    request = UpRequest(
        topology=topology, values=values, which=which, driver=driver, jobs=jobs, patience=patience, until=until,
        at_most=at_most_running, gui=gui, build=build, force=force, yes=yes,
        exercise=exercise, solution=solution,
    )  # fmt: skip
    with output.progress(as_json=as_json) as events:
        result = bring_up(request, Terminal(events))
    if isinstance(result, list):
        return summary.report(result, said, as_json=as_json)
    if as_json:
        record = {"result": "stopped" if result.stopped else "up", "actions": result.actions}
        output.say_json({**record, "repaired": list(result.repaired)})
    elif result.stopped:
        text = n_(
            "stopped: {count} action done; `vboxlab up {topology}` goes on from here",
            "stopped: {count} actions done; `vboxlab up {topology}` goes on from here",
            result.actions,
        )
        output.say(text.format(count=result.actions, topology=topology))
    else:
        output.say(_("lab {lab} is up: {done}").format(lab=result.lab, done=said(result)))
    return EXIT_INTERRUPTED if result.stopped else 0


def said(result: Up) -> str:
    """Return what `up` did, in a few words."""
    if not result.actions and not result.repaired:
        return _("no change")
    actions = n_("{count} action", "{count} actions", result.actions).format(count=result.actions)
    if not result.repaired:
        return actions
    return _("{actions}, repaired: {machines}").format(actions=actions, machines=", ".join(result.repaired))
