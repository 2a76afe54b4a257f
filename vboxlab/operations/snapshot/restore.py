"""Bringing machines back to a snapshot, and ending a restore that was interrupted."""

from __future__ import annotations

from vboxlab.events import Note
from vboxlab.lab import snapshot_sets
from vboxlab.lab.journal import drop_restore, finish_restore
from vboxlab.lab.observe import begin, settle
from vboxlab.lab.snapshot_views import split_clusters
from vboxlab.language import _
from vboxlab.lazily import dataclass
from vboxlab.operations.copies import Chosen, OneOrCopies
from vboxlab.operations.door import Door
from vboxlab.operations.session import Session
from vboxlab.operations.snapshot.members import (
    Members,
    MembersRequest,
    SnapshotRequest,
    after_asking,
    base_of,
    lost_by,
    members,
)
from vboxlab.topology.addressing import LabName


@dataclass(frozen=True, kw_only=True)
class RestoreRequest(MembersRequest):
    """Which snapshot to go back to. Without `start` the machines are left off."""

    start: bool = True


@dataclass(frozen=True, kw_only=True)
class EndRestoreRequest(SnapshotRequest):
    """How to end an interrupted restore: finish it on the machines that it left out, or drop it."""

    finish: bool


@dataclass(frozen=True)
class RestoreEnded:
    """Which restore was ended, on which machines; `snapshot` is None where none was unfinished, or not recorded."""

    lab: LabName
    unfinished: bool
    snapshot: str | None = None
    machines: tuple[str, ...] = ()


def restore(request: RestoreRequest, door: Door) -> OneOrCopies[Members]:
    """Bring machines back to a snapshot, all or nothing; those that ran are started again.

    The door is asked where work would be lost. Raises UsageError, LabBusy, and what `restore` of the lab layer raises.
    """
    name = request.name

    def one(own: Session, entry: Chosen, jobs: int) -> Members:
        target = entry.target(own)
        observed = begin(own.context, entry.lab)
        names = members(own, entry.lab, observed, request)
        snapshot_sets.check_has(observed, names, name)
        if target.blueprint is not None:
            for warning in split_clusters(target.blueprint.topology, observed, names):
                own.context.events(Note(warning, level="warning"))
        if lost := snapshot_sets.lost_by_restore(observed, names, name):
            question = _("throw away what was done on {machines} of lab {lab}?")
            own.context.confirm(entry.lab, question.format(machines=", ".join(lost), lab=entry.lab))
        snapshot_sets.restore(
            own.context, observed, names, name, start=request.start, jobs=jobs, base_of=base_of(own, target)
        )
        return Members(entry.lab, tuple(names))

    return after_asking(request, door, one, lost_by(request, snapshot_sets.lost_by_restore))


def end_restore(request: EndRestoreRequest, door: Door) -> OneOrCopies[RestoreEnded]:
    """Finish or drop interrupted restores; the door is asked where finishing one loses work done since.

    Raises UsageError when it is not clear which lab is meant, LabBusy, and what `finish_restore` raises.
    """

    def one(own: Session, entry: Chosen, _jobs: int) -> RestoreEnded:
        entry.target(own)  # for a copy that is not there: it says so
        context = own.context
        observed = begin(context, entry.lab)
        pending = observed.pending
        directory = context.directory(entry.lab)
        if pending is None:
            return RestoreEnded(entry.lab, unfinished=False)
        if not request.finish:
            drop_restore(directory)
            return RestoreEnded(entry.lab, unfinished=True, snapshot=pending.snapshot)
        if pending.used:
            if pending.begun:
                question = _("throw away what was done on {machines} of lab {lab} since {begun}?")
            else:
                question = _("throw away what was done on {machines} of lab {lab} since then?")
            used = ", ".join(pending.used)
            context.confirm(entry.lab, question.format(machines=used, lab=entry.lab, begun=pending.begun))
        for name in pending.undone:
            context.guests.forget(observed.machines[name])
        finish_restore(context.driver, directory, observed, pending)
        return RestoreEnded(entry.lab, unfinished=True, snapshot=pending.snapshot, machines=tuple(pending.undone))

    def costs(session: Session, entry: Chosen) -> list[str]:
        pending = settle(session.context, entry.lab).pending
        return list(pending.used) if pending is not None and request.finish else []

    return after_asking(request, door, one, costs)
