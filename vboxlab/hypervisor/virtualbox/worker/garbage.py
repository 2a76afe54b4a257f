"""Clearing what killed processes left among our machines: of one lab, or of all."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from vboxlab.hypervisor.virtualbox.worker import disks, layout, lookup, marks, ownership
from vboxlab.hypervisor.virtualbox.worker.calls import CollectGarbage, FindGarbage
from vboxlab.hypervisor.virtualbox.worker.connection import Connection
from vboxlab.hypervisor.virtualbox.worker.protocol import Call, Failure
from vboxlab.hypervisor.virtualbox.worker.sessions import ONLINE, is_let_go, locked, state_name
from vboxlab.hypervisor.virtualbox.worker.told import Told


def collect(connection: Connection, call: Call[CollectGarbage]) -> tuple[Told, ...]:
    """Clear what interrupted calls left, of one lab or (lab None) of all; return what it was."""
    return tuple(clear(connection, call.arguments.lab, call.arguments.copy))


def find(connection: Connection, call: Call[FindGarbage]) -> tuple[Told, ...]:
    """Return what `collect` would remove, changing nothing."""
    return tuple(clear(connection, call.arguments.lab, call.arguments.copy, only_look=True))


def clear(
    connection: Connection, lab: str | None = None, copy: str | None = None, *, only_look: bool = False
) -> list[Told]:
    """Clear what interrupted calls left, of one lab or (lab None) of all; return what it was, or what it would be."""
    top = layout.lab_folder(connection, lab, copy)
    cleared: list[Told] = []
    pending: set[Path] = set()
    unused: set[Path] = set()
    for path in sorted(top.rglob(layout.PENDING)) if top.exists() else []:
        with contextlib.suppress(Failure):
            found = layout.clear_folder(connection, path.parent, lab, copy, only_look=only_look)
            cleared += found
            pending |= {path.parent} if found else set()
    for shared in disks.shared_folders(connection, lab, copy):
        cleared += disks.clear_shared(connection, shared, only_look=only_look)
    machines = list(machines_with_strangers(connection, top) if lab else _machines_of_labs(connection))
    known = layout.by_folder(connection) if machines or lab is None else {}
    for folder, machine in machines:
        with contextlib.suppress(connection.api_error):
            gone = _clear_disks(connection, folder, machine, known.get(folder, []), only_look=only_look)
            cleared += [Told("unused-disk", {"disk": str(path)}) for path in sorted(gone)]
            unused.update(gone)
    if lab is not None:
        return cleared  # the rest is nobody's in particular
    first = ownership.first_disks(connection)
    for folder, media in known.items():
        others = [each for each in media if folder not in pending and _location(connection, each) not in unused]
        missing = _clear_missing(connection, folder, others, first, only_look=only_look)
        cleared += [Told("missing-disk", {"disk": path}) for path in missing]
    return cleared


def _clear_missing(
    connection: Connection, folder: Path, known: list[Any], first: set[str], *, only_look: bool
) -> list[str]:
    """Forget and return the disks, of those in `known`, whose files are gone from a folder that nobody works in.

    Whoever removes a snapshot or a machine removes a disk's file just before VirtualBox forgets the disk.
    """
    seen = [medium for medium in known if _is_dead(connection, medium, first)]
    if not seen or not _is_left_alone(connection, folder):
        return []
    gone = []
    still = {path: medium for path, medium in ownership.all_media(connection) if folder in path.parents}
    for path in [_location(connection, medium) for medium in seen]:
        with contextlib.suppress(connection.api_error):
            if path in still and _is_dead(connection, still[path], first):
                if not only_look:
                    still[path].close()
                gone.append(str(path))
    return sorted(gone) if _is_left_alone(connection, folder) or not only_look else []


def _location(connection: Connection, medium: Any) -> Path | None:
    """Return where a disk is, None of one that was let go since it was listed."""
    with contextlib.suppress(connection.api_error):
        return Path(str(medium.location))
    return None


def _is_left_alone(connection: Connection, folder: Path) -> bool:
    """Tell whether nobody makes or removes a machine in a folder, or holds the one that is there."""
    if (folder / layout.PENDING).exists():
        return False
    settings = layout.registered_folders(connection).get(folder)
    if settings is None:
        return True
    with contextlib.suppress(connection.api_error):
        # VirtualBox takes a moment to see that a client which held it is dead.
        return is_let_go(connection, connection.vbox.findMachine(settings), layout.FREED_WITHIN)
    return False


def _clear_disks(
    connection: Connection, folder: Path, machine: Any, known: list[Any], *, only_look: bool
) -> list[Path]:
    """Remove and return the orphans in a machine's folder, of which the disks in `known` were listed before.

    Whoever holds the machine, such as somebody who takes a snapshot of it, may just have made what looks like one.
    """
    seen = ownership.orphans(connection, machine, known)
    if not seen or state_name(connection, machine) in ONLINE:
        return []
    if not only_look:
        with contextlib.suppress(Failure), locked(connection, machine, Told("clearing-disks")):
            return remove_orphans(connection, machine)
        return []
    if not _is_left_alone(connection, folder):
        return []
    still = ownership.orphans(connection, machine, ownership.media_in(connection, folder))
    return [path for path in still if path in seen] if _is_left_alone(connection, folder) else []


def remove_orphans(connection: Connection, machine: Any) -> list[Path]:
    """Remove and return the disks that interrupted calls of ours left in a machine's folder, which a session holds."""
    folder = Path(str(machine.settingsFilePath)).parent
    known = ownership.media_in(connection, folder)
    return layout.remove_disks(connection, folder, ownership.orphans(connection, machine, known), known)


def machines_with_strangers(connection: Connection, top: Path, name: str = "") -> Iterator[tuple[Path, Any]]:
    """Yield our machines (of this folder's name: "" for all) that hold a disk which their settings do not name.

    They are looked for right below a group's folder.
    """
    for folder in top.glob(name or f"*{layout.SUFFIX}"):
        settings = list(folder.glob("*.vbox"))
        try:
            text = "".join(path.read_text(encoding="utf-8", errors="replace") for path in settings)
        except FileNotFoundError:  # being removed
            continue
        if settings and not all(ownership.is_named(disk, text) for disk in ownership.disk_files(folder)):
            with contextlib.suppress(connection.api_error):
                machine = connection.vbox.findMachine(str(settings[0]))
                if machine.accessible and marks.read_marks(machine).get(marks.LAB):
                    yield folder, machine


def _machines_of_labs(connection: Connection) -> Iterator[tuple[Path, Any]]:
    """Yield the machines of all labs with their folders."""
    for machine in connection.array(connection.vbox, "machines"):
        with contextlib.suppress(connection.api_error):
            if machine.accessible and marks.read_marks(machine).get(marks.LAB):
                yield Path(str(machine.settingsFilePath)).parent, machine


def _is_dead(connection: Connection, medium: Any, first: set[str]) -> bool:
    """Tell whether a disk's file is gone that was an image's, or a machine's of ours; not of one let go meanwhile."""
    with contextlib.suppress(connection.api_error):
        base = medium.base
        if base is None:
            return False
        ours = str(base.id) in first or any(
            parent.name.startswith(lookup.VM_PREFIX) for parent in Path(str(base.location)).parents
        )
        return ours and not Path(str(medium.location)).exists() and not ownership.is_used(connection, medium)
    return False
