"""Deleting a snapshot from machines that are off."""

from __future__ import annotations

from collections.abc import Sequence

from vboxlab.lab import snapshot_sets
from vboxlab.lab.observe import begin
from vboxlab.language import N_, _
from vboxlab.operations.copies import Chosen, OneOrCopies
from vboxlab.operations.door import Door
from vboxlab.operations.questions import Question
from vboxlab.operations.session import Session
from vboxlab.operations.snapshot.members import Members, MembersRequest, after_asking, lost_by, members
from vboxlab.planning.observed import ObservedLab

_HELD_IN = Question(
    N_("throw away what snapshot {snapshot} holds in lab {lab} ({machines})?"),
    N_("throw away what snapshot {snapshot} holds in {count} labs ({machines})?"),
)


def delete(request: MembersRequest, door: Door) -> OneOrCopies[Members]:
    """Delete a snapshot, after asking the door: what the machines are now stays, what it holds is gone.

    Raises UsageError, LabBusy, and what `delete` of the lab layer raises.
    """
    name = request.name

    def one(own: Session, entry: Chosen, _jobs: int) -> Members:
        entry.target(own)  # for a copy that is not there: it says so
        observed = begin(own.context, entry.lab)
        names = members(own, entry.lab, observed, request)
        snapshot_sets.check_deletable(observed, names, name)
        question = _("throw away what snapshot {snapshot} of {machines} of lab {lab} holds?")
        own.context.confirm(entry.lab, question.format(snapshot=name, machines=", ".join(names), lab=entry.lab))
        snapshot_sets.delete(own.context, observed, names, name)
        return Members(entry.lab, tuple(names))

    return after_asking(request, door, one, lost_by(request, _having), question=_HELD_IN, snapshot=name)


def _having(observed: ObservedLab, names: Sequence[str], snapshot: str) -> list[str]:
    return [name for name in names if observed.machines[name].find_snapshots(snapshot)]
