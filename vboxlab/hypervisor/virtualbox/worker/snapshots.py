"""Snapshots of one machine: taken, restored and removed, with the marks of their moment."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timezone
from typing import Any

from vboxlab.hypervisor.virtualbox.worker import machines, marks, power
from vboxlab.hypervisor.virtualbox.worker.connection import Connection
from vboxlab.hypervisor.virtualbox.worker.protocol import Call, Failure, Progress
from vboxlab.hypervisor.virtualbox.worker.sessions import ONLINE, locked


def all_snapshots(connection: Connection, machine: Any) -> Iterator[Any]:
    """Yield a machine's snapshots, parents first."""
    if not machine.snapshotCount:
        return

    def below(snapshot: Any) -> Iterator[Any]:
        yield snapshot
        for child in connection.array(snapshot, "children"):
            yield from below(child)

    yield from below(machine.findSnapshot(""))  # the root: IMachine::findSnapshot, "null or empty"


def read_snapshots(connection: Connection, machine: Any) -> dict[str, Any]:
    """Return a machine's snapshots and the name of the current one."""
    found = []
    for snapshot in all_snapshots(connection, machine):
        taken = datetime.fromtimestamp(int(snapshot.timeStamp) / 1000, tz=timezone.utc)  # noqa: UP017 -- Python 3.10 has no datetime.UTC
        found.append({
            "name": str(snapshot.name),
            "parent": str(snapshot.parent.name) if snapshot.parent is not None else None,
            "taken_at": taken.isoformat(timespec="milliseconds"),
            "live": bool(snapshot.online),
            "description": marks.split_description(str(snapshot.description))[0],
        })  # fmt: skip
    current = machine.currentSnapshot
    return {"snapshots": found, "current_snapshot": str(current.name) if current is not None else None}


def find_snapshot(connection: Connection, machine: Any, name: str) -> Any | None:
    """Return the snapshot of that exact name (an API look-up would take a UUID for a name too), None if none."""
    return next((each for each in all_snapshots(connection, machine) if each.name == name), None)


def _existing(connection: Connection, machine: Any, name: str) -> Any:
    found = find_snapshot(connection, machine, name)
    if found is None:
        raise Failure("no-snapshot", f"{machine.name} has no snapshot {name}")
    return found


def take(connection: Connection, call: Call) -> None:
    """Take a snapshot, of the disks of a machine that is off or of all of one that runs."""
    machine = machines.find(connection, call.arguments["handle"])
    name, doing = call.arguments["name"], f"taking the snapshot {call.arguments['name']}"
    with connection.errors(doing):
        marks.check_ours(machine)
        if find_snapshot(connection, machine, name) is not None:
            if call.again:
                return
            raise Failure("snapshot-exists", f"{machine.name} has a snapshot {name} already")
        state = power.settle(connection, machine)
        up = state in ("Running", "Paused")
        if up and not call.arguments["live"]:
            raise Failure("running", f"{machine.name} runs: only a live snapshot can be taken")
        text = marks.describe_with_marks(call.arguments["description"], marks.read_marks(connection, machine))
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
    machine = machines.find(connection, call.arguments["handle"])
    doing = f"restoring the snapshot {call.arguments['name']}"
    with connection.errors(doing):
        marks.check_ours(machine)
        snapshot = _existing(connection, machine, call.arguments["name"])
        state = power.settle(connection, machine)
        if state in ONLINE:
            raise Failure("running", f"{machine.name} runs: it must be off to restore a snapshot")
        before = marks.read_marks(connection, machine)
        kept = marks.split_description(str(snapshot.description))[1]
    with locked(connection, machine, doing) as session:
        if state in power.SAVED:
            session.machine.discardSavedState(True)
        # Marks first: killed in between, the machine claims less than its disk holds, never more.
        if kept is not None:
            marks.replace_marks(connection, session.machine, kept)
            session.machine.saveSettings()
        try:
            connection.wait(session.machine.restoreSnapshot(snapshot), doing, call.report)
        except Failure:
            marks.replace_marks(connection, session.machine, before)
            session.machine.saveSettings()
            raise


def delete(connection: Connection, call: Call) -> None:
    """Remove a snapshot of a machine that is off."""
    machine = machines.find(connection, call.arguments["handle"])
    doing = f"removing the snapshot {call.arguments['name']}"
    with connection.errors(doing):
        marks.check_ours(machine)
        if call.again and find_snapshot(connection, machine, call.arguments["name"]) is None:
            return
        snapshot = _existing(connection, machine, call.arguments["name"])
        if power.settle(connection, machine) in ONLINE:
            raise Failure("running", f"{machine.name} runs: it must be off to remove a snapshot")
        children = len(connection.array(snapshot, "children"))
        if children > 1:
            text = f"the snapshot {call.arguments['name']} of {machine.name} has {children} children"
            raise Failure("snapshot-children", f"{text}: VirtualBox removes none that has more than one")
    with locked(connection, machine, doing) as session:
        connection.wait(session.machine.deleteSnapshot(snapshot.id), doing, call.report)
