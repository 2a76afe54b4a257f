"""Snapshot sets: snapshots of several machines of a lab, taken and restored all or nothing."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from vboxlab.errors import DriverError, LabError, MachineConflict, SnapshotNotFound, VboxlabError
from vboxlab.hypervisor.driver import Driver
from vboxlab.lab.context import Context
from vboxlab.lab.directory import LabDirectory
from vboxlab.planning.observed import ObservedLab, ObservedMachine, PowerState, SnapshotState


@dataclass(frozen=True)
class SnapshotRow:
    """One snapshot name of a lab: which machines have it, and which of them stand on it now."""

    name: str
    machines: tuple[str, ...]
    current: tuple[str, ...]
    taken_at: str
    live: bool


def snapshot_rows(observed: ObservedLab) -> list[SnapshotRow]:
    """List the snapshots of a lab by name, oldest first."""
    found: dict[str, list[tuple[ObservedMachine, SnapshotState]]] = {}
    for machine in observed.machines.values():
        for snapshot in machine.snapshots:
            found.setdefault(snapshot.name, []).append((machine, snapshot))
    rows = [
        SnapshotRow(
            name,
            tuple(machine.machine for machine, _ in entries),
            tuple(machine.machine for machine, _ in entries if machine.current_snapshot == name),
            min(snapshot.taken_at for _, snapshot in entries),
            any(snapshot.live for _, snapshot in entries),
        )
        for name, entries in found.items()
    ]
    return sorted(rows, key=lambda row: row.taken_at)


def who_has(observed: ObservedLab, names: Sequence[str], snapshot: str) -> list[str]:
    """Return a table line for each machine: whether it has the snapshot, and which ones it has."""
    lines = []
    for name in names:
        machine = observed.machines.get(name)
        if machine is None:
            lines.append(f"{name}: no such machine in the lab")
            continue
        have = ", ".join(s.name for s in machine.snapshots) or "none"
        lines.append(f"{name}: {'has it' if machine.has_snapshot(snapshot) else 'LACKS it'} (its snapshots: {have})")
    return lines


def check_restorable(observed: ObservedLab, names: Sequence[str], snapshot: str) -> None:
    """Raise SnapshotNotFound, with the table of who has the snapshot, unless all the machines have it."""
    lacking = [n for n in names if n not in observed.machines or not observed.machines[n].has_snapshot(snapshot)]
    if lacking or not names:
        raise SnapshotNotFound(
            f"lab {observed.name}: {', '.join(lacking)} cannot go back to {snapshot}; nothing changed",
            details=who_has(observed, names, snapshot),
            resolution="`vboxlab snapshot list` shows all snapshots; `vboxlab up` makes those that its stages end in",
        )


def take_on(
    driver: Driver, handles: Mapping[str, str], snapshot: str, *, live: bool = False, description: str = ""
) -> None:
    """Take a snapshot of several machines; when one fails, those taken are deleted again.

    Raises the first failure as DriverError.
    """
    taken: list[str] = []
    try:
        for handle in handles.values():
            driver.take_snapshot(handle, snapshot, live=live, description=description)
            taken.append(handle)
    except VboxlabError as error:
        left = [name for name, handle in handles.items() if handle in taken and not _undo(driver, handle, snapshot)]
        brief = f"snapshot {snapshot} was not taken: {error.brief}"
        details = [*error.details, *(f"it stays on {name}, where it could not be deleted again" for name in left)]
        raise DriverError(brief, details=details, resolution=error.resolution) from error


def _undo(driver: Driver, handle: str, snapshot: str) -> bool:
    try:
        driver.delete_snapshot(handle, snapshot)
    except VboxlabError:
        return False
    return True


def restore_on(driver: Driver, directory: LabDirectory, machines: Mapping[str, ObservedMachine], snapshot: str) -> None:
    """Restore a snapshot on several machines; a journal makes the next command finish it when this one is killed.

    Machines that run are powered off hard: what they hold is thrown away anyway. Nothing is touched unless all have
    the snapshot.
    """
    lacking = [name for name, machine in machines.items() if not machine.has_snapshot(snapshot)]
    if lacking:
        raise SnapshotNotFound(f"{', '.join(lacking)}: no snapshot {snapshot!r}; nothing was changed")
    directory.ensure()
    write_journal(directory.journal, snapshot, tuple(machines))
    for machine in machines.values():
        driver.power_off(machine.handle, "hard")
    for machine in machines.values():
        driver.restore_snapshot(machine.handle, snapshot)
    directory.journal.unlink(missing_ok=True)


def write_journal(path: Path, snapshot: str, machines: Sequence[str]) -> None:
    """Write down, atomically, which restore is about to begin."""
    temporary = path.with_suffix(".new")
    temporary.write_text(json.dumps({"snapshot": snapshot, "machines": list(machines)}), encoding="utf-8")
    temporary.replace(path)


def finish_restore(context: Context, observed: ObservedLab) -> str | None:
    """Finish a restore that an earlier command began and did not end; return what was done, None for nothing."""
    directory = context.directory(observed.name)
    try:
        record = json.loads(directory.journal.read_text(encoding="utf-8"))
        snapshot, names = str(record["snapshot"]), [str(name) for name in record["machines"]]
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError):
        directory.journal.unlink(missing_ok=True)
        return None
    machines = {name: observed.machines[name] for name in names if name in observed.machines}
    if any(not machine.has_snapshot(snapshot) for machine in machines.values()) or not machines:
        directory.journal.unlink(missing_ok=True)
        return f"an interrupted restore of {snapshot} was dropped: its machines no longer have it"
    restore_on(context.driver, directory, machines, snapshot)
    return f"an interrupted restore of {snapshot} on {', '.join(machines)} was finished"


def take(context: Context, observed: ObservedLab, names: Sequence[str], snapshot: str, *, live: bool = False) -> None:
    """Take a snapshot set by hand. Raises MachineConflict when a machine has one of that name.

    Without live, running machines are powered off gracefully first and started again afterwards.
    """
    machines = {name: observed.machines[name] for name in names}
    having = [name for name, machine in machines.items() if machine.has_snapshot(snapshot)]
    if having:
        raise MachineConflict(
            f"lab {observed.name}: {', '.join(having)} already has a snapshot {snapshot!r}; nothing was changed",
            details=who_has(observed, names, snapshot),
            resolution=f"choose another name, or `vboxlab snapshot delete {snapshot}` first",
        )
    running = [machine for machine in machines.values() if machine.power is not PowerState.OFF]
    if not live:
        for machine in running:
            context.guests.forget(machine)
            context.driver.power_off(machine.handle, "graceful")
    try:
        take_on(context.driver, {name: machine.handle for name, machine in machines.items()}, snapshot, live=live)
    finally:
        if not live:
            for machine in running:
                context.driver.start(machine.handle)


def restore(
    context: Context, observed: ObservedLab, names: Sequence[str], snapshot: str, *, start: bool = True
) -> None:
    """Bring machines back to a snapshot in one step, then start those that ran; or change nothing at all."""
    check_restorable(observed, names, snapshot)
    machines = {name: observed.machines[name] for name in names}
    running = [machine for machine in machines.values() if machine.power is PowerState.RUNNING]
    for machine in machines.values():
        context.guests.forget(machine)
    restore_on(context.driver, context.directory(observed.name), machines, snapshot)
    if start:
        for machine in running:
            context.driver.start(machine.handle)


def delete(context: Context, observed: ObservedLab, names: Sequence[str], snapshot: str) -> None:
    """Delete a snapshot of machines that are off. Raises LabError naming those that run, before any is changed."""
    check_restorable(observed, names, snapshot)
    running = [name for name in names if observed.machines[name].power is not PowerState.OFF]
    if running:
        raise LabError(
            f"lab {observed.name}: {', '.join(running)} must be off to delete {snapshot}; nothing was changed",
            resolution="run `vboxlab down` first",
        )
    for name in names:
        context.driver.delete_snapshot(observed.machines[name].handle, snapshot)
