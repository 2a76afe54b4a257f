"""Where our machines' folders are, and how they are made and removed so that nothing half-made is taken for whole.

A machine's folder holds the pending file from before its first byte until the machine is registered, and again from
before it is unregistered until all is gone. The file is locked while its maker lives: work in progress is not cleared.
"""

from __future__ import annotations

import contextlib
import glob
import json
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import IO, Any

from vboxlab.hypervisor.virtualbox.worker import marks, ownership
from vboxlab.hypervisor.virtualbox.worker.connection import Connection
from vboxlab.hypervisor.virtualbox.worker.locks import hold, remove_held
from vboxlab.hypervisor.virtualbox.worker.protocol import Failure, Progress
from vboxlab.hypervisor.virtualbox.worker.sessions import POLL, retried
from vboxlab.hypervisor.virtualbox.worker.told import Told, verbatim

PENDING = "vboxlab-pending.json"
FREED_WITHIN = 1.0  # seconds
IN_USE = 0x80BB000C  # VBOX_E_OBJECT_IN_USE
GROUP = "/vboxlab"
SUFFIX = ".vm"
# What VirtualBox and we write into a machine's folder beside its disks; {} stands for the name of its settings file.
OWN_FILES = (
    "{}.vbox", "{}.vbox-prev", "{}.vbox-tmp", "{}.nvram", "console.log", "Logs/VBox*.log*", "Logs/VBoxUI*.log*",
    "Snapshots/*.sav", "Snapshots/*.nvram",
)  # fmt: skip
SHARED = "shared.disks"  # of a lab: no copy can have that name
IMPORT_FOLDER = "Import"  # disks that are being converted: copies of ours
# What says that a folder is another machine's; other files there are in nobody's way.
TAKEN = ("*.vbox", "*.vbox-prev", "*.vbox-tmp", "console.log")
Note = Callable[[list[Path]], None]


def settings_file(connection: Connection, name: str, group: str) -> Path:
    """Return where the settings of a machine of that name and group belong.

    The folder has a suffix to the name that VirtualBox would give it: when a clone's group is changed from its source's
    to ours, VirtualBox moves a folder that is named like the machine, to a wrong place.
    """
    with connection.errors(Told("asking-for-folder")):
        composed = Path(connection.vbox.composeMachineFilename(name, group, "", ""))
    return composed.parent.with_name(composed.parent.name + SUFFIX) / composed.name


def place_for(connection: Connection, name: str, group: str) -> Path:
    """Return where the settings of a new machine belong: beside a folder whose disks another VM depends on.

    Such a folder stays when somebody removes a machine that has linked clones; to move it away would break those.
    """
    first = settings_file(connection, name, group)
    settings, number = first, 1
    while _is_left_to_clones(connection, settings.parent):
        number += 1
        folder = f"{first.parent.name.removesuffix(SUFFIX)}.{number}{SUFFIX}"
        settings = first.parent.with_name(folder) / first.name
    return settings


def _is_left_to_clones(connection: Connection, folder: Path) -> bool:
    if not _is_taken(folder) or (folder / PENDING).exists():
        return False
    with connection.errors(Told("looking-into", {"folder": str(folder)})):
        known = ownership.media_in(connection, folder)
        owned = any(ownership.has_owner(connection, medium) for medium in known)
        return owned and folder not in registered_folders(connection)


@contextlib.contextmanager
def making(connection: Connection, folder: Path, record: dict[str, Any]) -> Iterator[Note]:
    """Hold a folder, without what an interrupted call left in it, until the block ends well.

    Yields what notes the disks that are about to be made under names of their own. After an error the mark stays, and
    whoever holds the folder next clears it. What somebody else keeps there stays. Raises Failure when the folder is in
    use or is another machine's.
    """
    with _held(folder, make=True) as stream:
        before = _read_record(stream)
        if before is not None or _is_taken(folder):
            try:
                _make_room(connection, folder, before, record["name"])
            except Failure:
                if before is None:
                    _let_go(folder, stream)
                raise
        record = {**record, "kept": [str(path) for path in sorted(folder.glob("Snapshots/*"))]}
        stream.truncate(0)
        _write_record(stream, record)
        yield lambda disks: _write_record(stream, {**record, "disks": [str(path) for path in disks]})
        _let_go(folder, stream)


