"""Snapshots of one machine: taken, restored and removed, with the marks of their moment.

VirtualBox removes no snapshot that several things depend on (children, the present state). Such a one is hidden
instead, and really removed as soon as that is possible.
"""

from __future__ import annotations

import contextlib
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from vboxlab.hypervisor.virtualbox.worker import garbage, lookup, marks, ownership, power, repeating, storage
from vboxlab.hypervisor.virtualbox.worker.calls import DeleteSnapshot, Details, RestoreSnapshot, Snapshot, TakeSnapshot
from vboxlab.hypervisor.virtualbox.worker.connection import Connection
from vboxlab.hypervisor.virtualbox.worker.protocol import Call, Failure, Progress
from vboxlab.hypervisor.virtualbox.worker.sessions import ONLINE, locked
from vboxlab.hypervisor.virtualbox.worker.settings_file import REMOVED
from vboxlab.hypervisor.virtualbox.worker.told import Told, verbatims

SHORT_ID = 8  # characters of an id that suffice to name it, where they begin no other


def _is_hidden(snapshot: Any) -> bool:
    return str(snapshot.description).startswith(REMOVED)


def _shown(snapshot: Any) -> str | None:
    """Return the id of a snapshot, or of its nearest ancestor that is not hidden."""
    while snapshot is not None and _is_hidden(snapshot):
        snapshot = snapshot.parent
    return str(snapshot.id) if snapshot is not None else None


def read_snapshots(connection: Connection, machine: Any) -> Details:
    """Return a machine's snapshots, the id of the current one, and whether the machine is still as that one is.

    Its adapters are left out.
    """
    found = []
    for snapshot in lookup.all_snapshots(connection, machine):
        if _is_hidden(snapshot):
            continue
        found.append(Snapshot(
            id=str(snapshot.id),
            name=str(snapshot.name),
            parent=_shown(snapshot.parent),
            taken_at=_taken_at(snapshot),
            live=bool(snapshot.online),
            description=marks.split_description(str(snapshot.description))[0],
        ))  # fmt: skip
    current = machine.currentSnapshot
    # True from a change of settings or a start on, before its guest runs (SDK: IMachine::currentStateModified).
    modified = current is None or _is_hidden(current) or bool(machine.currentStateModified)
    return Details(snapshots=tuple(found), current_snapshot=_shown(current), untouched=not modified)


