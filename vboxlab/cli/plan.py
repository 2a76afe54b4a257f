"""`vboxlab plan`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from vboxlab.cli import options, output
from vboxlab.errors import EXIT_CHANGES_PENDING, EXIT_DRIVER

if TYPE_CHECKING:
    from vboxlab.cli.session import Target
    from vboxlab.lab.context import Context
    from vboxlab.lab.up import Blueprint, Later
    from vboxlab.planning.actions import Plan
    from vboxlab.planning.observed import ObservedLab
    from vboxlab.topology.addressing import LabName


@dataclass(frozen=True)
class Planned:
    """A plan, and the one of another topology that makes the snapshot set which it starts from."""

    plan: Plan
    first: Planned | None
    source: str

    @property
    def exit_code(self) -> int:
        """Return 0 when there is nothing to do, 2 when there is, 4 when it cannot be done."""
        if self.blocker:
            return EXIT_DRIVER
        return EXIT_CHANGES_PENDING if self.plan.actions or self.first else 0

    @property
    def blocker(self) -> str:
        """Return the first reason why it cannot be done, "" when there is none."""
        return next(iter(self.plan.blockers), "") or (self.first.blocker if self.first else "")

    @property
    def count(self) -> int:
        """Return how many actions there are, those of the plans before it included."""
        return len(self.plan.actions) + (self.first.count if self.first else 0)

    def lines(self) -> list[str]:
        """Return it as text."""
        from vboxlab.planning import describe

        text = describe.lines(self.plan)
        if self.first is None:
            return text
        heading = [f"first, to make {self.source}:", *self.first.lines()]
        return [*heading, "then, planned anew from what is there by then:", *text]

    def data(self) -> dict[str, Any]:
        """Return it as plain data."""
        from vboxlab.planning import describe

        return {**describe.data(self.plan), "first": self.first.data() if self.first else None}


@click.command()
@click.argument("topology")
@options.set_values
@options.copies
@options.driver
@options.as_json
@click.option("--until", metavar="STAGE", help="Plan up to this stage, or to `created`.")
def plan(
    topology: str, values: dict[str, str], which: options.Which, driver: str | None, until: str | None, *, as_json: bool
) -> int:
    """Show all that `up TOPOLOGY` would do and why, after a look into the guests that run.

    Exit 0 when there is nothing to do, 2 when there are changes, 4 when it cannot be done.
    """
    from vboxlab.cli import session, several
    from vboxlab.operations.run_copies import exit_code

    with session.opened(driver, quiet=as_json) as opened:
        if which.several:
            context = several.many(opened)
            results = several.each(
                context,
                several.choose(context, topology, which, parameters=True),
                lambda own, entry, share: _plan(own, entry.target(own, values), until, share),
                jobs=None,
                patience=None,
            )
        else:
            target = session.target(opened, topology, values, which.copy)
            found = _plan(opened, target, until, opened.settings.concurrency)
    if which.several:
        plans = [result.value for result in results if result.value is not None]
        if as_json:
            output.say_json([planned.data() for planned in plans])
        else:
            for planned in plans:
                output.say("\n".join(planned.lines()))
        failed = several.report(results, _counted) if not as_json else exit_code(results)
        return failed or max((planned.exit_code for planned in plans), default=0)
    if as_json:
        output.say_json(found.data())
    else:
        output.say("\n".join(found.lines()))
    return found.exit_code


def _plan(context: Context, target: Target, until: str | None, jobs: int) -> Planned:
    from vboxlab.lab.up import make_plan

    changes, _, observed = make_plan(context, target.needed, target.lab, until=until, look=True, jobs=jobs)
    return _with_source(context, target.needed, target.lab, changes, observed, until=until)


def _with_source(
    context: Context,
    blueprint: Blueprint,
    lab: LabName,
    changes: Plan,
    observed: ObservedLab,
    *,
    until: str | None,
    later: Later | None = None,
) -> Planned:
    from vboxlab.lab.up import Later, missing_source, plan_source
    from vboxlab.planning.planner import UNTIL_CREATED

    missing = missing_source(context, blueprint, lab, observed, later or Later()) if until != UNTIL_CREATED else None
    if missing is None:
        return Planned(changes, None, "")
    before = blueprint.load(missing.set.topology)
    first, seen = plan_source(context, before, lab, missing)
    earlier = _with_source(context, before, lab, first, seen, until=missing.set.stage, later=missing.later)
    return Planned(changes, earlier, missing.set.name)


def _counted(planned: Planned) -> str:
    return f"cannot be applied: {planned.blocker}" if planned.blocker else f"{planned.count} actions"
