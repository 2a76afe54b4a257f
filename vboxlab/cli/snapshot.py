"""`vboxlab snapshot`: changing snapshots. Looking at them is in snapshot_views.py."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import click

from vboxlab.cli import options, output, snapshot_views
from vboxlab.errors import UsageError
from vboxlab.language import N_, _

if TYPE_CHECKING:
    from vboxlab.operations.copies import OneOrCopies
    from vboxlab.operations.door import Door
    from vboxlab.operations.snapshot.members import Members
    from vboxlab.operations.snapshot.restore import RestoreEnded

R = TypeVar("R")
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
        click.option("--drop", is_flag=True, help=N_("Forget an interrupted restore; the machines stay as they are.")),
        click.option(
            "--finish", is_flag=True, help=N_("Finish an interrupted restore on the machines that it left out.")
        ),
        click.option("--no-start", is_flag=True, help=N_("Leave the machines off.")),
        *SHARED, click.argument("name", required=False),
    ):  # fmt: skip
        command = option(command)
    return command


@snapshot.command()
@changing
@click.option("--live", is_flag=True, help=N_("Keep the machines running and save their memory too."))
def take(name: str, *, live: bool, **chosen: Any) -> int:
    """Take snapshot NAME of all machines of the lab, switched off for it unless --live."""
    from vboxlab.operations.snapshot.take import TakeRequest
    from vboxlab.operations.snapshot.take import take as take_snapshot

    request = TakeRequest(name=name, live=live, **chosen)
    return _done(take_snapshot, request, _telling(N_("snapshot {snapshot} taken of {machines}"), name))


@snapshot.command()
@restoring
def restore(
    name: str | None, *, no_start: bool, finish: bool, drop: bool, machines: tuple[str, ...], **chosen: Any
) -> int:
    """Bring machines back to snapshot NAME, all or nothing; those that ran are started again.

    It asks where work would be lost. A restore that was interrupted is ended with --finish: the machines that it had
    not come to go back too; or with --drop: every machine stays as it is.
    """
    from vboxlab.operations.snapshot.restore import EndRestoreRequest, RestoreRequest, end_restore
    from vboxlab.operations.snapshot.restore import restore as restore_snapshot

    if sum((name is not None, finish, drop)) != 1:
        raise UsageError(_("give the snapshot's NAME, or --finish or --drop for a restore that was interrupted"))
    if name is not None:
        request = RestoreRequest(name=name, machines=machines, start=not no_start, **chosen)
        return _done(restore_snapshot, request, _telling(N_("snapshot {snapshot} restored on {machines}"), name))
    if machines or no_start:
        raise UsageError(_("--finish and --drop are about all machines of the interrupted restore"))
    return _done(end_restore, EndRestoreRequest(finish=finish, **chosen), lambda ended: _ended(ended, finish=finish))


def _ended(ended: RestoreEnded, *, finish: bool) -> str:
    if not ended.unfinished:
        return _("no restore is unfinished")
    if finish:
        text = _("snapshot {snapshot} restored on {machines} too")
    elif ended.snapshot:
        text = _("the restore of {snapshot} is dropped; the machines stay as they are")
    else:
        text = _("the restore of a snapshot is dropped; the machines stay as they are")
    return text.format(snapshot=ended.snapshot, machines=", ".join(ended.machines))


@snapshot.command()
@changing
@options.yes
def delete(name: str, **chosen: Any) -> int:
    """Delete snapshot NAME from machines that are off; what they are now stays, what it holds is gone."""
    from vboxlab.operations.snapshot.delete import delete as delete_snapshot
    from vboxlab.operations.snapshot.members import MembersRequest

    request = MembersRequest(name=name, **chosen)
    return _done(delete_snapshot, request, _telling(N_("snapshot {snapshot} deleted from {machines}"), name))


def _telling(text: str, name: str) -> Callable[[Members], str]:
    """Return what tells what was done with a snapshot of machines; `text` is marked for translation."""
    return lambda done: _(text).format(snapshot=name, machines=", ".join(done.machines))


def _done(operation: Callable[[R, Door], OneOrCopies[T]], request: R, words: Callable[[T], str]) -> int:
    """Carry a request out, and say of the lab what came out, or of each copy in a summary."""
    from vboxlab.cli import summary
    from vboxlab.cli.terminal import Terminal

    with output.progress() as events:
        result = operation(request, Terminal(events))
    if isinstance(result, list):
        return summary.report(result, words)
    output.say(words(result))
    return 0
