"""Machines of ours that VirtualBox's service cannot read since it was killed while it wrote them.

Seen with 7.2: it writes settings files in place, after moving the old one to .vbox-prev, and it may write a machine's
settings before those of the base whose list of disks the machine's disks are kept in.
"""

from __future__ import annotations

import contextlib
import shutil
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

from vboxlab.hypervisor.virtualbox.worker import leftovers, marks, ownership
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
    if machine.accessible:
        return False
    folder = Path(str(machine.settingsFilePath)).parent
    return root in folder.parents and folder.name.endswith(leftovers.SUFFIX)


def _restore_settings(settings: Path) -> bool:
    """Put the previous settings back when the present ones are missing or cut short."""
    previous = settings.with_name(settings.name + PREVIOUS)
    if _is_whole(settings) or not _is_whole(previous) or marks.KEY not in previous.read_text(encoding="utf-8"):
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
    """Let VirtualBox know the disks that a machine's settings name, and forget others of it; files stay as they are.

    Others of it are differencing disks whose first disk lies elsewhere: what somebody put into the folder stays known.
    """
    text = settings.read_text(encoding="utf-8")
    for medium in ownership.media_in(connection, settings.parent):
        with contextlib.suppress(connection.api_error):
            elsewhere = settings.parent not in Path(str(medium.base.location)).parents
            if elsewhere and str(medium.id) not in text:
                medium.close()
    device = connection.value_of("DeviceType", "HardDisk")
    access = connection.value_of("AccessMode", "ReadWrite")
    opened = False
    for disk in ownership.disk_files(settings.parent):  # those beside the settings before those in Snapshots
        with contextlib.suppress(connection.api_error):
            if ownership.is_named(disk, text):
                connection.vbox.openMedium(str(disk), device, access, False)
                opened = True
    return opened
