"""Snapshots of one machine: taken, restored and removed, with the marks of their moment.

VirtualBox removes no snapshot that several things depend on (children, the present state). Such a one is hidden
instead, and really removed as soon as that is possible.
"""

from __future__ import annotations

import contextlib
from dataclasses import replace
from typing import Any

from vboxlab.hypervisor.virtualbox.worker import (
    disks,
    garbage,
    looking,
    lookup,
    marks,
    ownership,
    power,
    repeating,
    storage,
)
from vboxlab.hypervisor.virtualbox.worker.calls import DeleteSnapshot, RestoreSnapshot, TakeSnapshot
from vboxlab.hypervisor.virtualbox.worker.connection import Connection
from vboxlab.hypervisor.virtualbox.worker.looking import Look
from vboxlab.hypervisor.virtualbox.worker.protocol import Call, Failure, Progress
from vboxlab.hypervisor.virtualbox.worker.sessions import ONLINE, locked
from vboxlab.hypervisor.virtualbox.worker.settings_file import REMOVED, Kept
from vboxlab.hypervisor.virtualbox.worker.told import Told, verbatims

SHORT_ID = 8  # characters of an id that suffice to name it, where they begin no other


def _meant(seen: Look, word: str) -> list[Kept]:
    """Return the snapshots that have a name or an id (or one that begins so); IMachine::findSnapshot tells but one."""
    return [
        each
        for each in seen.snapshots
        if not each.hidden and (word in (each.name, each.id) or (len(word) >= SHORT_ID and each.id.startswith(word)))
    ]


def _existing(seen: Look, word: str) -> Kept:
    found = _meant(seen, word)
    if not found:
        raise Failure("no-snapshot", Told("no-snapshot", {"machine": seen.name, "snapshot": word}))
    if len(found) > 1:
        told = Told("several-snapshots", {"machine": seen.name, "word": word})
        details = verbatims(f"{each.id}  {each.name}, {each.taken_at}" for each in found)
        raise Failure("several-snapshots", told, details=details)
    return found[0]


def take(connection: Connection, call: Call[TakeSnapshot]) -> None:
    """Take a snapshot, of the disks of a machine that is off or of all of one that runs."""
    machine = lookup.find_machine(connection, call.arguments.handle)
    name, doing = call.arguments.name, Told("taking-snapshot", {"snapshot": call.arguments.name})
    with connection.errors(doing):
        state = power.settle(connection, machine)  # one that a lost call began comes to its end
        seen = looking.look_at_ours(connection, machine)
        text = call.noted.get("text")
        if text and any(each.name == name and each.text == text for each in seen.snapshots):
            return
        if any(each.name == name and not each.hidden for each in seen.snapshots):
            told = Told("snapshot-exists", {"machine": seen.name, "snapshot": name})
            raise Failure("snapshot-exists", told)
        up = state in ("Running", "Paused")
        if up and not call.arguments.live:
            raise Failure("running", Told("only-live-snapshot", {"machine": seen.name}))
        if call.noted.get("up") and not up:
            raise repeating.changed(Told("ended-meanwhile", {"machine": seen.name}))
        text = marks.describe_with_marks(call.arguments.description, seen.label.marks)
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
        state = power.settle(connection, machine)
        seen = looking.look_at_ours(connection, machine)
        snapshot = _existing(seen, call.noted.get("snapshot") or call.arguments.name)
        if state in ONLINE:
            raise Failure("running", Told("restore-needs-off", {"machine": seen.name}))
        kept = marks.split_description(snapshot.text)[1]
        if _is_restored(machine, seen, snapshot, kept, state, call):
            return
    with locked(connection, machine, doing) as session:
        own = session.machine
        if state in power.SAVED:
            own.discardSavedState(True)
        # Marks first: killed in between, the machine claims less than its disk holds, never more.
        if kept is not None:
            marks.write_label(own, replace(seen.label, marks=kept))
        ownership.note_discarded(connection, own, seen.settings)
        try:
            connection.wait(own.restoreSnapshot(own.findSnapshot(snapshot.id)), doing, call.report)
        except Failure:
            with contextlib.suppress(connection.api_error):  # what failed first is told, and the marks claim less
                marks.write_label(own, seen.label)
                ownership.forget_discarded(own)
            raise
        disks.after_restore(connection, machine, own)
        _sweep(connection, machine, session, seen)


def _is_restored(
    machine: Any, seen: Look, snapshot: Kept, kept: dict[str, str] | None, state: str, call: Call[RestoreSnapshot]
) -> bool:
    """Tell whether a call that was lost has restored a machine, and note what is about to be, if none was.

    Raises Failure when somebody has started the machine since: the snapshot would throw away what was done then.
    """
    power_now = power.last_power_change(machine, seen.settings, running=False)
    if "snapshot" not in call.noted:
        call.note(snapshot=snapshot.id, power=power_now, state=state)
        return False
    used = repeating.changed(Told("used-meanwhile", {"machine": seen.name}))
    if power_now != call.noted["power"]:
        raise used
    current = machine.currentSnapshot
    there = current is not None and current.id == snapshot.id and not machine.currentStateModified
    if there and kept in (None, seen.label.marks):
        return True  # of a live snapshot the machine is saved then
    if state in power.SAVED and call.noted["state"] not in power.SAVED:
        raise used
    return False


def delete(connection: Connection, call: Call[DeleteSnapshot]) -> None:
    """Remove a snapshot of a machine that is off."""
    machine = lookup.find_machine(connection, call.arguments.handle)
    doing = Told("removing-snapshot", {"snapshot": call.arguments.name})
    with connection.errors(doing):
        state = power.settle(connection, machine)  # one that a lost call began to remove is gone then
        seen = looking.look_at_ours(connection, machine)
        meant = call.noted.get("snapshot")  # and not another one of that name
        if meant and not _meant(seen, meant):
            return
        chosen = _existing(seen, meant or call.arguments.name)
        if state in ONLINE:
            raise Failure("running", Told("removal-needs-off", {"machine": seen.name}))
        call.note(snapshot=chosen.id)
    with locked(connection, machine, doing) as session:
        snapshot = machine.findSnapshot(chosen.id)
        garbage.remove_orphans(connection, machine)
        if _can_go(connection, machine, snapshot):
            connection.wait(session.machine.deleteSnapshot(snapshot.id), doing, call.report)
        else:
            snapshot.description = REMOVED + chosen.text
            snapshot.name = f"(removed) {chosen.name}"
        _sweep(connection, machine, session, seen)


def _can_go(connection: Connection, machine: Any, snapshot: Any) -> bool:
    """Tell whether VirtualBox can remove a snapshot: it merges disks, so one thing at most may depend on it."""
    current = machine.currentSnapshot
    present = 1 if current is not None and current.id == snapshot.id else 0
    if len(connection.array(snapshot, "children")) + present > 1:
        return False
    # A restore whose caller was killed leaves a disk that VirtualBox takes for the machine's until its service ends.
    return all(len(connection.array(disk, "children")) <= 1 for disk in storage.disks_of(connection, snapshot.machine))


def _sweep(connection: Connection, machine: Any, session: Any, seen: Look) -> None:
    """Really remove the hidden snapshots that can go by now; one that cannot stays hidden."""
    for hidden in [each for each in seen.snapshots if each.hidden]:
        snapshot = machine.findSnapshot(hidden.id)
        if _can_go(connection, machine, snapshot):
            with contextlib.suppress(Failure):
                connection.wait(session.machine.deleteSnapshot(hidden.id), Told("removing-hidden-snapshot"))