def _taken_at(snapshot: Any) -> str:
    taken = datetime.fromtimestamp(int(snapshot.timeStamp) // 1000, tz=timezone.utc)  # noqa: UP017 -- not in 3.10
    return taken.isoformat(timespec="seconds")


def _has_name(connection: Connection, machine: Any, name: str) -> bool:
    return any(each.name == name and not _is_hidden(each) for each in lookup.all_snapshots(connection, machine))


def _meant(connection: Connection, machine: Any, word: str) -> list[Any]:
    """Return the snapshots that have a name or an id (or one that begins so); IMachine::findSnapshot tells but one."""
    return [
        each
        for each in lookup.all_snapshots(connection, machine)
        if not _is_hidden(each)
        and (word in (each.name, each.id) or (len(word) >= SHORT_ID and str(each.id).startswith(word)))
    ]


def _existing(connection: Connection, machine: Any, word: str) -> Any:
    found = _meant(connection, machine, word)
    if not found:
        raise Failure("no-snapshot", Told("no-snapshot", {"machine": str(machine.name), "snapshot": word}))
    if len(found) > 1:
        told = Told("several-snapshots", {"machine": str(machine.name), "word": word})
        details = verbatims(f"{each.id}  {each.name}, {_taken_at(each)}" for each in found)
        raise Failure("several-snapshots", told, details=details)
    return found[0]


def take(connection: Connection, call: Call[TakeSnapshot]) -> None:
    """Take a snapshot, of the disks of a machine that is off or of all of one that runs."""
    machine = lookup.find_machine(connection, call.arguments.handle)
    name, doing = call.arguments.name, Told("taking-snapshot", {"snapshot": call.arguments.name})
    with connection.errors(doing):
        own = marks.check_ours(machine)
        state = power.settle(connection, machine)  # one that a lost call began comes to its end
        text = call.noted.get("text")
        if text and any(
            each.name == name and each.description == text for each in lookup.all_snapshots(connection, machine)
        ):
            return
        if _has_name(connection, machine, name):
            told = Told("snapshot-exists", {"machine": str(machine.name), "snapshot": name})
            raise Failure("snapshot-exists", told)
        up = state in ("Running", "Paused")
        if up and not call.arguments.live:
            raise Failure("running", Told("only-live-snapshot", {"machine": str(machine.name)}))
        if call.noted.get("up") and not up:
            raise repeating.changed(Told("ended-meanwhile", {"machine": str(machine.name)}))
        text = marks.describe_with_marks(call.arguments.description, own)
        call.note(text=text, up=up)
    with locked(connection, machine, doing) as session:
        take_locked(connection, session, name, text, running=state == "Running", report=call.report)
    with connection.errors(doing):
        power.settle(connection, machine)


def take_locked(connection: Connection, session: Any, name: str, text: str, *, running: bool, report: Progress) -> None:
    """Take a snapshot of the machine that a session holds."""
    # The last argument lets the machine be paused, which one that is not running must allow.
    taken = session.machine.takeSnapshot(name, text, not running)
    progress = taken[0] if isinstance(taken, tuple) else taken  # the snapshot's id comes with it
    connection.wait(progress, Told("taking-snapshot", {"snapshot": name}), report)


def restore(connection: Connection, call: Call[RestoreSnapshot]) -> None:
    """Bring a machine that is off back to a snapshot, marks included; a saved state that it has is discarded."""
    machine = lookup.find_machine(connection, call.arguments.handle)
    doing = Told("restoring-snapshot", {"snapshot": call.arguments.name})
    with connection.errors(doing):
        marks.check_ours(machine)
        state = power.settle(connection, machine)
        snapshot = _existing(connection, machine, call.noted.get("snapshot") or call.arguments.name)
        if state in ONLINE:
            raise Failure("running", Told("restore-needs-off", {"machine": str(machine.name)}))
        before = marks.read_marks(machine)
        kept = marks.split_description(str(snapshot.description))[1]
        if _is_restored(connection, machine, snapshot, kept, call):
            return
    with locked(connection, machine, doing) as session:
        if state in power.SAVED:
            session.machine.discardSavedState(True)
        # Marks first: killed in between, the machine claims less than its disk holds, never more.
        if kept is not None:
            marks.replace_marks(session.machine, kept)
        ownership.note_discarded(connection, session.machine)
        session.machine.saveSettings()
        try:
            connection.wait(session.machine.restoreSnapshot(snapshot), doing, call.report)
        except Failure:
            with contextlib.suppress(connection.api_error):  # what failed first is told, and the marks claim less
                marks.replace_marks(session.machine, before)
                ownership.forget_discarded(session.machine)
                session.machine.saveSettings()
            raise
        _sweep(connection, machine, session)


def _is_restored(
    connection: Connection, machine: Any, snapshot: Any, kept: dict[str, str] | None, call: Call[RestoreSnapshot]
) -> bool:
    """Tell whether a call that was lost has restored a machine, and note what is about to be, if none was.

    Raises Failure when somebody has started the machine since: the snapshot would throw away what was done then.
    """
    state = power.settle(connection, machine)
    power_now = power.last_power_change(machine, Path(str(machine.settingsFilePath)), running=False)
    if "snapshot" not in call.noted:
        call.note(snapshot=str(snapshot.id), power=power_now, state=state)
        return False
    used = repeating.changed(Told("used-meanwhile", {"machine": str(machine.name)}))
    if power_now != call.noted["power"]:
        raise used
    current = machine.currentSnapshot
    there = current is not None and current.id == snapshot.id and not machine.currentStateModified
    if there and kept in (None, marks.read_marks(machine)):
        return True  # of a live snapshot the machine is saved then
    if state in power.SAVED and call.noted["state"] not in power.SAVED:
        raise used
    return False


def delete(connection: Connection, call: Call[DeleteSnapshot]) -> None:
    """Remove a snapshot of a machine that is off."""
    machine = lookup.find_machine(connection, call.arguments.handle)
    doing = Told("removing-snapshot", {"snapshot": call.arguments.name})
    with connection.errors(doing):
        marks.check_ours(machine)
        state = power.settle(connection, machine)  # one that a lost call began to remove is gone then
        meant = call.noted.get("snapshot")  # and not another one of that name
        if meant and not _meant(connection, machine, meant):
            return
        snapshot = _existing(connection, machine, meant or call.arguments.name)
        if state in ONLINE:
            raise Failure("running", Told("removal-needs-off", {"machine": str(machine.name)}))
        call.note(snapshot=str(snapshot.id))
    with locked(connection, machine, doing) as session:
        garbage.remove_orphans(connection, machine)
        if _can_go(connection, machine, snapshot):
            connection.wait(session.machine.deleteSnapshot(snapshot.id), doing, call.report)
        else:
            snapshot.description = REMOVED + str(snapshot.description)
            snapshot.name = f"(removed) {snapshot.name}"
        _sweep(connection, machine, session)


def _can_go(connection: Connection, machine: Any, snapshot: Any) -> bool:
    """Tell whether VirtualBox can remove a snapshot: it merges disks, so one thing at most may depend on it."""
    current = machine.currentSnapshot
    present = 1 if current is not None and current.id == snapshot.id else 0
    if len(connection.array(snapshot, "children")) + present > 1:
        return False
    # A restore whose caller was killed leaves a disk that VirtualBox takes for the machine's until its service ends.
    return all(len(connection.array(disk, "children")) <= 1 for disk in storage.disks_of(connection, snapshot.machine))


def _sweep(connection: Connection, machine: Any, session: Any) -> None:
    """Really remove the hidden snapshots that can go by now; one that cannot stays hidden."""
    for snapshot in [each for each in lookup.all_snapshots(connection, machine) if _is_hidden(each)]:
        if _can_go(connection, machine, snapshot):
            with contextlib.suppress(Failure):
                connection.wait(session.machine.deleteSnapshot(snapshot.id), Told("removing-hidden-snapshot"))
