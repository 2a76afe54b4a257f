"""Taking a snapshot of all machines of a lab."""

from __future__ import annotations

from vboxlab.lab import snapshot_sets
from vboxlab.lab.observe import begin
from vboxlab.lazily import dataclass
from vboxlab.operations.copies import Chosen, OneOrCopies
from vboxlab.operations.door import Door
from vboxlab.operations.session import Session
from vboxlab.operations.snapshot.members import Members, MembersRequest, after_asking, base_of, members


@dataclass(frozen=True, kw_only=True)
class TakeRequest(MembersRequest):
    """What to call the snapshot. `live`: the machines run on, and their memory is kept too."""

    live: bool = False


def take(request: TakeRequest, door: Door) -> OneOrCopies[Members]:
    """Take a snapshot, of machines that are switched off for it unless it is live.

    Raises UsageError, LabBusy, and what `take` of the lab layer raises.
    """

    def one(own: Session, entry: Chosen, jobs: int) -> Members:
        target = entry.target(own)
        observed = begin(own.context, entry.lab)
        names = members(own, entry.lab, observed, request)
        snapshot_sets.take(
            own.context, observed, names, request.name, live=request.live, jobs=jobs, base_of=base_of(own, target)
        )
        return Members(entry.lab, tuple(names))

    return after_asking(request, door, one, lambda _session, _entry: [])
