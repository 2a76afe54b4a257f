"""`vboxlab plan`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from vboxlab.cli import options, output
from vboxlab.errors import EXIT_CHANGES_PENDING, EXIT_DRIVER, EXIT_OK
from vboxlab.language import N_, _, n_

if TYPE_CHECKING:
    from vboxlab.operations.plan import Planned
    from vboxlab.operations.request import Which
    from vboxlab.operations.run_copies import CopyResult


@click.command()
@click.argument("topology")
@options.set_values
@options.copies
@options.driver
@options.as_json
@click.option("--until", metavar=N_("STAGE"), help=N_("Plan up to this stage, or to `created`."))
def plan(
    topology: str, values: dict[str, str], which: Which, driver: str | None, until: str | None, *, as_json: bool
) -> int:
    """Show all that `up TOPOLOGY` would do and why, after a look into the guests that run.

    Exit 0 when there is nothing to do, 2 when there are changes, 4 when it cannot be done.
    """
    from vboxlab.cli.terminal import Terminal
    from vboxlab.operations.plan import PlanRequest
    from vboxlab.operations.plan import plan as make_plan

    request = PlanRequest(topology=topology, values=values, which=which, driver=driver, until=until)
    found = make_plan(request, Terminal(quiet=as_json))
    if isinstance(found, list):
        return _report(found, as_json=as_json)
    if as_json:
        output.say_json(found.record())
    else:
        output.say("\n".join(found.lines()))
    return _exit_code(found)


def _report(results: Sequence[CopyResult[Planned]], *, as_json: bool) -> int:
    """Show the plan of each copy, then one line a copy; return the exit code."""
    from vboxlab.cli import summary

    plans = [result.value for result in results if result.value is not None]
    failed = summary.report_whole(
        results, lambda planned: planned.record(), lambda planned: planned.lines(), _counted, as_json=as_json
    )
    return failed or max(map(_exit_code, plans), default=EXIT_OK)


def _exit_code(planned: Planned) -> int:
    """Return 0 when there is nothing to do, 2 when there is, 4 when it cannot be done."""
    if planned.blocker:
        return EXIT_DRIVER
    return EXIT_OK if planned.is_empty else EXIT_CHANGES_PENDING


def _counted(planned: Planned) -> str:
    if planned.blocker:
        return _("cannot be applied: {blocker}").format(blocker=planned.blocker)
    return n_("{count} action", "{count} actions", planned.count).format(count=planned.count)
