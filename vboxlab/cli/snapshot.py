"""`vboxlab snapshot`: changing snapshots. Looking at them is in snapshot_views.py."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeVar, cast

import click

from vboxlab.cli import options, output, snapshot_views
from vboxlab.errors import UsageError, VboxlabError

if TYPE_CHECKING:
    from vboxlab.cli.session import Target
    from vboxlab.cli.several import Chosen
    from vboxlab.lab.context import Context
    from vboxlab.operations.run_copies import CopyResult
    from vboxlab.planning.observed import ObservedLab

    Work = Callable[[Context, Target, ObservedLab, list[str], int], None]


T = TypeVar("T")


@click.group()
def snapshot() -> None:
    """Take, list, restore and delete snapshots of a whole lab, all or nothing."""


snapshot.add_command(snapshot_views.list_)
snapshot.add_command(snapshot_views.tree)
snapshot.add_command(snapshot_views.diff)


SHARED: tuple[Callable[..., Any], ...] = (
    options.patience, options.jobs, options.driver, options.copies,
    snapshot_views.machine_option, snapshot_views.lab_option,
)  # fmt: skip


def changing(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add what the verbs that change snapshots share."""
    for option in (*SHARED, click.argument("name")):
        command = option(command)
    return command


def restoring(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add what `restore` takes: what the others do, but its NAME may be left out."""
    for option in (
        options.yes,
        click.option("--drop", is_flag=True, help="Forget an interrupted restore; the machines stay as they are."),
        click.option("--finish", is_flag=True, help="Finish an interrupted restore on the machines that it left out."),
        click.option("--no-start", is_flag=True, help="Leave the machines off."),
        *SHARED, click.argument("name", required=False),
    ):  # fmt: skip
        command = option(command)
    return command


@snapshot.command()
@changing
@click.option("--live", is_flag=True, help="Keep the machines running and save their memory too.")
def take(name: str, *, live: bool, **chosen: Any) -> int:
    """Take snapshot NAME of all machines of the lab, switched off for it unless --live."""
    from vboxlab.lab import snapshot_sets

    def work(context: Context, target: Target, observed: ObservedLab, names: list[str], jobs: int) -> None:
        snapshot_sets.take(context, observed, names, name, live=live, jobs=jobs, base_of=_base_of(context, target))

    return _run(name, work, "taken of", **chosen)


@snapshot.command()
@restoring
def restore(
    name: str | None, *, no_start: bool, finish: bool, drop: bool, yes: bool, machines: tuple[str, ...], **chosen: Any
) -> int:
    """Bring machines back to snapshot NAME, all or nothing; those that ran are started again.

    It asks where work would be lost. A restore that was interrupted is ended with --finish: the machines that it had
    not come to go back too; or with --drop: every machine stays as it is.
    """
    from vboxlab.lab import snapshot_sets

    if sum((name is not None, finish, drop)) != 1:
        raise UsageError("give the snapshot's NAME, or --finish or --drop for a restore that was interrupted")
    if name is None:
        if machines or no_start:
            raise UsageError("--finish and --drop are about all machines of the interrupted restore")
        return _end_restore(finish=finish, yes=yes, **chosen)
    wanted = name

    def work(context: Context, target: Target, observed: ObservedLab, names: list[str], jobs: int) -> None:
        snapshot_sets.check_has(observed, names, wanted)
        _warn(context, target, observed, names)
        if lost := snapshot_sets.lost_by_restore(observed, names, wanted):
            context.confirm(target.lab, f"throw away what was done on {', '.join(lost)} of lab {target.lab}?")
        base_of = _base_of(context, target)
        snapshot_sets.restore(context, observed, names, wanted, start=not no_start, jobs=jobs, base_of=base_of)

    return _run(wanted, work, "restored on", lost=snapshot_sets.lost_by_restore, yes=yes, machines=machines, **chosen)


@snapshot.command()
@changing
@options.yes
def delete(name: str, *, yes: bool, **chosen: Any) -> int:
    """Delete snapshot NAME from machines that are off; what they are now stays, what it holds is gone."""
    from vboxlab.lab import snapshot_sets

    def work(context: Context, target: Target, observed: ObservedLab, names: list[str], _jobs: int) -> None:
        snapshot_sets.check_deletable(observed, names, name)
        context.confirm(target.lab, f"throw away what snapshot {name} of {', '.join(names)} of lab {target.lab} holds?")
        snapshot_sets.delete(context, observed, names, name)

    def lost(observed: ObservedLab, names: Sequence[str], _name: str) -> list[str]:
        return [each for each in names if observed.machines[each].find_snapshots(name)]

    doing = f"throw away what snapshot {name} holds in"
    return _run(name, work, "deleted from", lost=lost, yes=yes, doing=doing, **chosen)


def _run(
    name: str,
    work: Work,
    done: str,
    *,
    lost: Callable[[ObservedLab, Sequence[str], str], list[str]] | None = None,
    yes: bool = False,
    doing: str = "throw away what was done in",
    lab: str | None,
    machines: tuple[str, ...],
    which: options.Which,
    driver: str | None,
    jobs: int | None,
    patience: float,
) -> int:
    """Do something to the members of a snapshot, in one lab or in several copies; `lost` says what it would cost."""
    from vboxlab.lab.observe import begin

    def one(context: Context, target: Target, share: int) -> list[str]:
        observed = begin(context, target.lab)
        names = snapshot_views.members(context, target, observed, name, machines)
        work(context, target, observed, names, share)
        return names

    def costs(context: Context, target: Target) -> list[str]:
        observed = _settled(context, target)
        names = snapshot_views.members(context, target, observed, name, machines)
        present = [each for each in names if each in observed.machines]
        return lost(observed, present, name) if lost is not None else []

    results, several_labs = _on_labs(
        one, costs, yes=yes, doing=doing, lab=lab, which=which, driver=driver, jobs=jobs, patience=patience
    )
    return _told(results, lambda found: f"snapshot {name} {done} {', '.join(found)}", several_labs=several_labs)


def _end_restore(
    *,
    finish: bool,
    yes: bool,
    lab: str | None,
    which: options.Which,
    driver: str | None,
    jobs: int | None,
    patience: float,
) -> int:
    """Finish or drop the interrupted restores of one lab or of several copies."""
    from vboxlab.lab.journal import drop_restore, finish_restore
    from vboxlab.lab.observe import begin

    def one(context: Context, target: Target, _share: int) -> str:
        observed = begin(context, target.lab)
        pending = observed.pending
        directory = context.directory(target.lab)
        if pending is None:
            return "no restore is unfinished"
        if not finish:
            drop_restore(directory)
            return f"the restore of {pending.snapshot or 'a snapshot'} is dropped; the machines stay as they are"
        if pending.used:
            used = f"{', '.join(pending.used)} of lab {target.lab}"
            context.confirm(target.lab, f"throw away what was done on {used} since {pending.begun or 'then'}?")
        for name in pending.undone:
            context.guests.forget(observed.machines[name])
        finish_restore(context.driver, directory, observed, pending)
        return f"snapshot {pending.snapshot} restored on {', '.join(pending.undone)} too"

    def costs(context: Context, target: Target) -> list[str]:
        pending = _settled(context, target).pending
        return list(pending.used) if pending is not None and finish else []

    results, several_labs = _on_labs(
        one, costs, yes=yes, lab=lab, which=which, driver=driver, jobs=jobs, patience=patience
    )
    return _told(results, str, several_labs=several_labs)


def _on_labs(
    one: Callable[[Context, Target, int], T],
    costs: Callable[[Context, Target], list[str]],
    *,
    yes: bool,
    doing: str = "throw away what was done in",
    lab: str | None,
    which: options.Which,
    driver: str | None,
    jobs: int | None,
    patience: float,
) -> tuple[list[CopyResult[T]] | list[T], bool]:
    """Do something to one lab, or to several copies after asking once for all that they would lose."""
    from vboxlab.cli import session, several
    from vboxlab.cli.questions import ask_for_all, asking

    with output.progress() as events, session.opened(driver, events) as opened:
        if not which.several:
            target = session.only_lab(opened, lab, which.copy)
            context = replace(opened, confirm=asking(yes=yes))
            # Stopped between two machines, it would be done on some of them.
            with context.directory(target.lab).locked(events, patience=patience), session.stopping_gently(context.stop):
                return [one(context, target, jobs or context.settings.concurrency)], False
        context = several.many(opened)
        chosen = several.choose(context, lab, which)
        lost = {entry.lab: _counted(costs, context, entry) for entry in chosen} if not yes else {}
        return several.each(
            replace(context, confirm=ask_for_all(lost, yes=yes, doing=doing)),
            chosen,
            lambda own, entry, share: one(own, entry.target(own), share),
            jobs=jobs,
            patience=several.patience_of(patience),
        ), True


def _counted(costs: Callable[[Context, Target], list[str]], context: Context, entry: Chosen) -> list[str]:
    """Return what a copy would lose; nothing where it cannot be told: there the work itself will fail."""
    try:
        return costs(context, entry.target(context))
    except VboxlabError:
        return []


def _told(results: list[CopyResult[T]] | list[T], words: Callable[[T], str], *, several_labs: bool) -> int:
    from vboxlab.cli import several

    if several_labs:
        return several.report(cast("list[CopyResult[T]]", results), words)
    output.say(words(cast("list[T]", results)[0]))
    return 0


def _settled(context: Context, target: Target) -> ObservedLab:
    from vboxlab.lab.observe import settle

    return settle(context, target.lab)


def _base_of(context: Context, target: Target) -> Callable[[str], Any]:
    from vboxlab.cli import session
    from vboxlab.errors import VboxlabError

    def base_of(machine: str) -> Any:
        try:
            return context.bases.get(session.base_of(target, machine))
        except VboxlabError:
            return None

    return base_of


def _warn(context: Context, target: Target, observed: ObservedLab, names: Sequence[str]) -> None:
    from vboxlab.events import Note
    from vboxlab.lab.snapshot_views import split_clusters

    if target.blueprint is not None:
        for warning in split_clusters(target.blueprint.topology, observed, names):
            context.events(Note(warning, level="warning"))
