"""Restoring snapshots on several machines, written down so that an interruption is known, and what it had come to.

The record is on the disk before the first machine goes back, and says after each one that it did. Nothing finishes it
unasked where that could lose work: a machine that was started since is nobody's to throw away.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path

from vboxlab.errors import LabError, SnapshotNotFound, VboxlabError
from vboxlab.files import remove_durably, write_durably
from vboxlab.hypervisor.driver import Driver
from vboxlab.lab.directory import LabDirectory
from vboxlab.lab.pending_faults import forget_restored
from vboxlab.language import _
from vboxlab.lazily import dataclass
from vboxlab.planning.observed import ObservedLab, ObservedMachine, PendingRestore, PowerState
from vboxlab.planning.pending import FINISH_OR_DROP, describe_pending
from vboxlab.planning.snapshot_states import would_lose
from vboxlab.planning.snapshots import check_one_each

VERSION = 2


@dataclass(frozen=True)
class Journal:
    """A restore under way. `stopped` holds each machine's last_power_change once all were off, before any went back."""

    snapshot: str
    machines: tuple[str, ...]
    begun: str = ""  # ISO 8601, UTC; "" in records of versions that wrote none
    done: tuple[str, ...] = ()
    stopped: Mapping[str, str] | None = None

    @property
    def undone(self) -> tuple[str, ...]:
        """Return the machines that have not gone back, as far as was recorded."""
        return tuple(name for name in self.machines if name not in self.done)


class JournalUnreadable(LabError):
    """The record of a restore is there and cannot be read."""


def write_journal(path: Path, journal: Journal) -> None:
    """Write down, atomically and flushed to the disk, how far a restore has come. Raises LabError where it cannot."""
    try:
        write_durably(path, json.dumps({"version": VERSION, **asdict(journal)}, ensure_ascii=False))
    except OSError as error:
        said = error.strerror or str(error)
        raise LabError(
            _("{file}: the restore of {snapshot} cannot be recorded: {error}").format(
                file=path, snapshot=journal.snapshot, error=_(said)
            ),
            details=[
                _("restored so far: {machines}").format(machines=", ".join(journal.done))
                if journal.done
                else _("restored so far: no machine")
            ],
            resolution=_("make room on the disk of that folder, or give yourself the right to write there"),
        ) from error


def read_journal(path: Path) -> Journal | None:
    """Return the restore that was under way, None when there was none. Raises JournalUnreadable; the file stays.

    A record of the first version (without date) that only had machines to start left stands for none.
    """
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise JournalUnreadable(_("{subject}: {problem}").format(subject=path, problem=error)) from error
    try:
        version = record.get("version", 1)
        if version not in (1, VERSION):
            text = _("{file}: version {version!r}, written by a newer vboxlab")
            raise JournalUnreadable(text.format(file=path, version=version))
        machines, done = (tuple(_names(record.get(key, []))) for key in ("machines", "done"))
        stopped = record.get("stopped")
        known = None if stopped is None else {str(name): str(word) for name, word in stopped.items()}
        journal = Journal(_text(record["snapshot"]), machines, _text(record.get("begun", "")), done, known)
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise JournalUnreadable(_("{file}: is no record of a restore").format(file=path)) from error
    return journal if journal.undone else None


def _names(value: object) -> list[str]:
    if not isinstance(value, list):
        raise TypeError
    return [_text(name) for name in value]


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError
    return value


def pending_restore(directory: LabDirectory, observed: ObservedLab) -> PendingRestore | None:
    """Return the restore that an earlier command began and did not end, None when there is none. Changes nothing."""
    try:
        journal = read_journal(directory.journal)
    except JournalUnreadable as error:
        return PendingRestore(unknown=error.brief)
    if journal is None:
        return None
    left = {name: observed.machines[name] for name in journal.undone if name in observed.machines}
    # Killed between the restore and its line in the record, a machine stands on the snapshot.
    undone = {name: machine for name, machine in left.items() if would_lose(machine, journal.snapshot)}
    if not undone:
        return None
    return PendingRestore(
        snapshot=journal.snapshot,
        begun=journal.begun,
        done=tuple(name for name in journal.machines if name not in undone and name in observed.machines),
        undone=tuple(undone),
        used=tuple(name for name, machine in undone.items() if not _stood_still(machine, journal)),
        impossible=tuple(
            _impossible(name, journal.snapshot, len(found))
            for name, machine in undone.items()
            if len(found := machine.find_snapshots(journal.snapshot)) != 1
        ),
    )


def _impossible(machine: str, snapshot: str, count: int) -> str:
    if not count:
        return _("{machine} no longer has the snapshot {snapshot}").format(machine=machine, snapshot=snapshot)
    text = _("{machine} has {count} snapshots that {snapshot} may mean")
    return text.format(machine=machine, count=count, snapshot=snapshot)


def record_progress(directory: LabDirectory, pending: PendingRestore | None) -> None:
    """Write down which machines an interrupted restore had come to, before anything is started on them.

    It has ended their faults. Killed just after a machine went back, it had not said so: seen only as long as that
    machine stands still.
    """
    try:
        journal = read_journal(directory.journal)
    except JournalUnreadable:
        return
    for name in journal.undone if journal is not None else ():
        if pending is None or name not in pending.undone:
            forget_restored(directory.faults, name, lines_stay=True)
    if journal is None or pending is None:
        remove_durably(directory.journal)
    elif (done := tuple(name for name in journal.machines if name not in pending.undone)) != journal.done:
        write_journal(directory.journal, replace(journal, done=done))


