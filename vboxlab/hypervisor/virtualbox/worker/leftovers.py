"""What a killed process leaves: folders marked as being worked on, and disks that no machine has any more.

A machine's folder holds the pending file from before its first byte until the machine is registered, and again from
before it is unregistered until all is gone. The file is locked while its maker lives: work in progress is not cleared.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from vboxlab.hypervisor.virtualbox.worker import marks
from vboxlab.hypervisor.virtualbox.worker.connection import Connection
from vboxlab.hypervisor.virtualbox.worker.presence import try_lock
from vboxlab.hypervisor.virtualbox.worker.protocol import Call, Failure

PENDING = "vboxlab-pending.json"
GROUP = "/vboxlab"
SUFFIX = ".vm"
# What VirtualBox and we write into a machine's folder.
OWN_FILES = (
    "*.vbox", "*.vbox-prev", "*.vbox-tmp", "*.vdi", "*.vmdk", "*.nvram", "*.partial", "console.log", PENDING,
)  # fmt: skip
OWN_FOLDERS = ("Logs", "Snapshots")


def settings_file(connection: Connection, name: str, group: str) -> Path:
    """Return where the settings of a machine of that name and group belong.

    The folder has a suffix to the name that VirtualBox would give it: when a clone's group is changed from its source's
    to ours, VirtualBox moves a folder that is named like the machine, to a wrong place.
    """
    with connection.errors("asking for the machine folder"):
        composed = Path(connection.vbox.composeMachineFilename(name, group, "", ""))
    return composed.parent.with_name(composed.parent.name + SUFFIX) / composed.name


@contextlib.contextmanager
def pending(folder: Path, record: dict[str, str]) -> Iterator[None]:
    """Mark a folder as being worked on until the block ends well; after an error the mark stays, unlocked."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / PENDING
    with path.open("a+", encoding="utf-8") as stream:
        if not try_lock(stream):
            raise Failure("busy", f"another vboxlab process works on {folder}")
        stream.truncate(0)
        json.dump(record, stream)
        stream.flush()
        yield
        if os.name != "nt":
            path.unlink()
    if os.name == "nt":
        path.unlink()


def read_pending(folder: Path) -> dict[str, str] | None:
    """Return the record of a folder that was left half-made, None for one that is whole or being worked on."""
    try:
        with (folder / PENDING).open("r+", encoding="utf-8") as stream:
            if not try_lock(stream):
                return None
            stream.seek(0)
            record = json.load(stream)
    except OSError:
        return None
    except ValueError:
        return {}  # killed before the record was written
    return record if isinstance(record, dict) else {}


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
    """Remove what VirtualBox and we put into a machine's folder, and the folder when nothing else is in it."""
    for name in OWN_FOLDERS:
        shutil.rmtree(folder / name, ignore_errors=True)
    for pattern in OWN_FILES:
        for path in folder.glob(pattern):
            path.unlink(missing_ok=True)
    with contextlib.suppress(OSError):
        folder.rmdir()


def clear_folder(connection: Connection, folder: Path) -> bool:
    """Clear a folder that was left half-made; a machine that is registered there is whole, and only loses the file.

    An image is whole only once it has its mark.
    Returns whether something was removed. Raises Failure when the folder is in use or not ours.
    """
    if not folder.exists():
        return False
    if (folder / PENDING).exists() and read_pending(folder) is None:
        raise Failure("busy", f"another vboxlab process works on {folder}")
    settings = registered_folders(connection).get(folder)
    if settings is not None and not _unregister_unmarked_image(connection, folder, settings):
        (folder / PENDING).unlink(missing_ok=True)
        return False
    if not (folder / PENDING).exists():
        if any(folder.iterdir()):
            raise Failure("folder-exists", f"{folder} exists already and is not vboxlab's", details=[str(folder)])
        return False
    forget_media(connection, folder)
    remove_own_files(folder)
    return True


def _unregister_unmarked_image(connection: Connection, folder: Path, settings: str) -> bool:
    """Unregister the VM of an image whose making was interrupted; return False when it is something else."""
    record = read_pending(folder)
    if record is None or record.get("what") != "image":
        return False
    with contextlib.suppress(connection.api_error):
        machine = connection.vbox.findMachine(settings)
        if machine.accessible and not marks.read_label(machine).image:
            machine.unregister(connection.value_of("CleanupMode", "DetachAllReturnNone"))
            return True
    return False


def collect(connection: Connection, call: Call) -> list[str]:
    """Clear what interrupted calls left, of one lab or (lab None) of all; return what it was."""
    return clear(connection, call.arguments.get("lab"), call.arguments.get("copy"))


def clear(connection: Connection, lab: str | None = None, copy: str | None = None) -> list[str]:
    """Clear what interrupted calls left, of one lab or (lab None) of all; return what it was."""
    root = settings_file(connection, "x", GROUP).parents[1]
    top = root if lab is None else root.joinpath(*(name for name in (lab, copy) if name))
    cleared = []
    for path in sorted(top.rglob(PENDING)) if top.exists() else []:
        record = read_pending(path.parent)
        if record is None or not _wanted(record, lab, copy):
            continue
        try:
            if clear_folder(connection, path.parent):
                cleared.append(f"unfinished machine {record.get('name') or path.parent.name}")
        except Failure:
            continue
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


def _wanted(record: dict[str, str], lab: str | None, copy: str | None) -> bool:
    if lab is None or not record:
        return True
    return record.get("lab") == lab and (record.get("copy") or None) == copy


def _is_dead(connection: Connection, medium: Any, root: Path) -> bool:
    with contextlib.suppress(connection.api_error):
        location = Path(str(medium.location))
        return root in location.parents and not _is_used(connection, medium) and not location.exists()
    return False
