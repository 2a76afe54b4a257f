"""What a killed process leaves: folders marked as being worked on, and disks that no machine has any more.

A machine's folder holds the pending file from before its first byte until the machine is registered, and again from
before it is unregistered until all is gone. The file is locked while its maker lives: work in progress is not cleared.
"""

from __future__ import annotations

import contextlib
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from vboxlab.hypervisor.virtualbox.worker import marks
from vboxlab.hypervisor.virtualbox.worker.connection import Connection
from vboxlab.hypervisor.virtualbox.worker.locks import hold, remove_held
from vboxlab.hypervisor.virtualbox.worker.protocol import Call, Failure
from vboxlab.hypervisor.virtualbox.worker.sessions import retried

PENDING = "vboxlab-pending.json"
GROUP = "/vboxlab"
SUFFIX = ".vm"
# What VirtualBox and we write into a machine's folder.
OWN_FILES = (
    "*.vbox", "*.vbox-prev", "*.vbox-tmp", "*.vdi", "*.vmdk", "*.nvram", "*.partial", "console.log",
)  # fmt: skip
IMPORT_FOLDER = "Import"  # disks that are being converted
OWN_FOLDERS = ("Logs", "Snapshots", IMPORT_FOLDER)


def settings_file(connection: Connection, name: str, group: str) -> Path:
    """Return where the settings of a machine of that name and group belong.

    The folder has a suffix to the name that VirtualBox would give it: when a clone's group is changed from its source's
    to ours, VirtualBox moves a folder that is named like the machine, to a wrong place.
    """
    with connection.errors("asking for the machine folder"):
        composed = Path(connection.vbox.composeMachineFilename(name, group, "", ""))
    return composed.parent.with_name(composed.parent.name + SUFFIX) / composed.name


@contextlib.contextmanager
def making(connection: Connection, folder: Path, record: dict[str, str]) -> Iterator[None]:
    """Hold a folder, without what an interrupted call left in it, until the block ends well.

    After an error the mark stays, and whoever holds the folder next clears it. Raises Failure when it is in use or not
    ours.
    """
    with _held(folder, make=True) as stream:
        before = _read_record(stream)
        if before is not None or any(path.name != PENDING for path in folder.iterdir()):
            try:
                _make_room(connection, folder, before, record["name"])
            except Failure:
                if before is None:
                    _let_go(folder, stream)
                raise
        _write_record(stream, record)
        yield
        _let_go(folder, stream)


@contextlib.contextmanager
def making_or_nothing(connection: Connection, folder: Path, record: dict[str, str]) -> Iterator[None]:
    """Hold a folder as `making` does, and clear it again at once when the block fails."""
    try:
        with making(connection, folder, record):
            yield
    except Failure:
        with contextlib.suppress(Failure):
            _clear_folder(connection, folder, None, None)
        raise


def _make_room(connection: Connection, folder: Path, before: dict[str, str] | None, name: str) -> None:
    """Clear a held folder that is not empty. Raises Failure when what is in it is whole or not ours."""
    occupant = _occupant(connection, folder, before)
    if occupant is None and before is not None:
        _empty(connection, folder)
    elif occupant is None:
        raise Failure("folder-exists", f"{folder} exists already and is not vboxlab's", details=[str(folder)])
    elif Path(occupant).stem == name:  # made by another thread or process until the folder was ours
        raise Failure("busy", f"another vboxlab process has just made {name}")
    else:
        raise Failure("folder-exists", f"{folder} is that of the VM {Path(occupant).stem}", details=[str(folder)])


@contextlib.contextmanager
def removing(folder: Path, record: dict[str, str]) -> Iterator[None]:
    """Hold a machine's folder until the block, which removes the machine, ends well, and leave nothing of ours in it.

    After an error the mark stays: `clear` goes on where the machine is no longer registered.
    """
    with _held(folder, make=True) as stream:
        _write_record(stream, record)
        yield
        remove_own_files(folder)
        _let_go(folder, stream)


@contextlib.contextmanager
def _held(folder: Path, *, make: bool) -> Iterator[IO[str]]:
    """Hold a folder's pending file, made if asked for. Raises Failure of kind "busy" when that is not possible now."""
    if make:
        folder.mkdir(parents=True, exist_ok=True)
    stream = hold(folder / PENDING, make=make)
    if stream is None:
        raise Failure("busy", f"another vboxlab process works on {folder}")
    with stream:
        yield stream


def _let_go(folder: Path, stream: IO[str]) -> None:
    """Take the mark away, and the folder when nothing else is in it."""
    remove_held(folder / PENDING, stream)
    with contextlib.suppress(OSError):
        folder.rmdir()


def _read_record(stream: IO[str]) -> dict[str, str] | None:
    """Return what the holder before wrote, None when that is nothing: then nothing was begun either."""
    stream.seek(0)
    try:
        text = stream.read()
        if not text:
            return None
        record = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    fields = record.items() if isinstance(record, dict) else ()
    return {name: text for name, text in fields if isinstance(text, str)}


def _write_record(stream: IO[str], record: dict[str, str]) -> None:
    stream.truncate(0)
    json.dump(record, stream)
    stream.flush()


def registered_folders(connection: Connection) -> dict[Path, str]:
    """Return the folders of all registered machines, with the machine's settings file."""
    found = {}
    for machine in connection.array(connection.vbox, "machines"):
        with contextlib.suppress(connection.api_error):
            settings = str(machine.settingsFilePath)
            found[Path(settings).parent] = settings
    return found


