"""Machines of ours that VirtualBox's service cannot read since it was killed while it wrote them.

Seen with 7.2: it writes settings files in place, after moving the old one to .vbox-prev, and it may write a machine's
settings before those of the base whose list of disks the machine's disks are kept in.
"""

from __future__ import annotations

import contextlib
import re
import shutil
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

from vboxlab.hypervisor.virtualbox.worker import leftovers
from vboxlab.hypervisor.virtualbox.worker.connection import Connection

PREVIOUS = "-prev"


def mend(connection: Connection, registered: list[Any]) -> list[str]:
    """Make unreadable machines of ours readable again where that is possible; return the settings files of those.

    A machine is ours when its settings lie where only we put machines. What cannot be mended stays as it is.
    """
    with connection.errors("looking for unreadable machines"):
        root = leftovers.settings_file(connection, "x", leftovers.GROUP).parents[1]
        broken = [machine for machine in registered if _is_broken(machine, root)]
    mended = []
    for _round in range(2):  # a machine may be unreadable because its base is
        for machine in broken:
            with contextlib.suppress(connection.api_error, OSError):
                settings = Path(str(machine.settingsFilePath))
                if not machine.accessible and (_restore_settings(settings) | _set_disks_right(connection, settings)):
                    # Reading the attribute makes VirtualBox try again (IMachine::accessible).
                    mended += [str(settings)] if machine.accessible else []
    return mended


def _is_broken(machine: Any, root: Path) -> bool:
    return not machine.accessible and root in Path(str(machine.settingsFilePath)).parents


def _restore_settings(settings: Path) -> bool:
    """Put the previous settings back when the present ones are missing or cut short."""
    previous = settings.with_name(settings.name + PREVIOUS)
    if _is_whole(settings) or not _is_whole(previous):
        return False
    shutil.copyfile(previous, settings)
    return True


def _is_whole(path: Path) -> bool:
    try:
        ET.parse(path)  # noqa: S314 -- VirtualBox's own file, in this user's folder
    except (OSError, ET.ParseError):
        return False
    return True


def _set_disks_right(connection: Connection, settings: Path) -> bool:
    """Let VirtualBox know the disks that a machine's settings name, and forget others in its folder."""
    named = set(re.findall(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", settings.read_text(encoding="utf-8")))
    for medium in list(leftovers.all_media(connection)):
        with contextlib.suppress(connection.api_error):
            if settings.parent in Path(str(medium.location)).parents and str(medium.id) not in named:
                medium.close()
    device = connection.value_of("DeviceType", "HardDisk")
    access = connection.value_of("AccessMode", "ReadWrite")
    opened = False
    for disk in sorted(settings.parent.glob("*.vdi")) + sorted(settings.parent.glob("Snapshots/*.vdi")):
        with contextlib.suppress(connection.api_error):
            if disk.parent == settings.parent or disk.stem.strip("{}") in named:
                connection.vbox.openMedium(str(disk), device, access, False)
                opened = True
    return opened
