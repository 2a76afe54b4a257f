"""Which disks are provably ours: those that lead back to the disk of an image of ours, and hold nobody's work.

A machine's folder is where VirtualBox's window puts new disks too, so where a disk lies proves nothing.
"""

from __future__ import annotations

import contextlib
import json
import re
import struct
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from vboxlab.hypervisor.virtualbox.worker import lookup, marks, media, noted_disks, settings_file, storage
from vboxlab.hypervisor.virtualbox.worker.connection import Connection
from vboxlab.hypervisor.virtualbox.worker.looking import Look
from vboxlab.hypervisor.virtualbox.worker.settings_file import Settings
from vboxlab.lazily import dataclass

# Extra data of a machine that a restore is or was under way of: place -> UUID of the disk that it throws away, without
# hyphens, so that looking for the UUIDs that settings name does not find these.
DISCARDED = "vboxlab/discarded"
SUFFIXES = frozenset({".vdi", ".vmdk", ".vhd", ".vhdx", ".hdd", ".qcow", ".qcow2", ".qed", ".img", ".raw"})
# How VirtualBox names differencing disks.
CHILD = re.compile(r"\{([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})\}\.\w+")
# VDI 1.1 (VirtualBox's src/VBox/Storage/VDICore.h): signature, version, header size, type, flags, comment, offsets of
# the block map and the data, geometry, unused, disk size, block size, extra, blocks, blocks in use, UUIDs: its own,
# that of its last change, its parent's.
VDI = struct.Struct("<64xII4xI4x256xI4x20x8x4x4xII16s16x16s")
_FIRST_DISKS: dict[str, set[str]] = {}  # by snapshot of an image of ours
VDI_SIGNATURE, VDI_VERSION, VDI_DIFFERENCING, VDI_FREE = 0xBEDA107F, 0x00010001, 4, b"\xff\xff\xff\xff"


@dataclass(frozen=True)
class Header:
    """What a VDI's header says of it. A blank one is a differencing disk that nothing was ever written to."""

    id: bytes
    parent: bytes
    blank: bool


def all_media(connection: Connection) -> Iterator[tuple[Path, Any]]:
    """Yield every hard disk that VirtualBox knows with its path, children first; one that goes meanwhile is none."""

    def below(medium: Any) -> Iterator[tuple[Path, Any]]:
        with connection.unless_gone():
            path, children = Path(str(medium.location)), connection.array(medium, "children")
            for child in children:
                yield from below(child)
            yield path, medium

    for root in connection.array(connection.vbox, "hardDisks"):
        yield from below(root)


def media_in(connection: Connection, folder: Path) -> list[Any]:
    """Return the hard disks below a folder that VirtualBox knows, children before their parents."""
    return [medium for path, medium in all_media(connection) if folder in path.parents]


def first_disks(connection: Connection, source: str = "") -> set[str]:
    """Return the UUIDs of the disks that clones of an image lead back to; where it is not there, of all images."""
    image = lookup.find_image(connection, source) if source else None
    known = [image] if image is not None else lookup.all_images(connection)
    found = set()
    for each in known:
        with contextlib.suppress(connection.api_error):
            found |= _first_disks(connection, each)
    return found


def _first_disks(connection: Connection, image: lookup.Image) -> set[str]:
    snapshot = str(image.snapshot.id)
    if image.owned and snapshot in _FIRST_DISKS:
        return _FIRST_DISKS[snapshot]
    disks = storage.disks_of(connection, image.snapshot.machine)
    found = {str(disk.base.id) for disk in disks if connection.name_of("MediumType", disk.base.type) in media.HELD}
    if image.owned:  # a snapshot of ours stays as it is
        _FIRST_DISKS[snapshot] = found
    return found


def own_disks(connection: Connection, machine: Any, seen: Look, first: set[str]) -> dict[str, Any]:
    """Return the disks in a machine's folder that it has, now or in a snapshot, and that lead back to an image."""
    folder = seen.settings.parent
    return {
        handle: medium
        for handle, medium in _disks_with_snapshots(connection, machine, seen.written)
        if folder in Path(str(medium.location)).parents and str(medium.base.id) in first
    }


