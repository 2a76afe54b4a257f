"""Restoring snapshots on several machines, written down before it begins so that the next command can finish it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from vboxlab.errors import LabError, SnapshotNotFound, VboxlabError
from vboxlab.files import write_durably
from vboxlab.hypervisor.driver import Driver
from vboxlab.lab.context import Context
from vboxlab.lab.directory import LabDirectory
from vboxlab.planning.observed import ObservedLab, ObservedMachine


@dataclass(frozen=True)
class Journal:
    """What a restore is about: machines that go back to the snapshot, then those that are started again."""

    snapshot: str
    machines: tuple[str, ...]
    start: tuple[str, ...] = ()


def write_journal(path: Path, journal: Journal) -> None:
    """Write down, atomically, which restore is under way."""
    write_durably(path, json.dumps(asdict(journal)))


def read_journal(path: Path) -> Journal | None:
    """Return the restore that was under way; None when there was none or its record cannot be read."""
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        names, start = ([str(name) for name in record.get(key, ())] for key in ("machines", "start"))
        if names or start:
            return Journal(str(record["snapshot"]), tuple(names), tuple(start))
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError, AttributeError):
        pass
    path.unlink(missing_ok=True)
    return None


def restore_on(
    driver: Driver,
    directory: LabDirectory,
    machines: Mapping[str, ObservedMachine],
    snapshot: str,
    *,
    start: Sequence[str] = (),
) -> None:
    """Restore a snapshot on several machines, then start those named; nothing is touched unless all have the snapshot.

    Machines that run are powered off hard: what they hold is thrown away anyway. When this process is killed, or a
    machine fails in the middle (LabError, with what became of each), the journal makes the next command finish it:
    what is thrown away cannot be brought back.
    """
    lacking = [name for name, machine in machines.items() if not machine.has_snapshot(snapshot)]
    if lacking:
        raise SnapshotNotFound(f"{', '.join(lacking)}: no snapshot {snapshot!r}; nothing was changed")
    directory.ensure()
    write_journal(directory.journal, Journal(snapshot, tuple(machines), tuple(start)))
    try:
        for machine in machines.values():
            driver.power_off(machine.handle, "hard")
    except VboxlabError as error:
        directory.journal.unlink(missing_ok=True)
        error.details = (*error.details, f"{snapshot} was restored on no machine")
        raise
    failed: dict[str, VboxlabError] = {}
    for name, machine in machines.items():
        try:
            driver.restore_snapshot(machine.handle, snapshot)
        except VboxlabError as error:
            failed[name] = error
    if failed:
        raise LabError(
            f"snapshot {snapshot} could not be restored on {', '.join(failed)}",
            details=[
                f"{name}: {failed[name].brief_without(name) if name in failed else 'restored'}" for name in machines
            ],
            resolution="once the cause is mended, the next `vboxlab up` or `vboxlab snapshot restore` finishes it",
        )
    _start(driver, directory, machines, Journal(snapshot, (), tuple(start)))


def _start(driver: Driver, directory: LabDirectory, machines: Mapping[str, ObservedMachine], journal: Journal) -> None:
    if journal.start:
        write_journal(directory.journal, journal)
    failed: dict[str, VboxlabError] = {}
    for name in journal.start:
        try:
            if name in machines:
                driver.start(machines[name].handle)
        except VboxlabError as error:
            failed[name] = error
    directory.journal.unlink(missing_ok=True)
    if failed:
        raise LabError(
            f"{journal.snapshot} is restored, but {', '.join(failed)} did not start",
            details=[line for error in failed.values() for line in (error.brief, *error.details)],
            resolution=next(iter(failed.values())).resolution,
        )


def finish_restore(context: Context, observed: ObservedLab, *, unless: Sequence[str] = ()) -> str | None:
    """Finish a restore that an earlier command began and did not end; return what was done, None for nothing.

    It is dropped when all its machines are among `unless`: those that are about to be restored anyway.
    """
    directory = context.directory(observed.name)
    journal = read_journal(directory.journal)
    if journal is None:
        return None
    machines = {name: observed.machines[name] for name in journal.machines if name in observed.machines}
    if journal.machines and set(machines) <= set(unless):
        directory.journal.unlink(missing_ok=True)
        return None
    for name in {*journal.machines, *journal.start} & observed.machines.keys():
        context.guests.forget(observed.machines[name])
    # A live snapshot's machine is left to `up`, which sets its clock once it goes on.
    start = tuple(name for name in journal.start if name in observed.machines and not _is_live(observed, name, journal))
    if not journal.machines:
        _start(context.driver, directory, observed.machines, replace(journal, start=start))
        return f"machines were started again after the restore of {journal.snapshot}: {', '.join(journal.start)}"
    if not machines or any(not machine.has_snapshot(journal.snapshot) for machine in machines.values()):
        directory.journal.unlink(missing_ok=True)
        return f"an interrupted restore of {journal.snapshot} was dropped: its machines no longer have it"
    restore_on(context.driver, directory, machines, journal.snapshot, start=start)
    return f"an interrupted restore of {journal.snapshot} on {', '.join(machines)} was finished"


def _is_live(observed: ObservedLab, name: str, journal: Journal) -> bool:
    return any(found.live for found in observed.machines[name].snapshots if found.name == journal.snapshot)
