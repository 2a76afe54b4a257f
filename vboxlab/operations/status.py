"""`status`: the machines of a lab, or all labs, as they are now."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from vboxlab.errors import LabError, TopologyInvalid, UsageError
from vboxlab.lab.listing import Listing
from vboxlab.lab.observe import settle
from vboxlab.lab.overview import LabStatus, overview
from vboxlab.lab.pending_faults import PendingFault, read_faults, told
from vboxlab.lab.planned import make_plan
from vboxlab.lab.status import MachineStatus, machine_statuses
from vboxlab.language import _
from vboxlab.lazily import dataclass
from vboxlab.operations.copies import choose
from vboxlab.operations.door import Door
from vboxlab.operations.request import LabRequest
from vboxlab.operations.session import Session, opened
from vboxlab.operations.targets import only_target
from vboxlab.planning.observed import PendingRestore
from vboxlab.planning.pending import FINISH_OR_DROP, describe_pending
from vboxlab.topology.addressing import LabName
from vboxlab.topology.library import Library
from vboxlab.topology.model import Topology


@dataclass(frozen=True, kw_only=True)
class StatusRequest(LabRequest):
    """The lab or topology (None: the only one; with several copies: all labs)."""

    lab: str | None = None


@dataclass(frozen=True)
class LabState:
    """The machines of one lab.

    `problem` says why its topology cannot be read, and `faults_problem` why it is not known which faults a
    verification has left in force; "" when it is.
    """

    lab: LabName
    topology: str | None
    pending: PendingRestore | None
    problem: str
    machines: Sequence[MachineStatus]
    faults: Sequence[PendingFault] = ()
    faults_problem: str = ""

    def fault_lines(self) -> Sequence[str]:
        """Say what a verification has left in force, and what undoes it."""
        if self.faults_problem:
            return (self.faults_problem,)
        return told(self.faults, self.topology or self.lab.lab)

    def pending_lines(self) -> list[str]:
        """Say what an interrupted restore was, and what can be done with it."""
        return [*describe_pending(self.pending), _(FINISH_OR_DROP)] if self.pending else []

    def record(self) -> dict[str, Any]:
        """Return it as plain data; keys are stable."""
        return {
            "lab": self.lab.lab,
            "copy": self.lab.copy,
            "topology": self.topology,
            "pending_restore": asdict(self.pending) if self.pending else None,
            "faults_in_force": [each.words for each in self.faults],
            "faults_problem": self.faults_problem,
            "machines": [asdict(row) for row in self.machines],
        }


@dataclass(frozen=True)
class LabsState:
    """Several labs, one line each, and those of a roll that do not exist."""

    labs: Sequence[LabStatus]
    absent: Sequence[LabName]

    def records(self) -> list[dict[str, Any]]:
        """Return those that exist as plain data; keys are stable."""
        return [asdict(row) for row in self.labs]


Look = Callable[[], LabState | LabsState]


@contextmanager
def watching(request: StatusRequest, door: Door) -> Iterator[Look]:
    """Open the driver, and return what looks at one lab or several as often as wanted. Files are read at each look.

    Raises UsageError when it is not clear which lab is meant; a look raises it too.
    """
    with opened(door, request.driver) as session:

        def look() -> LabState | LabsState:
            now = replace(session, library=Library(session.settings)).having(listing=Listing(session.context.driver))
            return _several(now, request) if request.which.several else _one(now, request)

        yield look


def _one(session: Session, request: StatusRequest) -> LabState:
    target = only_target(session, request.lab, copy=request.which.copy)
    if target.blueprint is not None:
        _plan, desired, observed = make_plan(session.context, target.blueprint, target.lab)
    else:
        desired, observed = None, settle(session.context, target.lab)
    problem = target.problem.brief if target.problem is not None else ""
    faults, faults_problem = _faults(session.context.directory(target.lab).faults)
    rows = machine_statuses(observed, desired)
    return LabState(target.lab, observed.topology, observed.pending, problem, rows, faults, faults_problem)


def _faults(path: Path) -> tuple[Sequence[PendingFault], str]:
    """Return the faults in force, and why they are not known: a damaged record hides nothing else of a lab."""
    try:
        return read_faults(path), ""
    except LabError as error:
        return (), error.in_one_line()


def _several(session: Session, request: StatusRequest) -> LabsState:
    named = request.lab or request.which.roll
    wanted = {entry.lab for entry in choose(session, request.lab, request)} if named else None
    rows = overview(session.settings.home, session.context.machines(), lambda name: _topology(session.library, name))
    if wanted is None:
        return LabsState(rows, ())
    rows = [row for row in rows if row.name in wanted]
    return LabsState(rows, sorted(wanted - {row.name for row in rows}, key=str))


def _topology(library: Library, name: str) -> Topology | None:
    try:
        return library.topology(library.find_topology(name))
    except (TopologyInvalid, UsageError):
        return None
