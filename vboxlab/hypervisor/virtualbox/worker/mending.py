"""Machines of ours that VirtualBox's service cannot read since it was killed while it wrote them.

Seen with 7.2: it writes settings files in place, after moving the old one to .vbox-prev, and it may write a machine's
settings before those of the base whose list of disks the machine's disks are kept in.

Only what is ours is mended: machines whose settings carry our label, written on that very machine, and disks that such
settings name. A file that is replaced is kept beside.
"""

from __future__ import annotations

import contextlib
import re
import shutil
import uuid
from pathlib import Path
from typing import Any

from vboxlab.files import replacing
from vboxlab.hypervisor.virtualbox.worker import marks, ownership
from vboxlab.hypervisor.virtualbox.worker.connection import Connection
from vboxlab.hypervisor.virtualbox.worker.registry import keep_beside
from vboxlab.hypervisor.virtualbox.worker.settings_file import extra_data, parse
from vboxlab.hypervisor.virtualbox.worker.told import Told

PREVIOUS = "-prev"
UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
# Where a VDI has its own UUID (VirtualBox's src/VBox/Storage/VDICore.h, VDIHEADER1).
VDI_SIGNATURE, VDI_SIGNATURE_AT, VDI_UUID_AT = b"\x7f\x10\xda\xbe", 0x40, 0x188


def mend(connection: Connection, registered: list[Any]) -> list[Told]:
    """Make unreadable machines of ours readable again where that is possible; return what was done.

    What cannot be mended stays as it is, and so does every machine that is not ours or may not be.
    """
    broken = [found for machine in registered if (found := _broken(connection, machine)) is not None]
    done: list[Told] = []
    for _round in range(2):  # a machine may be unreadable because its base is
        for machine, settings in broken:
            with contextlib.suppress(connection.api_error, OSError):
                if machine.accessible:
                    continue
                said = _restore_settings(settings)
                if _set_disks_right(connection, settings) or said:
                    # Reading the attribute makes VirtualBox try again (IMachine::accessible).
                    done += said
                    readable = Told("readable-again", {"machine": settings.stem, "settings": str(settings)})
                    done += [readable] if machine.accessible else []
    return done


def _broken(connection: Connection, machine: Any) -> tuple[Any, Path] | None:
    """Return a machine with its settings file when it cannot be read and is ours. A machine that is odd is not."""
    try:
        if machine.accessible:
            return None
        settings = Path(str(machine.settingsFilePath))
        return (machine, settings) if _is_ours(settings, str(machine.id)) else None
    except connection.api_error as error:
        failure = connection.failure(error, Told("looking-for-unreadable"))
        if failure.kind == "dead":
            raise failure from error
        return None


def _is_ours(settings: Path, handle: str) -> bool:
    """Tell whether a machine's settings, or the ones before, carry a label that was written on that machine."""
    for path in (settings, _previous(settings)):
        root = parse(path)
        if root is not None:
            label = marks.parse_label(extra_data(root).get(marks.KEY, ""), handle)
            return bool(label.image or label.marks.get(marks.LAB))
    return False


def _previous(settings: Path) -> Path:
    return settings.with_name(settings.name + PREVIOUS)


def _restore_settings(settings: Path) -> list[Told]:
    """Put the previous settings back when the present ones are missing or cut short; return what was done."""
    previous = _previous(settings)
    if parse(settings) is not None or parse(previous) is None:
        return []
    kept = keep_beside(settings).name if settings.exists() else ""
    with replacing(settings, mode=previous.stat().st_mode & 0o777) as stream, previous.open("rb") as source:
        shutil.copyfileobj(source, stream)
    if kept:
        return [Told("settings-put-back-kept", {"settings": str(settings), "kept": kept})]
    return [Told("settings-put-back", {"settings": str(settings)})]


def _set_disks_right(connection: Connection, settings: Path) -> bool:
    """Let VirtualBox know the disks that a machine's settings name, and forget unused children of ours beside them."""
    named = set(UUID.findall(settings.read_text(encoding="utf-8", errors="replace")))
    for medium in ownership.media_in(connection, settings.parent):
        with contextlib.suppress(connection.api_error):
            if _is_leftover(connection, medium, named):
                medium.close()
    device = connection.value_of("DeviceType", "HardDisk")
    access = connection.value_of("AccessMode", "ReadWrite")
    opened = False
    for disk in ownership.disk_files(settings.parent):  # those beside the settings before those in Snapshots
        with contextlib.suppress(connection.api_error):
            if _vdi_id(disk) in named:
                connection.vbox.openMedium(str(disk), device, access, False)
                opened = True
    return opened


def _is_leftover(connection: Connection, medium: Any, named: set[str]) -> bool:
    """Tell whether a disk is one that only snapshots and linked clones make, and nothing names any more.

    Any other disk in the folder was put there by somebody: it stays registered.
    """
    child = medium.parent is not None and not connection.array(medium, "machineIds")
    return child and str(medium.id) not in named


def _vdi_id(disk: Path) -> str:
    """Return the UUID in a disk file, "" when it is no VDI."""
    with disk.open("rb") as stream:
        start = stream.read(VDI_UUID_AT + 16)
    if len(start) < VDI_UUID_AT + 16 or start[VDI_SIGNATURE_AT:][:4] != VDI_SIGNATURE:
        return ""
    return str(uuid.UUID(bytes_le=start[VDI_UUID_AT:]))
