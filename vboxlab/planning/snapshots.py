"""Which snapshot is meant: VirtualBox lets a machine have several of one name, so each has an id too."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from vboxlab.errors import SnapshotAmbiguous, SnapshotNotFound
from vboxlab.language import C_, _
from vboxlab.planning.observed import SHORT_ID, ObservedMachine, SnapshotState


def need_snapshot(machine: str, snapshots: Sequence[SnapshotState], word: str) -> SnapshotState:
    """Return the snapshot of a machine that a name, an id or the beginning of an id stands for.

    Raises SnapshotNotFound with the names that there are, SnapshotAmbiguous with the ids of all that may be meant.
    """
    found = [snapshot for snapshot in snapshots if snapshot.answers_to(word)]
    if not found:
        names = ", ".join(snapshot.name for snapshot in snapshots) or C_("snapshots", "none")
        raise SnapshotNotFound(
            _("{machine} has no snapshot {word!r}").format(machine=machine, word=word),
            details=[_("it has: {snapshots}").format(snapshots=names)],
        )
    if len(found) > 1:
        raise ambiguous([(machine, snapshot) for snapshot in found], word)
    return found[0]


def ambiguous(found: Sequence[tuple[str, SnapshotState]], word: str) -> SnapshotAmbiguous:
    """Return the error for a word that several snapshots answer to; `found` has their machines too."""
    machines = ", ".join(dict.fromkeys(machine for machine, _snapshot in found))
    text = _("{machines}: several snapshots may be meant by {word!r}; nothing was changed")
    return SnapshotAmbiguous(
        text.format(machines=machines, word=word),
        details=[described(machine, snapshot) for machine, snapshot in found],
        resolution=_("name the one that is meant by its id, or delete the others: `vboxlab snapshot delete ID`"),
    )


def check_one_each(machines: Mapping[str, ObservedMachine], word: str) -> None:
    """Raise SnapshotAmbiguous unless a word means at most one snapshot of each machine, and the same way on all.

    An id of one machine's snapshot that is the name of another's is refused too.
    """
    found = [(name, snapshot) for name, machine in machines.items() for snapshot in machine.find_snapshots(word)]
    twice = [entry for entry in found if len(machines[entry[0]].find_snapshots(word)) > 1]
    if twice:
        raise ambiguous(twice, word)
    if len({snapshot.name == word for _name, snapshot in found}) > 1:
        raise ambiguous(found, word)


def described(machine: str, snapshot: SnapshotState) -> str:
    """Return a line that tells a snapshot from all others."""
    text = _("{machine}: {id}  {name}, live, {taken}") if snapshot.live else _("{machine}: {id}  {name}, {taken}")
    return text.format(machine=machine, id=snapshot.id, name=snapshot.name, taken=snapshot.taken_at)


def doubtful(machine: ObservedMachine, snapshot: SnapshotState) -> bool:
    """Tell whether a snapshot's name does not suffice to name it."""
    return len(machine.find_snapshots(snapshot.name)) > 1


def short_id(machine: ObservedMachine, snapshot: SnapshotState) -> str:
    """Return the beginning of a snapshot's id, as long as is needed to name it."""
    others = [other for other in machine.snapshots if other is not snapshot]
    lengths = range(SHORT_ID, len(snapshot.id))
    fitting = (snapshot.id[:n] for n in lengths if not any(other.answers_to(snapshot.id[:n]) for other in others))
    return next(fitting, snapshot.id)