def _disks_with_snapshots(connection: Connection, machine: Any, written: Settings | None) -> list[tuple[str, Any]]:
    """Return the disks that a machine has, now or in a snapshot, with their UUIDs."""
    if written is not None:
        disk, access = connection.value_of("DeviceType", media.DISK), connection.value_of("AccessMode", "ReadOnly")
        with contextlib.suppress(connection.api_error):  # of one that was changed since
            # VirtualBox knows them all: it opens nothing.
            return [(each, connection.vbox.openMedium(each, disk, access, False)) for each in sorted(written.disks)]
    states = (machine, *(snapshot.machine for snapshot in lookup.all_snapshots(connection, machine)))
    return [(str(medium.id), medium) for state in states for medium in storage.disks_of(connection, state)]


def without_parents_of_others(connection: Connection, disks: Mapping[str, Any]) -> dict[str, Any]:
    """Return those of some disks that no other disk depends on which holds something, such as one that was detached."""
    chosen = dict(disks)
    while True:
        kept = [key for key, medium in chosen.items() if _loose_children(connection, medium, set(chosen))]
        if not kept:
            return chosen
        for key in kept:
            del chosen[key]


def loose_children(connection: Connection, disks: Mapping[str, Any]) -> list[str]:
    """Return the paths of the disks that depend on some disks, hold something and are used by no machine."""
    found = [child for medium in disks.values() for child in _loose_children(connection, medium, set(disks))]
    return sorted(str(child.location) for child in found if not is_used(connection, child))


def _loose_children(connection: Connection, medium: Any, own: set[str]) -> list[Any]:
    children = [child for child in connection.array(medium, "children") if str(child.id) not in own]
    return [child for child in children if _holds_something(connection, child)]


def _holds_something(connection: Connection, medium: Any) -> bool:
    """Tell whether a differencing disk or one that depends on it holds something of its own."""
    path = Path(str(medium.location))
    if path.exists() and not is_blank(path):
        return True
    return any(_holds_something(connection, child) for child in connection.array(medium, "children"))


def dependants(connection: Connection, machine: str, disks: Mapping[str, Any]) -> list[str]:
    """Return the names of the other machines whose disks depend on those of a machine, as linked clones of it do."""
    handles: set[str] = set()
    todo = list(disks.values())
    while todo:
        medium = todo.pop()
        with connection.unless_gone():
            todo += connection.array(medium, "children")
            handles |= set(connection.array(medium, "machineIds"))
    return names_of(connection, handles - {machine})


def names_of(connection: Connection, handles: set[str]) -> list[str]:
    """Return the names of the machines among these that are still there."""
    names = set()
    for handle in handles:
        with contextlib.suppress(connection.api_error):
            names.add(str(connection.vbox.findMachine(handle).name))
    return sorted(names)


def is_used(connection: Connection, medium: Any) -> bool:
    """Tell whether a disk, or one that depends on it, belongs to a machine or is being worked on."""
    idle = {connection.value_of("MediumState", name) for name in ("Created", "NotCreated", "Inaccessible")}
    if connection.array(medium, "machineIds") or medium.state not in idle:
        return True
    return any(is_used(connection, child) for child in connection.array(medium, "children"))


def has_owner(connection: Connection, medium: Any) -> bool:
    """Tell whether a disk, or one that depends on it, belongs to a machine that is registered."""
    for handle in connection.array(medium, "machineIds"):
        with contextlib.suppress(connection.api_error):
            connection.vbox.findMachine(handle)
            return True
    return any(has_owner(connection, child) for child in connection.array(medium, "children"))


def orphans(connection: Connection, machine: Any, known: list[Any]) -> list[Path]:
    """Return the disks in a machine's folder that an interrupted call of ours left, children before their parents.

    They lead back to its image and no machine uses them, and a restore was to throw them away, or nothing was ever
    written to them. A disk that somebody detached to use it otherwise is none of them.
    """
    folder = Path(str(machine.settingsFilePath)).parent
    first = first_disks(connection, marks.read_label(machine).source) | noted_disks.own(machine)
    discarded = _discarded(connection, machine, first)
    found: list[Path] = []
    seen = set()
    for medium in known:
        path = Path(str(medium.location))
        seen.add(path)
        base = medium.base  # None of one that was let go since it was listed
        if medium.parent is None or base is None or str(base.id) not in first or is_used(connection, medium):
            continue
        kept = any(Path(str(child.location)) not in found for child in connection.array(medium, "children"))
        if not kept and (_plain(medium) in discarded or not path.exists() or is_blank(path)):
            found.append(path)
    found += [path for path in blank_children(folder) if path not in seen]
    return found + [path for path in _unfinished(connection, machine, folder, known) if path not in found]


