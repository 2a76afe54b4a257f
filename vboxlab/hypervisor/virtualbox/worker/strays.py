"""What lies in the folders of our machines and is not provably ours: reported, and removed only by name."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from vboxlab.hypervisor.virtualbox.worker import layout, ownership, repeating
from vboxlab.hypervisor.virtualbox.worker.calls import FindStrays, RemoveStray, Stray
from vboxlab.hypervisor.virtualbox.worker.connection import Connection
from vboxlab.hypervisor.virtualbox.worker.protocol import Call, Failure
from vboxlab.hypervisor.virtualbox.worker.told import Told


def find(connection: Connection, call: Call[FindStrays]) -> tuple[Stray, ...]:
    """Return the files of somebody else's in the folders of a lab's machines, or of (lab None) all, with sizes."""
    return tuple(_strays(_all(connection, call.arguments.lab, call.arguments.copy)))


def _strays(found: list[tuple[Path, Told]]) -> Iterator[Stray]:
    for path, why in found:
        with contextlib.suppress(FileNotFoundError):  # its machine was being removed
            yield Stray(str(path), path.lstat().st_size, why)


def remove(connection: Connection, call: Call[RemoveStray]) -> None:
    """Remove one of these files. Raises Failure when it is none of them, such as a disk that is used by now."""
    path = Path(call.arguments.path)
    if call.noted and not os.path.lexists(path):
        return
    folder = next((parent for parent in path.parents if parent.name.endswith(layout.SUFFIX)), None)
    if folder is None or not folder.is_dir():
        raise Failure("not-stray", Told("not-in-our-folder", {"path": str(path)}))
    with layout.holding(folder):
        if path not in dict(_all(connection, None, None, held=folder)):
            raise Failure("not-stray", Told("in-use-or-gone", {"path": str(path)}))
        now = path.lstat()
        identity = [now.st_size, now.st_mtime_ns]
        if identity != call.noted.get("file", identity):
            raise repeating.changed(Told("file-changed-meanwhile", {"path": str(path)}))
        call.note(file=identity)
        if path.suffix.lower() not in ownership.SUFFIXES:
            path.unlink(missing_ok=True)
        elif not layout.remove_disks(connection, folder, [path]):
            raise Failure("not-stray", Told("disk-depends-on-it", {"path": str(path)}))
        for below in path.parents[: path.parents.index(folder)]:
            with contextlib.suppress(OSError):
                below.rmdir()


def _all(
    connection: Connection, lab: str | None, copy: str | None, *, held: Path | None = None
) -> list[tuple[Path, Told]]:
    top = layout.lab_folder(connection, lab, copy)
    pattern = f"*{layout.SUFFIX}" if lab else f"**/*{layout.SUFFIX}"
    folders = [folder for folder in sorted(top.glob(pattern)) if folder.is_dir()]
    # A folder that is being worked on, or was left so, is not looked into.
    free = [folder for folder in folders if folder == held or not (folder / layout.PENDING).exists()]
    # Of a lab each machine is asked for by itself: to look through all for each of many labs would be a square.
    suspects = [folder for folder in free if lab is None or not _is_plain(connection, folder)]
    if not suspects:
        return []
    registered = layout.registered_folders(connection)
    suspects = [folder for folder in suspects if folder not in registered or _has_strangers(Path(registered[folder]))]
    if not suspects:
        return []
    known = layout.by_folder(connection)
    found: list[tuple[Path, Told]] = []
    for folder in suspects:
        with contextlib.suppress(connection.api_error):
            here = list(_in_folder(connection, folder, registered.get(folder), known.get(folder, [])))
            # Whoever came to work here since, and left the mark, is removing what was just seen.
            found += here if folder == held or not (folder / layout.PENDING).exists() else []
    return found


def _is_plain(connection: Connection, folder: Path) -> bool:
    """Tell whether a folder is surely that of a registered machine whose settings name every disk that is there."""
    for settings in folder.glob("*.vbox"):
        with contextlib.suppress(connection.api_error):
            connection.vbox.findMachine(str(settings))
            return not _has_strangers(settings)
    return False


def _has_strangers(settings: Path) -> bool:
    try:
        text = settings.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return False
    return not all(ownership.is_named(disk, text) for disk in ownership.disk_files(settings.parent))


def _in_folder(
    connection: Connection, folder: Path, settings: str | None, known: list[Any]
) -> Iterator[tuple[Path, Told]]:
    """Yield what is nobody's in a machine's folder, disks before those that they depend on."""
    used = {Path(str(medium.location)) for medium in known if ownership.is_used(connection, medium)}
    order = [Path(str(medium.location)) for medium in known]
    if settings is None:
        files = [path for path in sorted(folder.rglob("*")) if path.name != layout.PENDING and not path.is_dir()]
        why = Told("in-folder-of-gone-machine")
    else:
        machine = connection.vbox.findMachine(settings)
        if not machine.accessible:
            return
        ours = set(ownership.orphans(connection, machine, known))
        files = [path for path in ownership.disk_files(folder) if path not in ours]
        why = Told("disk-that-no-machine-uses", {"machine": str(machine.name)})
    for path in sorted(files, key=lambda path: order.index(path) if path in order else -1):
        if path not in used:
            yield path, why
