"""Removing a lab, or several copies: machines, disks and snapshots."""

from __future__ import annotations

from collections.abc import Sequence

from vboxlab.errors import UsageError
from vboxlab.lab.down import destroy as remove
from vboxlab.language import _, n_
from vboxlab.lazily import dataclass
from vboxlab.operations.copies import Chosen, OneOrCopies, choose, on_labs
from vboxlab.operations.door import Door
from vboxlab.operations.questions import shortened
from vboxlab.operations.request import LabRequest
from vboxlab.operations.session import Session, opened
from vboxlab.topology.addressing import LabName


@dataclass(frozen=True, kw_only=True)
class DestroyRequest(LabRequest):
    """Which lab to remove: a lab or topology name, None with a copy or several. `yes`: without asking."""

    lab: str | None
    yes: bool = False


@dataclass(frozen=True)
class Destroyed:
    """A lab that is gone, and how many machines were removed for it."""

    lab: LabName
    machines: int


def destroy(request: DestroyRequest, door: Door) -> OneOrCopies[Destroyed]:
    """Remove machines, after asking the door; bases and foreign VMs stay. Raises UsageError when none is named."""
    which = request.which
    if request.lab is None and which.copy is None and not which.several:
        raise UsageError(_("which lab? `destroy` removes none that is not named"), resolution=_("vboxlab status --all"))

    def one(session: Session, entry: Chosen, jobs: int) -> Destroyed:
        return Destroyed(entry.lab, remove(session.context, entry.lab, jobs=jobs))

    with opened(door, request.driver) as session:
        chosen = choose(session, request.lab, request)
        labs = {entry.lab for entry in chosen}
        machines = sorted(machine.name for machine in session.context.machines() if machine.lab in labs)
        if machines and not request.yes:
            door.confirm(_question(chosen, machines))
        return on_labs(session, chosen, request, one, boots=False)


def _question(chosen: Sequence[Chosen], machines: Sequence[str]) -> str:
    if len(chosen) == 1:
        text = n_(
            "remove {count} machine of lab {lab} ({machines})?",
            "remove {count} machines of lab {lab} ({machines})?",
            len(machines),
        )
    else:
        text = n_(
            "remove {count} machine of {labs} labs ({machines})?",
            "remove {count} machines of {labs} labs ({machines})?",
            len(machines),
        )
    return text.format(count=len(machines), lab=chosen[0].lab, labs=len(chosen), machines=shortened(machines))