@contextlib.contextmanager
def making_or_nothing(connection: Connection, folder: Path, record: dict[str, Any]) -> Iterator[Note]:
    """Hold a folder as `making` does, and clear it again at once when the block fails."""
    try:
        with making(connection, folder, record) as note:
            yield note
    except Failure:
        with contextlib.suppress(Failure):
            clear_folder(connection, folder, None, None, only_look=False)
        raise


def _make_room(connection: Connection, folder: Path, before: dict[str, Any] | None, name: str) -> None:
    """Clear a held folder that is not free. Raises Failure when the machine in it is whole or not ours."""
    occupant = _occupant(connection, folder, before)
    if occupant is None and before is not None:
        _empty(connection, folder, before)
    elif occupant is None:
        raise Failure("folder-exists", Told("folder-not-ours", {"folder": str(folder)}), details=[verbatim(folder)])
    elif Path(occupant).stem == name:  # made by another thread or process until the folder was ours
        raise Failure("busy", Told("just-made", {"machine": name}))
    else:
        told = Told("folder-of-vm", {"folder": str(folder), "vm": Path(occupant).stem})
        raise Failure("folder-exists", told, details=[verbatim(folder)])


@contextlib.contextmanager
def removing(connection: Connection, folder: Path, record: dict[str, Any]) -> Iterator[None]:
    """Hold a machine's folder until the block, which removes the machine, ends well, and leave nothing of ours in it.

    After an error the mark stays: `clear` goes on where the machine is no longer registered.
    """
    with _held(folder, make=True) as stream:
        stream.truncate(0)
        _write_record(stream, record)
        yield
        _empty(connection, folder, record)
        _let_go(folder, stream)


def remove_registered(
    connection: Connection,
    machine: Any,
    settings: Path,
    record: dict[str, Any],
    disks: Mapping[str, Any],
    report: Progress,
) -> None:
    """Unregister a machine and delete its settings and these disks, by UUID.

    When interrupted, `garbage.clear` finishes it.
    """
    detach = connection.value_of("CleanupMode", "DetachAllReturnHardDisksOnly")
    doing = Told("removing", {"name": record["name"]})
    with connection.errors(doing):
        places = sorted(str(medium.location) for medium in disks.values())
    record = {**record, "settings": settings.stem, "disks": places}
    with removing(connection, settings.parent, record), connection.errors(doing):
        try:
            media = retried(connection, lambda: machine.unregister(detach), doing, machine)
            connection.wait(
                machine.deleteConfig([medium for medium in media if str(medium.id) in disks]), doing, report
            )
        except Failure as failure:
            if failure.result_code != IN_USE:
                raise
            raise Failure("stale", failure.told, result_code=IN_USE, details=failure.details) from failure


@contextlib.contextmanager
def holding(folder: Path) -> Iterator[None]:
    """Hold a folder that exists, and take it away afterwards if it is empty. Raises Failure when it is in use."""
    with _held(folder, make=True) as stream:
        if _read_record(stream) is not None:
            raise Failure("busy", Told("left-half-made", {"folder": str(folder)}))
        try:
            yield
        finally:
            _let_go(folder, stream)


@contextlib.contextmanager
def _held(folder: Path, *, make: bool) -> Iterator[IO[str]]:
    """Hold a folder's pending file, made if asked for. Raises Failure of kind "busy" when that is not possible now."""
    if make:
        folder.mkdir(parents=True, exist_ok=True)
    stream = hold(folder / PENDING, make=make)
    if stream is None:
        raise Failure("busy", Told("worked-on", {"folder": str(folder)}))
    with stream:
        yield stream


