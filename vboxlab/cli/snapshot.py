"""`vboxlab snapshot`: changing snapshots. Looking at them is in snapshot_views.py."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import click

from vboxlab.cli import options, output, snapshot_views

if TYPE_CHECKING:
    from vboxlab.cli.session import Target
    from vboxlab.lab.context import Context
    from vboxlab.planning.observed import ObservedLab

    Work = Callable[[Context, Target, ObservedLab, list[str], int], None]


@click.group()
def snapshot() -> None:
    """Take, list, restore and delete snapshots of a whole lab, all or nothing."""


snapshot.add_command(snapshot_views.list_)
snapshot.add_command(snapshot_views.tree)
snapshot.add_command(snapshot_views.diff)


def changing(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add what the verbs that change snapshots share."""
    for option in (
        options.patience, options.jobs, options.driver, options.copies,
        snapshot_views.machine_option, snapshot_views.lab_option, click.argument("name"),
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
@changing
@click.option("--no-start", is_flag=True, help="Leave the machines off.")
def restore(name: str, *, no_start: bool, **chosen: Any) -> int:
    """Bring machines back to snapshot NAME, all or nothing; those that ran are started again."""
    from vboxlab.lab import snapshot_sets
    from vboxlab.lab.journal import finish_restore

    def work(context: Context, target: Target, observed: ObservedLab, names: list[str], jobs: int) -> None:
        snapshot_sets.check_has(observed, names, name)
        _warn(context, target, observed, names)
        if finish_restore(context, observed, unless=names):
            observed = _settled(context, target)
        base_of = _base_of(context, target)
        snapshot_sets.restore(context, observed, names, name, start=not no_start, jobs=jobs, base_of=base_of)

    return _run(name, work, "restored on", finish=False, **chosen)


@snapshot.command()
@changing
def delete(name: str, **chosen: Any) -> int:
    """Delete snapshot NAME from machines that are off; what they are now stays."""
    from vboxlab.lab import snapshot_sets

    def work(context: Context, _target: Target, observed: ObservedLab, names: list[str], _jobs: int) -> None:
        snapshot_sets.delete(context, observed, names, name)

    return _run(name, work, "deleted from", **chosen)


def _run(
    name: str,
    work: Work,
    done: str,
    *,
    finish: bool = True,
    lab: str | None,
    machines: tuple[str, ...],
    which: options.Which,
    driver: str | None,
    jobs: int | None,
    patience: float,
) -> int:
    """Do something to the members of a snapshot, in one lab or in several copies."""
    from vboxlab.cli import session, several
    from vboxlab.lab.journal import finish_restore

    def one(context: Context, target: Target, share: int) -> list[str]:
        observed = _settled(context, target)
        if finish and finish_restore(context, observed):
            observed = _settled(context, target)
        names = snapshot_views.members(context, target, observed, name, machines)
        work(context, target, observed, names, share)
        return names

    with output.progress() as events, session.opened(driver, events) as opened:
        if which.several:
            context = several.many(opened)
            results = several.each(
                context,
                several.choose(context, lab, which),
                lambda own, entry, share: one(own, entry.target(own), share),
                jobs=jobs,
                patience=several.patience_of(patience),
            )
        else:
            target = session.only_lab(opened, lab, which.copy)
            with opened.directory(target.lab).locked(events, patience=patience):
                names = one(opened, target, jobs or opened.settings.concurrency)
    if which.several:
        return several.report(results, lambda found: f"snapshot {name} {done} {', '.join(found)}")
    output.say(f"snapshot {name} {done} {', '.join(names)}")
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