def _stood_still(machine: ObservedMachine, journal: Journal) -> bool:
    """Tell whether a machine was surely not started since the restore began."""
    word = (journal.stopped or {}).get(machine.machine)
    return machine.power is PowerState.OFF and bool(word) and word == machine.last_power_change


def check_not_pending(pending: PendingRestore | None, brief: str) -> None:
    """Raise LabError with this brief, naming the two ways out, while a restore of the lab is unfinished."""
    if pending is not None:
        raise LabError(brief, details=describe_pending(pending), resolution=_(FINISH_OR_DROP))


def restore_on(
    driver: Driver,
    directory: LabDirectory,
    machines: Mapping[str, ObservedMachine],
    snapshot: str,
    *,
    start: Sequence[str] = (),
    before: Journal | None = None,
) -> None:
    """Restore a snapshot on several machines, then start those named; nothing is touched unless all have the snapshot.

    The caller has asked: what runs is powered off hard, as what it holds is thrown away anyway. When this process is
    killed, or a machine fails in the middle (LabError, with what became of each), the record says how far it came.
    With `before`, the restore that the record tells of is gone on with: the machines are those that it has left.
    """
    lacking = [name for name, machine in machines.items() if not machine.find_snapshots(snapshot)]
    if lacking:
        text = _("{machines}: no snapshot {snapshot!r}; nothing was changed")
        raise SnapshotNotFound(text.format(machines=", ".join(lacking), snapshot=snapshot))
    check_one_each(machines, snapshot)
    directory.ensure()
    journal = _begin(driver, machines, snapshot, before)
    write_journal(directory.journal, journal)
    failed: dict[str, VboxlabError] = {}
    for name, machine in machines.items():
        try:
            driver.restore_snapshot(machine.handle, snapshot)
        except VboxlabError as error:
            failed[name] = error
            continue
        forget_restored(directory.faults, name, lines_stay=driver.capabilities.shapes_lines)
        journal = replace(journal, done=(*journal.done, name))
        if journal.undone:  # else the record goes away at once
            write_journal(directory.journal, journal)
    if failed:
        raise LabError(
            _("snapshot {snapshot} could not be restored on {machines}").format(
                snapshot=snapshot, machines=", ".join(failed)
            ),
            details=[
                _("{subject}: {problem}").format(subject=name, problem=failed[name].brief_without(name))
                if name in failed
                else _("{machine}: restored").format(machine=name)
                for name in machines
            ],
            resolution=_("once the cause is mended, {advice}").format(advice=_(FINISH_OR_DROP)),
        )
    remove_durably(directory.journal)
    _start(driver, {name: machines[name] for name in start if name in machines}, snapshot)


def _begin(driver: Driver, machines: Mapping[str, ObservedMachine], snapshot: str, before: Journal | None) -> Journal:
    """Switch off what is not, and return the record of a restore that has restored nothing yet.

    One that was seen off under the lab's lock is so still, or somebody has started it since: then it is not restored.
    """
    was: list[str] = []
    stopped = {name: machine.last_power_change for name, machine in machines.items()}
    try:
        on = {name: machine for name, machine in machines.items() if machine.power is not PowerState.OFF}
        for name, machine in on.items():
            driver.power_off(machine.handle, "hard")
            was.append(name)
        stopped |= {name: driver.inspect(machine.handle).last_power_change for name, machine in on.items()}
    except VboxlabError as error:
        error.details = (*error.details, _("{snapshot} was restored on no machine").format(snapshot=snapshot))
        if was:
            error.details = (*error.details, _("switched off: {machines}").format(machines=", ".join(was)))
        raise
    if before is not None:
        return replace(before, done=tuple(name for name in before.machines if name not in machines), stopped=stopped)
    now = datetime.now(UTC).isoformat(timespec="seconds")
    return Journal(snapshot, tuple(machines), now, (), stopped)


def _start(driver: Driver, machines: Mapping[str, ObservedMachine], snapshot: str) -> None:
    failed: dict[str, VboxlabError] = {}
    for name, machine in machines.items():
        try:
            driver.start(machine.handle)
        except VboxlabError as error:
            failed[name] = error
    if failed:
        raise LabError(
            _("{snapshot} is restored, but {machines} did not start").format(
                snapshot=snapshot, machines=", ".join(failed)
            ),
            details=[line for error in failed.values() for line in (error.brief, *error.details)],
            resolution=next(iter(failed.values())).resolution,
        )


def finish_restore(driver: Driver, directory: LabDirectory, observed: ObservedLab, pending: PendingRestore) -> None:
    """Restore what an interrupted restore has left; the machines that it came to are not touched.

    The caller has asked where `pending` names machines that were used since. Raises LabError where it cannot be
    finished, and what restore_on raises.
    """
    if pending.unknown or pending.impossible:
        raise LabError(
            _("lab {lab}: the restore cannot be finished; nothing was changed").format(lab=observed.name),
            details=describe_pending(pending),
            resolution=_("`vboxlab snapshot restore NAME` restores all machines anew, --drop leaves them as they are"),
        )
    journal = read_journal(directory.journal)
    machines = {name: observed.machines[name] for name in pending.undone}
    restore_on(driver, directory, machines, pending.snapshot, before=journal)


def drop_restore(directory: LabDirectory) -> None:
    """Forget an interrupted restore; the machines stay as they are."""
    remove_durably(directory.journal)
