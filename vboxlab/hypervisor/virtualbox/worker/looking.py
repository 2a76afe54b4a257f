"""A machine looked at once, before it is changed: whose it is and which snapshots it has."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from vboxlab.hypervisor.virtualbox.worker import lookup, marks, settings_file
from vboxlab.hypervisor.virtualbox.worker.connection import Connection
from vboxlab.hypervisor.virtualbox.worker.protocol import Failure
from vboxlab.hypervisor.virtualbox.worker.settings_file import Kept, Settings
from vboxlab.hypervisor.virtualbox.worker.told import Told
from vboxlab.lazily import dataclass


@dataclass(frozen=True)
class Look:
    """What a machine is: `settings` is its settings file, `written` what that says (None: a session may know better).

    Snapshots come parents first, hidden ones too.
    """

    handle: str
    name: str
    settings: Path
    label: marks.Label
    snapshots: tuple[Kept, ...]
    written: Settings | None


def look_at(connection: Connection, machine: Any) -> Look:
    """Return what a readable machine is."""
    handle, settings = str(machine.id), Path(str(machine.settingsFilePath))
    found = written(connection, machine, handle, settings)
    if found is None or found.snapshots is None:
        snapshots = tuple(snapshots_of(connection, machine))
        return Look(handle, str(machine.name), settings, marks.read_label(machine), snapshots, None)
    return Look(handle, found.name, settings, marks.label_in(found.extra_data, handle), found.snapshots, found)


def look_at_ours(connection: Connection, machine: Any) -> Look:
    """Return what a machine of ours is. Raises Failure unless it carries a lab's mark."""
    found = look_at(connection, machine)
    if not found.label.marks.get(marks.LAB):
        raise Failure("not-ours", Told("not-ours", {"machine": found.name}))
    return found


def written(connection: Connection, machine: Any, handle: str, settings: Path) -> Settings | None:
    """Return what the settings file says, None when a session may know better, or it is not the machine's own."""
    if machine.sessionState != connection.value_of("SessionState", "Unlocked"):
        return None
    found = settings_file.read(settings)
    return found if found is not None and found.id == handle else None


def snapshots_of(connection: Connection, machine: Any) -> Iterator[Kept]:
    """Yield a machine's snapshots as the API tells of them."""
    for snapshot in lookup.all_snapshots(connection, machine):
        parent = snapshot.parent
        yield Kept(
            id=str(snapshot.id),
            name=str(snapshot.name),
            parent=None if parent is None else str(parent.id),
            text=str(snapshot.description),
            taken_at=_taken_at(snapshot),
            live=bool(snapshot.online),
        )


def _taken_at(snapshot: Any) -> str:
    taken = datetime.fromtimestamp(int(snapshot.timeStamp) // 1000, tz=timezone.utc)  # noqa: UP017 -- not in 3.10
    return taken.isoformat(timespec="seconds")