def _let_go(folder: Path, stream: IO[str]) -> None:
    """Take the mark away, and the folder when nothing else is in it."""
    remove_held(folder / PENDING, stream)
    with contextlib.suppress(OSError):
        folder.rmdir()


def _read_record(stream: IO[str]) -> dict[str, Any] | None:
    """Return what the holder before wrote last, None when that is nothing: then nothing was begun either."""
    stream.seek(0)
    try:
        lines = stream.read().splitlines()
    except ValueError:  # not UTF-8
        return {}
    for line in reversed(lines):
        with contextlib.suppress(ValueError, RecursionError):
            record = json.loads(line)
            fields = record.items() if isinstance(record, dict) else ()
            return {key: value for key, value in fields if _is_text(value)}
    return {} if lines else None


def _is_text(value: Any) -> bool:
    parts = value if isinstance(value, list) else [value]
    return all(isinstance(part, str) for part in parts)


def _write_record(stream: IO[str], record: dict[str, Any]) -> None:
    """Write a record behind those that are there: a kill in the middle leaves the one before."""
    stream.write(json.dumps(record) + "\n")
    stream.flush()


def registered_folders(connection: Connection) -> dict[Path, str]:
    """Return the folders of all registered machines, with the machine's settings file."""
    found = {}
    for machine in connection.array(connection.vbox, "machines"):
        with contextlib.suppress(connection.api_error):
            settings = str(machine.settingsFilePath)
            found[Path(settings).parent] = settings
    return found


def remove_disks(connection: Connection, folder: Path, disks: list[Path], known: list[Any] | None = None) -> list[Path]:
    """Delete disks in a folder that no machine uses, and let VirtualBox forget them; return those that are gone.

    `known` are the disks in the folder that VirtualBox knows, children before their parents.
    """
    wanted, gone = set(disks), []
    for medium in ownership.media_in(connection, folder) if known is None else known:
        with contextlib.suppress(connection.api_error):
            location = Path(str(medium.location))
            if location not in wanted:
                continue
            wanted.discard(location)
            if not ownership.is_used(connection, medium):
                medium.close()
                location.unlink(missing_ok=True)
                gone.append(location)
    for path in sorted(wanted):  # VirtualBox does not know these (any more)
        path.unlink(missing_ok=True)
        gone.append(path)
    return gone


def _occupant(connection: Connection, folder: Path, record: dict[str, Any] | None) -> str | None:
    """Return the settings file of the machine that is registered in a folder, None if there is none.

    A registered machine is whole, but an image only once it has its mark: without it, it is unregistered here.
    """
    settings, unfinished = _registered(connection, folder, record)
    if unfinished is None:
        return settings
    detach = connection.value_of("CleanupMode", "DetachAllReturnNone")
    # VirtualBox takes a moment to see that the client which held the lock is dead.
    retried(connection, lambda: unfinished.unregister(detach), Told("clearing", {"folder": str(folder)}), unfinished)
    return None


def _registered(connection: Connection, folder: Path, record: dict[str, Any] | None) -> tuple[str | None, Any]:
    """Return the settings file of the machine registered in a folder, and that machine if it is an unfinished image."""
    with connection.errors(Told("looking-into", {"folder": str(folder)})):
        settings = registered_folders(connection).get(folder)
        if settings is None or not record or record.get("what") != "image":
            return settings, None
        machine = connection.vbox.findMachine(settings)
        return settings, None if not machine.accessible or marks.read_label(machine).image else machine


