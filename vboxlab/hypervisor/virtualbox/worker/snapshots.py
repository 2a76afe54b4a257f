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
from vboxlab.hypervisor.virtualbox.worker.connection import Connection
from vboxlab.hypervisor.virtualbox.worker.protocol import Call, Failure, Progress
from vboxlab.hypervisor.virtualbox.worker.sessions import ONLINE, locked
from vboxlab.hypervisor.virtualbox.worker.settings_file import REMOVED

SHORT_ID = 8  # characters of an id that suffice to name it, where they begin no other


def _is_hidden(snapshot: Any) -> bool:
    return str(snapshot.description).startswith(REMOVED)


def _shown(snapshot: Any) -> str | None:
    """Return the id of a snapshot, or of its nearest ancestor that is not hidden."""
    while snapshot is not None and _is_hidden(snapshot):
        snapshot = snapshot.parent
    return str(snapshot.id) if snapshot is not None else None


def read_snapshots(connection: Connection, machine: Any) -> dict[str, Any]:
    """Return a machine's snapshots, the id of the current one, and whether the machine is still as that one is."""
    found = []
    for snapshot in lookup.all_snapshots(connection, machine):
        if _is_hidden(snapshot):
            continue
        found.append({
            "id": str(snapshot.id),
            "name": str(snapshot.name),
            "parent": _shown(snapshot.parent),
            "taken_at": _taken_at(snapshot),
            "live": bool(snapshot.online),
            "description": marks.split_description(str(snapshot.description))[0],
        })  # fmt: skip
    current = machine.currentSnapshot
    # True from a change of settings or a start on, before its guest runs (SDK: IMachine::currentStateModified).
    modified = current is None or _is_hidden(current) or bool(machine.currentStateModified)
    return {"snapshots": found, "current_snapshot": _shown(current), "untouched": not modified}


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
        raise Failure("no-snapshot", f"{machine.name} has no snapshot {word}")
    if len(found) > 1:
        text = f"{machine.name}: several snapshots may be meant by {word!r}; nothing was changed"
        raise Failure("several-snapshots", text, details=[f"{s.id}  {s.name}, {_taken_at(s)}" for s in found])
    return found[0]


def take(connection: Connection, call: Call) -> None:
    """Take a snapshot, of the disks of a machine that is off or of all of one that runs."""
    machine = lookup.find_machine(connection, call.arguments["handle"])
    name, doing = call.arguments["name"], f"taking the snapshot {call.arguments['name']}"
    with connection.errors(doing):
        own = marks.check_ours(machine)
        state = power.settle(connection, machine)  # one that a lost call began comes to its end
        text = call.noted.get("text")
        if text and any(
            each.name == name and each.description == text for each in lookup.all_snapshots(connection, machine)
        ):
            return
        if _has_name(connection, machine, name):
            raise Failure("snapshot-exists", f"{machine.name} has a snapshot {name} already")
        up = state in ("Running", "Paused")
        if up and not call.arguments["live"]:
            raise Failure("running", f"{machine.name} runs: only a live snapshot can be taken")
        if call.noted.get("up") and not up:
            raise repeating.changed(f"{machine.name} has ended meanwhile, and what was to be held of it is gone")
        text = marks.describe_with_marks(call.arguments["description"], own)
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
    connection.wait(progress, f"taking the snapshot {name}", report)


def restore(connection: Connection, call: Call) -> None:
    """Bring a machine that is off back to a snapshot, marks included; a saved state that it has is discarded."""
    machine = lookup.find_machine(connection, call.arguments["handle"])
    doing = f"restoring the snapshot {call.arguments['name']}"
    with connection.errors(doing):
        marks.check_ours(machine)
        state = power.settle(connection, machine)
        snapshot = _existing(connection, machine, call.noted.get("snapshot") or call.arguments["name"])
        if state in ONLINE:
            raise Failure("running", f"{machine.name} runs: it must be off to restore a snapshot")
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


def _is_restored(connection: Connection, machine: Any, snapshot: Any, kept: dict[str, str] | None, call: Call) -> bool:
    """Tell whether a call that was lost has restored a machine, and note what is about to be, if none was.

    Raises Failure when somebody has started the machine since: the snapshot would throw away what was done then.
    """
    state = power.settle(connection, machine)
    power_now = power.last_power_change(machine, Path(str(machine.settingsFilePath)), running=False)
    if "snapshot" not in call.noted:
        call.note(snapshot=str(snapshot.id), power=power_now, state=state)
        return False
    used = repeating.changed(f"somebody has used {machine.name} meanwhile, and it is left as it is")
    if power_now != call.noted["power"]:
        raise used
    current = machine.currentSnapshot
    there = current is not None and current.id == snapshot.id and not machine.currentStateModified
    if there and kept in (None, marks.read_marks(machine)):
        return True  # of a live snapshot the machine is saved then
    if state in power.SAVED and call.noted["state"] not in power.SAVED:
        raise used
    return False


def delete(connection: Connection, call: Call) -> None:
    """Remove a snapshot of a machine that is off."""
    machine = lookup.find_machine(connection, call.arguments["handle"])
    doing = f"removing the snapshot {call.arguments['name']}"
    with connection.errors(doing):
        marks.check_ours(machine)
        state = power.settle(connection, machine)  # one that a lost call began to remove is gone then
        meant = call.noted.get("snapshot")  # and not another one of that name
        if meant and not _meant(connection, machine, meant):
            return
        snapshot = _existing(connection, machine, meant or call.arguments["name"])
        if state in ONLINE:
            raise Failure("running", f"{machine.name} runs: it must be off to remove a snapshot")
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
                connection.wait(session.machine.deleteSnapshot(snapshot.id), "removing a hidden snapshot")