def _unfinished(connection: Connection, machine: Any, folder: Path, known: list[Any]) -> list[Path]:
    """Return the disks besides the first that an interrupted call of ours was making."""
    noted = noted_disks.read(machine)
    making = [] if noted is None else [folder / f"{stem}{noted_disks.ENDING}" for stem in noted.making]
    used = {Path(str(medium.location)) for medium in known if is_used(connection, medium)} if making else set()
    return [path for path in making if path.exists() and path not in used]


def blank_children(folder: Path) -> list[Path]:
    """Return the differencing disks in a machine's folder that hold nothing, and that nothing else there depends on."""
    headers = {path: header for path in disk_files(folder) if (header := _header(path)) is not None}
    blank = {path for path, header in headers.items() if header.blank and CHILD.fullmatch(path.name)}
    while True:
        needed = {header.parent for path, header in headers.items() if path not in blank}
        still = {path for path in blank if headers[path].id not in needed}
        if still == blank:
            return sorted(blank)
        blank = still


def is_blank(path: Path) -> bool:
    """Tell whether a disk is a differencing one that holds nothing of its own; only of a VDI can that be told."""
    header = _header(path)
    return header is not None and header.blank


def _header(path: Path) -> Header | None:
    try:
        with path.open("rb") as stream:
            head = stream.read(VDI.size)
            if len(head) < VDI.size:
                return None
            signature, version, kind, map_at, blocks, in_use, own, parent = VDI.unpack(head)
            if (signature, version) != (VDI_SIGNATURE, VDI_VERSION):
                return None
            blank = kind == VDI_DIFFERENCING and in_use == 0
            if blank:
                stream.seek(map_at)
                blank = stream.read(4 * blocks) == VDI_FREE * blocks
            return Header(own, parent, blank)
    except OSError:
        return None


def disk_files(folder: Path) -> list[Path]:
    """Return the files in a machine's folder that are disks by their names; none of a folder that is gone."""
    found = [*folder.glob("*"), *folder.glob("Snapshots/*")]
    return sorted(path for path in found if path.suffix.lower() in SUFFIXES and path.is_file())


def is_named(disk: Path, settings: str) -> bool:
    """Tell whether a machine's settings name a disk that lies in its folder."""
    child = CHILD.fullmatch(disk.name)
    return (child[1] if child else disk.name) in settings


def note_discarded(connection: Connection, machine: Any, settings: Path) -> None:
    """Write down which disks a restore is to throw away, in the settings of a machine that a session of ours holds.

    All that the session changed is saved: the settings file is right, and VirtualBox writes the note into it at once.
    """
    written = settings_file.read(settings)
    attached = {} if written is None else written.attached
    now = {":".join(place): disk.replace("-", "") for place, disk in attached.items()}
    machine.setExtraData(DISCARDED, json.dumps(now or _places(connection, machine)))


def forget_discarded(machine: Any) -> None:
    """Take that note back in a locked machine's settings."""
    machine.setExtraData(DISCARDED, "")


def _discarded(connection: Connection, machine: Any, first: set[str]) -> set[str]:
    """Return the disks that a restore was to throw away: the machine has another of ours in their place."""
    text = str(machine.getExtraData(DISCARDED))
    if not text:
        return set()
    try:
        noted = dict(json.loads(text))
    except (ValueError, TypeError):
        return set()
    present = _places(connection, machine)
    own = {_plain(medium) for medium in storage.disks_of(connection, machine) if str(medium.base.id) in first}
    return {str(disk) for place, disk in noted.items() if present.get(place, disk) != disk and present[place] in own}


def _places(connection: Connection, machine: Any) -> dict[str, str]:
    disk = connection.value_of("DeviceType", media.DISK)
    attached = [each for each in connection.array(machine, "mediumAttachments") if each.type == disk]
    return {f"{each.controller}:{each.port}:{each.device}": _plain(each.medium) for each in attached if each.medium}


def _plain(medium: Any) -> str:
    return str(medium.id).replace("-", "")