def _empty(connection: Connection, folder: Path, record: dict[str, Any]) -> list[Path]:
    """Remove from a folder what its record names, and what VirtualBox and we write beside a machine's disks.

    Returns the disks that could not be removed, as they are in use.
    """
    disks = [Path(path) for path in record.get("disks", ()) if folder in Path(path).parents]
    if record.get("what") in ("create", "image"):  # never started: all that it has come to have is of our making
        kept = set(record.get("kept", ()))
        disks += [path for path in folder.glob("Snapshots/*") if path.suffix in ownership.SUFFIXES]
        disks += [path for path in folder.glob(f"{IMPORT_FOLDER}/*") if path.is_file()]
        disks = [path for path in disks if str(path) not in kept]
    disks = list(dict.fromkeys([*disks, *ownership.blank_children(folder)]))
    left: list[Path] = []
    if any(path.exists() for path in disks) or record.get("what") != "delete":
        left = _remove_in_time(connection, folder, disks)
    name = record.get("settings") or record.get("name") or folder.name.removesuffix(SUFFIX)
    for pattern in OWN_FILES:
        for path in folder.glob(pattern.format(glob.escape(name))):
            path.unlink(missing_ok=True)
    for below in ("Logs", "Snapshots", IMPORT_FOLDER):
        with contextlib.suppress(OSError):
            (folder / below).rmdir()
    return left


def _remove_in_time(connection: Connection, folder: Path, disks: list[Path]) -> list[Path]:
    """Delete disks in a folder; return those that a registered machine uses.

    The death of a client is seen after a moment only, and a disk that it was removing stays in use until the service
    ends, of a machine that is gone: its file goes all the same.
    """
    deadline = time.monotonic() + FREED_WITHIN
    while True:
        remove_disks(connection, folder, disks)
        left = [path for path in disks if path.exists()]
        if not left or time.monotonic() >= deadline:
            break
        time.sleep(POLL)
    media = {Path(str(medium.location)): medium for medium in ownership.media_in(connection, folder)} if left else {}
    owned = [path for path in left if path in media and ownership.has_owner(connection, media[path])]
    for path in left:
        if path not in owned:
            path.unlink(missing_ok=True)
    return owned


def _is_taken(folder: Path) -> bool:
    return any(True for pattern in TAKEN for _path in folder.glob(pattern))


def lab_folder(connection: Connection, lab: str | None = None, copy: str | None = None) -> Path:
    """Return the folder that has the folders of a lab's machines, or of all that is ours."""
    root = settings_file(connection, "x", GROUP).parents[1]
    return root if lab is None else root.joinpath(*(name for name in (lab, copy) if name))


def by_folder(connection: Connection) -> dict[Path, list[Any]]:
    """Return the disks that VirtualBox knows by the machine folder that they are in, children before their parents."""
    found: dict[Path, list[Any]] = {}
    for medium in ownership.media_in(connection, lab_folder(connection)):
        with contextlib.suppress(connection.api_error):
            parents = Path(str(medium.location)).parents
            folder = next((parent for parent in parents if parent.name.endswith(SUFFIX)), None)
            if folder is not None:
                found.setdefault(folder, []).append(medium)
    return found


def clear_folder(
    connection: Connection, folder: Path, lab: str | None, copy: str | None, *, only_look: bool
) -> list[Told]:
    """Clear a folder that was left half-made; a machine that is registered there only loses the mark."""
    with _held(folder, make=False) as stream:
        record = _read_record(stream)
        if not _wanted(record, lab, copy):
            return []
        if only_look:
            settings, image = _registered(connection, folder, record)
            unfinished = record is not None and (settings is None or image is not None)
        else:
            unfinished = _occupant(connection, folder, record) is None and record is not None
            if unfinished and _empty(connection, folder, record or {}):
                return []  # the record stays: whoever looks next goes on
            _let_go(folder, stream)
    name = (record or {}).get("name") or folder.name
    return [Told("unfinished-machine", {"machine": name})] if unfinished else []


def _wanted(record: dict[str, Any] | None, lab: str | None, copy: str | None) -> bool:
    if lab is None or not record:
        return True
    return record.get("lab") == lab and (record.get("copy") or None) == copy
