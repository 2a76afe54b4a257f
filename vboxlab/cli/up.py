"""`vboxlab up`."""

from __future__ import annotations

import click

from vboxlab.cli import options, output
from vboxlab.errors import EXIT_INTERRUPTED


@click.command()
@click.argument("topology")
@options.set_values
@options.copy
@options.driver
@options.jobs
@options.patience
@options.as_json
@click.option("--until", metavar="STAGE", help="Stop after this stage, or after `created`: everything but the boot.")
@click.option("--gui", is_flag=True, help="Start the machines with a window.")
def up(
    topology: str,
    values: dict[str, str],
    copy: str | None,
    driver: str | None,
    jobs: int | None,
    patience: float,
    until: str | None,
    *,
    as_json: bool,
    gui: bool,
) -> int:
    """Bring a lab up to TOPOLOGY: create, boot and configure what is missing, check the rest."""
    from vboxlab.cli import session
    from vboxlab.errors import UsageError
    from vboxlab.lab.up import up as bring_up
    from vboxlab.planning.planner import UNTIL_CREATED

    with output.progress(as_json=as_json) as events, session.opened(driver, events) as context:
        target = session.target(context, topology, values, copy)
        blueprint = target.needed
        stages = blueprint.topology.stage_order
        if until is not None and until not in (*stages, UNTIL_CREATED):
            raise UsageError(f"--until {until}: expected created, {', '.join(stages)}")
        directory = context.directory(target.lab)
        with session.stopping_gently(context.stop), directory.locked(events, patience=patience):
            result = bring_up(
                context, blueprint, target.lab, until=until, jobs=jobs or context.settings.concurrency, gui=gui
            )
    if as_json:
        record = {"result": "stopped" if result.stopped else "up", "actions": result.actions}
        output.say_json({**record, "repaired": list(result.repaired)})
    elif result.stopped:
        output.say(f"stopped: {result.actions} actions done; `vboxlab up {topology}` goes on from here")
    elif result.actions == 0 and not result.repaired:
        output.say(f"lab {target.lab} is up: no change")
    else:
        repaired = f", repaired: {', '.join(result.repaired)}" if result.repaired else ""
        output.say(f"lab {target.lab} is up: {result.actions} actions{repaired}")
    return EXIT_INTERRUPTED if result.stopped else 0
