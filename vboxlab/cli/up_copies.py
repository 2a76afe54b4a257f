"""`vboxlab up` on several copies: what fits first, the images once, then the copies side by side."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

from vboxlab.cli import several
from vboxlab.cli.questions import ask_for_all
from vboxlab.cli.up import check_stage
from vboxlab.errors import CopyStopped, VboxlabError
from vboxlab.events import Note
from vboxlab.lab.capacity import check_capacity, demand, room, shortfalls
from vboxlab.lab.context import Context
from vboxlab.lab.down import down
from vboxlab.lab.images import ensure_images
from vboxlab.lab.observe import see
from vboxlab.lab.up import UpResult, losses_on_the_way, missing_source
from vboxlab.lab.up import up as bring_up
from vboxlab.operations.request import Which
from vboxlab.operations.run_copies import CopyResult
from vboxlab.planning.observed import PowerState
from vboxlab.planning.planner import UNTIL_CREATED
from vboxlab.topology.addressing import LabName

if TYPE_CHECKING:
    from vboxlab.cli.session import Target

DOWN_SECONDS = 60.0


def up_copies(
    context: Context,
    topology: str,
    which: Which,
    values: Mapping[str, str],
    *,
    until: str | None,
    at_most: int | None,
    force: bool,
    gui: bool,
    jobs: int | None,
    patience: float,
    yes: bool,
) -> list[CopyResult[UpResult]]:
    """Bring copies up and return what became of each; one whose topology is wrong with its values fails alone.

    It is asked once where copies would lose work. Raises LabError, before anything is made, when they do not fit on
    this computer; BaseError when images cannot be made.
    """
    context = several.many(context)
    chosen = several.choose(context, topology, which, parameters=True)
    targets: dict[LabName, Target] = {}
    wrong: list[CopyResult[UpResult]] = []
    for entry in chosen:
        try:
            target = entry.target(context, values)
            check_stage(target, until)
            targets[entry.lab] = target
        except VboxlabError as error:
            wrong.append(CopyResult(entry.lab, "failed", step="read the topology", error=error))
    lost = {lab: _lost(context, target, until) for lab, target in targets.items()}
    context = replace(context, confirm=ask_for_all(lost, yes=yes))
    prepare(context, list(targets.values()), until=until, at_most=at_most, force=force)

    def one(own: Context, entry: several.Chosen, share: int) -> UpResult:
        result = bring_up(own, targets[entry.lab].needed, entry.lab, until=until, jobs=share, gui=gui)
        if at_most is not None and not result.stopped:
            down(own, entry.lab, timeout=DOWN_SECONDS, hard=False, jobs=share)
        if result.stopped:
            raise CopyStopped(f"stopped after {result.actions} actions")
        return result

    # Copies that run already come first: they count against what may run at once.
    order = [entry for entry in chosen if entry.lab in targets]
    if at_most is not None:
        order.sort(key=lambda entry: not _runs(context, entry))
    results = several.each(context, order, one, jobs=jobs, patience=patience, at_most=at_most)
    return sorted([*wrong, *results], key=lambda result: [entry.lab for entry in chosen].index(result.lab))


def _lost(context: Context, target: Target, until: str | None) -> list[str]:
    """Return the machines of a copy that lose work; none where it cannot be planned: there `up` will fail."""
    try:
        return list(losses_on_the_way(context, target.needed, target.lab, until=until))
    except VboxlabError:
        return []


def prepare(
    context: Context, targets: list[Target], *, until: str | None, at_most: int | None, force: bool
) -> None:  # fmt: skip
    """Check that everything fits, and make the images that the copies share."""
    boots = until != UNTIL_CREATED
    demands = [demand(target.needed.topology, see(context, target.lab), boots=boots) for target in targets]
    left = room(context.settings.home, context.machines())
    if not force:
        check_capacity(demands, left, at_most_running=at_most)
    else:
        for line in shortfalls(demands, left, at_most_running=at_most):
            context.events(Note(line, level="warning"))
    blueprints = [target.needed for target in targets]
    for target in targets if boots else ():
        with suppress(VboxlabError):  # of one that cannot be planned its own `up` tells
            missing = missing_source(context, target.needed, target.lab, see(context, target.lab))
            if missing is not None:
                blueprints.append(target.needed.load(missing.set.topology))
    if blueprints:
        ensure_images(context, blueprints)


def _runs(context: Context, entry: several.Chosen) -> bool:
    return any(machine.power is PowerState.RUNNING for machine in see(context, entry.lab).machines.values())
