"""VirtualBox's list of machines, which its service loses when it is killed while it replaces that file.

Seen with 7.2: the service writes VirtualBox.xml-tmp, moves VirtualBox.xml to VirtualBox.xml-prev and the new file to
its place. Killed before the last step it leaves no VirtualBox.xml, and the next one starts without any machine, the
user's own included, and soon writes that down.
"""

from __future__ import annotations

import os
import shutil
import sys
import time
import xml.etree.ElementTree as ET
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from vboxlab.hypervisor.virtualbox.worker.connection import Connection
from vboxlab.hypervisor.virtualbox.worker.protocol import Failure

FILE = "VirtualBox.xml"
# A service that lives is between its two renames for much less than that.
REPLACING_SECONDS = 0.5
POLL = 0.05


def home(environ: Mapping[str, str] = os.environ, platform: str = sys.platform) -> Path:
    """Return the folder of VirtualBox's global settings (VirtualBox manual, "Global Settings")."""
    if environ.get("VBOX_USER_HOME"):
        return Path(environ["VBOX_USER_HOME"])
    user = Path.home()
    if platform == "darwin":
        return user / "Library" / "VirtualBox"
    old = user / ".VirtualBox"
    if platform == "win32" or old.is_dir():
        return old
    return Path(environ.get("XDG_CONFIG_HOME") or user / ".config") / "VirtualBox"


def restore(folder: Path) -> Path | None:
    """Put back a list of machines that is not there, before the service reads it; return the file when that was done.

    The newer of the two that a killed service leaves is taken: it was whole before the other was moved away.
    """
    target = folder / FILE
    deadline = time.monotonic() + REPLACING_SECONDS
    while not target.exists():
        sources = [path for path in (folder / f"{FILE}-tmp", folder / f"{FILE}-prev") if machines_in(path) is not None]
        if not sources:
            return None
        if time.monotonic() < deadline:
            time.sleep(POLL)
            continue
        return target if _put(sources[0], target) else None
    return None


def _put(source: Path, target: Path) -> bool:
    """Copy a file to a place that is free, in one step."""
    whole = target.with_name(f"{FILE}-vboxlab-{os.getpid()}")
    try:
        shutil.copyfile(source, whole)
        if target.exists():
            return False
        whole.replace(target)
    except OSError:
        return False
    finally:
        with suppress(OSError):
            whole.unlink(missing_ok=True)
    return True


def machines_in(path: Path) -> int | None:
    """Return how many machines a list names, None when it cannot be read."""
    try:
        root = ET.parse(path).getroot()  # noqa: S314 -- VirtualBox's own file, in this user's folder
    except (OSError, ET.ParseError):
        return None
    return sum(element.tag.rpartition("}")[2] == "MachineEntry" for element in root.iter())


def registered(connection: Connection) -> list[Any]:
    """Return all machines that the service knows.

    Raises Failure when it knows none of those in its list: it was started when that was not there.
    """
    with connection.errors("looking for the list of machines"):
        machines = connection.array(connection.vbox, "machines")
        if machines:
            return machines
        path = Path(str(connection.vbox.homeFolder)) / FILE
    deadline = time.monotonic() + REPLACING_SECONDS
    while machines_in(path):
        if time.monotonic() >= deadline:
            raise Failure("lost", f"VirtualBox's service does not know the machines of {path}")
        time.sleep(POLL)
    return []
