"""Looking at the snapshots of a lab, changing nothing: as a list, as trees, and what a restore would change."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

from vboxlab.lab.observe import observed_lab
from vboxlab.lab.planned import make_plan
from vboxlab.lab.snapshot_sets import SnapshotRow, check_has, snapshot_rows
from vboxlab.lab.snapshot_views import RestoreDiff, restore_diff, split_clusters, tree_lines
from vboxlab.lazily import dataclass
from vboxlab.operations.copies import choose
from vboxlab.operations.door import Door
from vboxlab.operations.session import opened
from vboxlab.operations.snapshot.members import MembersRequest, SnapshotRequest, members
from vboxlab.planning.observed import ObservedLab
from vboxlab.topology.addressing import LabName

T = TypeVar("T")


@dataclass(frozen=True)
class Diff:
    """What restoring a snapshot would change in a lab that is in a topology, and what it would hurt."""

    topology: str
    found: RestoreDiff
    warnings: Sequence[str]


def list_snapshots(request: SnapshotRequest, door: Door) -> Mapping[LabName, list[SnapshotRow]]:
    """Return the snapshots of each lab: which machines have each, and which stand on it. Raises UsageError."""
    return _of_each(request, door, snapshot_rows)


def snapshot_trees(request: SnapshotRequest, door: Door) -> Mapping[LabName, list[str]]:
    """Return the snapshots of each lab as lines of trees, with the place where each machine is. Raises UsageError."""
    return _of_each(request, door, tree_lines)


def _of_each(request: SnapshotRequest, door: Door, view: Callable[[ObservedLab], T]) -> Mapping[LabName, T]:
    with opened(door, request.driver) as session:
        chosen = choose(session, request.lab, request)
        driver, host = session.context.driver, session.context.machines()
        return {entry.lab: view(observed_lab(driver, host, entry.lab)) for entry in chosen}


def diff_snapshot(request: MembersRequest, door: Door) -> Diff:
    """Return what restoring a snapshot would change in one lab, and what `up` would have to do then.

    Raises UsageError, SnapshotNotFound.
    """
    with opened(door, request.driver) as session:
        (entry,) = choose(session, request.lab, request)
        _plan, desired, observed = make_plan(session.context, entry.target(session).needed, entry.lab)
        names = members(session, entry.lab, observed, request)
        check_has(observed, names, request.name)
        found = restore_diff(desired, observed, names, request.name)
        return Diff(desired.topology.name, found, split_clusters(desired.topology, observed, names))
