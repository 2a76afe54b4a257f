"""What the snapshot verbs share: the machines that a snapshot's name stands for, and the run on labs after asking."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from vboxlab.base.model import Base
from vboxlab.errors import TopologyInvalid, UsageError, VboxlabError
from vboxlab.lab.observe import need_machine, settle
from vboxlab.lab.snapshot_sets import BaseOf
from vboxlab.lazily import dataclass
from vboxlab.operations.copies import Chosen, OneOrCopies, choose, on_labs
from vboxlab.operations.door import Door
from vboxlab.operations.questions import DONE_IN, Question, ask_for_all, asking
from vboxlab.operations.request import LabRequest
from vboxlab.operations.session import Session, opened
from vboxlab.operations.targets import Target
from vboxlab.planning.observed import ObservedLab
from vboxlab.topology.addressing import LabName

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class SnapshotRequest(LabRequest):
    """A request about snapshots of a lab (a lab or topology name; None: the only one).

    `yes`: work may be thrown away.
    """

    lab: str | None = None
    yes: bool = False


@dataclass(frozen=True, kw_only=True)
class MembersRequest(SnapshotRequest):
    """A request about one snapshot, by name or id; `machines` are those meant, where they are not the snapshot's."""

    name: str
    machines: tuple[str, ...] = ()


@dataclass(frozen=True)
class Members:
    """The machines of a lab with whose snapshot something was done."""

    lab: LabName
    machines: tuple[str, ...]


def members(session: Session, lab: LabName, observed: ObservedLab, request: MembersRequest) -> list[str]:
    """Return the machines that a snapshot's name stands for: those named, its snapshot set's, or all of the lab.

    The id of a snapshot stands for the one machine that has it. Raises UsageError for a machine that is none.
    """
    if request.machines:
        return [need_machine(observed, machine).machine for machine in request.machines]
    library = session.library
    try:
        declared = library.snapshot_set(library.find_snapshot_set(request.name))
    except (UsageError, TopologyInvalid):
        declared = None
    if declared is not None and declared.lab == lab.lab:
        return list(declared.machines)
    having = [machine.machine for machine in observed.machines.values() if machine.find_snapshots(request.name)]
    return having or sorted(observed.machines)


def base_of(session: Session, target: Target) -> BaseOf:
    """Return what says of a machine which base it has, None where that cannot be known or nobody logs in to it."""

    def of(machine: str) -> Base | None:
        known = target.blueprint.topology.machines.get(machine) if target.blueprint is not None else None
        if known is not None and not known.configured:
            return None
        try:
            return session.context.bases.get(target.base_of(machine))
        except VboxlabError:
            return None

    return of


def lost_by(
    request: MembersRequest, lost: Callable[[ObservedLab, Sequence[str], str], list[str]]
) -> Callable[[Session, Chosen], list[str]]:
    """Return what says which machines of a lab lose work; `lost` says it of those that the snapshot stands for."""

    def of(session: Session, entry: Chosen) -> list[str]:
        observed = settle(session.context, entry.lab)
        names = members(session, entry.lab, observed, request)
        return lost(observed, [name for name in names if name in observed.machines], request.name)

    return of


def after_asking(
    request: SnapshotRequest,
    door: Door,
    do: Callable[[Session, Chosen, int], T],
    costs: Callable[[Session, Chosen], list[str]],
    *,
    question: Question = DONE_IN,
    snapshot: str = "",
) -> OneOrCopies[T]:
    """Do something to one lab, or to several copies after asking once for all that they would lose (`costs`).

    In a single lab, `do` itself asks context.confirm. Raises UsageError when it is not clear which lab is meant.
    """
    several = request.which.several
    with opened(door, request.driver) as session:
        chosen = choose(session, request.lab, request)
        if several:
            lost = {entry.lab: _counted(costs, session, entry) for entry in chosen} if not request.yes else {}
            confirm = ask_for_all(door, lost, yes=request.yes, question=question, snapshot=snapshot)
        else:
            confirm = asking(door, yes=request.yes)
        # Stopped between two machines, it would be done on some of them.
        return on_labs(session.having(confirm=confirm), chosen, request, do, heed_stop=True, boots=False)


def _counted(costs: Callable[[Session, Chosen], list[str]], session: Session, entry: Chosen) -> list[str]:
    """Return what a copy would lose; nothing where it cannot be told: there the work itself will fail."""
    try:
        entry.target(session)
        return costs(session, entry)
    except VboxlabError:
        return []