def all_media(connection: Connection) -> Iterator[Any]:
    """Yield every hard disk that VirtualBox knows, children before their parents."""

    def below(medium: Any) -> Iterator[Any]:
        for child in connection.array(medium, "children"):
            yield from below(child)
        yield medium

    for root in connection.array(connection.vbox, "hardDisks"):
        yield from below(root)


def forget_media(connection: Connection, folder: Path) -> list[str]:
    """Delete the disks in a folder that no machine uses, and forget those whose file is gone; return their paths."""
    gone = []
    for medium in list(all_media(connection)):
        with contextlib.suppress(connection.api_error):
            location = Path(str(medium.location))
            if folder not in location.parents or _is_used(connection, medium):
                continue
            medium.close()
            location.unlink(missing_ok=True)
            gone.append(str(location))
    return gone


def remove_own_files(folder: Path) -> None:
    """Remove what VirtualBox and we put into a machine's folder, but the pending file that holds it."""
    for name in OWN_FOLDERS:
        shutil.rmtree(folder / name, ignore_errors=True)
    for pattern in OWN_FILES:
        for path in folder.glob(pattern):
            path.unlink(missing_ok=True)


def _occupant(connection: Connection, folder: Path, record: dict[str, str] | None) -> str | None:
    """Return the settings file of the machine that is registered in a folder, None if there is none.

    A registered machine is whole, but an image only once it has its mark: without it, it is unregistered here.
    """
    with connection.errors(f"looking into {folder}"):
        settings = registered_folders(connection).get(folder)
    if settings is None or not record or record.get("what") != "image":
        return settings
    with connection.errors(f"looking into {folder}"):
        machine = connection.vbox.findMachine(settings)
        if not machine.accessible or marks.read_label(machine).image:
            return settings
    detach = connection.value_of("CleanupMode", "DetachAllReturnNone")
    # VirtualBox takes a moment to see that the client which held the lock is dead.
    retried(connection, lambda: machine.unregister(detach), f"clearing {folder}", machine)
    return None


def _empty(connection: Connection, folder: Path) -> None:
    forget_media(connection, folder)
    remove_own_files(folder)


def collect(connection: Connection, call: Call) -> list[str]:
    """Clear what interrupted calls left, of one lab or (lab None) of all; return what it was."""
    return clear(connection, call.arguments.get("lab"), call.arguments.get("copy"))


def clear(connection: Connection, lab: str | None = None, copy: str | None = None) -> list[str]:
    """Clear what interrupted calls left, of one lab or (lab None) of all; return what it was."""
    root = settings_file(connection, "x", GROUP).parents[1]
    top = root if lab is None else root.joinpath(*(name for name in (lab, copy) if name))
    cleared = []
    for path in sorted(top.rglob(PENDING)) if top.exists() else []:
        with contextlib.suppress(Failure):
            cleared += _clear_folder(connection, path.parent, lab, copy)
    for folder in _folders_of_labs(connection) if lab is None else _folders_with_strangers(top):
        cleared += [f"unused disk {path}" for path in forget_media(connection, folder)]
    if lab is not None:
        return cleared  # the rest is nobody's in particular, and takes a look at every disk
    for medium in [medium for medium in all_media(connection) if _is_dead(connection, medium, root)]:
        with contextlib.suppress(connection.api_error):
            location = str(medium.location)
            medium.close()
            cleared.append(f"entry of the missing disk {location}")
    return cleared


def _clear_folder(connection: Connection, folder: Path, lab: str | None, copy: str | None) -> list[str]:
    """Clear a folder that was left half-made; a machine that is registered there only loses the mark."""
    with _held(folder, make=False) as stream:
        record = _read_record(stream)
        if not _wanted(record, lab, copy):
            return []
        unfinished = _occupant(connection, folder, record) is None and record is not None
        if unfinished:
            _empty(connection, folder)
        _let_go(folder, stream)
    return [f"unfinished machine {(record or {}).get('name') or folder.name}"] if unfinished else []


def _folders_with_strangers(top: Path) -> list[Path]:
    """Return the machine folders right below a group's that hold a disk which the machine's settings do not name."""
    found = []
    for folder in top.glob(f"*{SUFFIX}"):
        settings = "".join(path.read_text(encoding="utf-8", errors="replace") for path in folder.glob("*.vbox"))
        disks = [*folder.glob("*.vdi"), *folder.glob("Snapshots/*.vdi")]
        if any(disk.stem.strip("{}") not in settings for disk in disks):
            found.append(folder)
    return found


def _folders_of_labs(connection: Connection) -> list[Path]:
    """Return the folders of the machines of all labs."""
    found = []
    for machine in connection.array(connection.vbox, "machines"):
        with contextlib.suppress(connection.api_error):
            if machine.accessible and marks.read_marks(machine).get("lab"):
                found.append(Path(str(machine.settingsFilePath)).parent)
    return found


def _is_used(connection: Connection, medium: Any) -> bool:
    """Tell whether a disk belongs to a machine or another disk, or is being worked on."""
    idle = {connection.value_of("MediumState", name) for name in ("Created", "NotCreated", "Inaccessible")}
    users = connection.array(medium, "machineIds") or connection.array(medium, "children")
    return bool(users) or medium.state not in idle


def _wanted(record: dict[str, str] | None, lab: str | None, copy: str | None) -> bool:
    if lab is None or not record:
        return True
    return record.get("lab") == lab and (record.get("copy") or None) == copy


def _is_dead(connection: Connection, medium: Any, root: Path) -> bool:
    with contextlib.suppress(connection.api_error):
        location = Path(str(medium.location))
        return root in location.parents and not _is_used(connection, medium) and not location.exists()
    return False
