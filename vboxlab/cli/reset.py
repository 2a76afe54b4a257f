"""`vboxlab reset`."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import click

from vboxlab.cli import options, output
from vboxlab.cli.questions import ask_for_all

if TYPE_CHECKING:
    from vboxlab.cli.several import Chosen
    from vboxlab.lab.context import Context


@click.command()
@click.argument("lab", required=False)
@options.set_values
@options.copies
@options.driver
@options.jobs
@options.patience
@options.yes
@options.as_json
@click.option("--to", "snapshot", metavar="SNAPSHOT", help="Go back to this snapshot instead of the topology's last.")
@click.option("--keep", metavar="NAME", help="Keep what the machines are now as a snapshot of this name first.")
@click.option("--up/--no-up", "bring_up", default=None,
              help="Bring the lab up afterwards, or leave it off (default: up if a machine of it ran).")  # fmt: skip
def reset(
    lab: str | None,
    values: dict[str, str],
    which: options.Which,
    driver: str | None,
    jobs: int | None,
    patience: float,
    snapshot: str | None,
    keep: str | None,
    *,
    yes: bool,
    as_json: bool,
    bring_up: bool | None,
) -> int:
    """Bring LAB (a lab or topology name; default: the only one) back to the beginning of its exercise.

    Its machines go back to the last snapshot that a stage of the topology ends in (srv-web and srv-web-bis to
    apache-base, for failover), all or none; then the lab is brought up, repaired and checked.
    """
    from vboxlab.cli import session, several
    from vboxlab.lab.reset import ResetResult
    from vboxlab.lab.reset import reset as bring_back

    with session.opened(driver, quiet=as_json) as opened:
        context = several.many(opened)
        chosen = several.choose_or_only(context, lab, which)
        lost = {entry.lab: _lost(context, entry, values, snapshot) for entry in chosen}
        context = replace(context, confirm=ask_for_all(lost, yes=yes, kept=f", kept as {keep} before," if keep else ""))
        with output.progress(as_json=as_json) as events:

            def one(own: Context, entry: several.Chosen, share: int) -> ResetResult:
                target = entry.target(own, values)
                return bring_back(
                    own, target.needed, entry.lab, snapshot=snapshot, keep=keep, bring_up=bring_up, jobs=share
                )

            results = several.each(
                several.with_events(context, events),
                chosen,
                one,
                jobs=jobs,
                patience=several.patience_of(patience) if which.several else patience,
            )
    if not which.several and results[0].error is not None:
        raise results[0].error
    return several.report(results, _said, as_json=as_json)


def _lost(context: Context, entry: Chosen, values: dict[str, str], snapshot: str | None) -> list[str]:
    """Return the machines of a lab that lose work by a reset; none where it cannot be told: there it will fail."""
    from vboxlab.errors import VboxlabError
    from vboxlab.lab.observe import settle
    from vboxlab.lab.reset import lost_by_reset

    try:
        return lost_by_reset(entry.target(context, values).needed, settle(context, entry.lab), snapshot)
    except VboxlabError:
        return []


def _said(result: object) -> str:
    from vboxlab.cli.up import said
    from vboxlab.lab.reset import ResetResult

    assert isinstance(result, ResetResult)  # noqa: S101 -- for the type checker: verbs load their modules late
    back = f"{', '.join(result.machines)} back to {result.snapshot}"
    return f"{back}; left off" if result.brought_up is None else f"{back}; up again: {said(result.brought_up)}"
