"""VirtualBox's list of machines, which its service loses when it is killed while it replaces that file.

It is not ours: the loss is told, and the list put back only for somebody who agreed (`repairs` of this driver).

Seen with 7.2: the service writes VirtualBox.xml-tmp, moves VirtualBox.xml to VirtualBox.xml-prev and the new file to
its place. Killed before the last step it leaves no VirtualBox.xml, and the next one starts without any machine, the
user's own included, and soon writes that down.
"""

from __future__ import annotations

import errno
import os
import shutil
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from vboxlab.files import flush, flush_folder
from vboxlab.hypervisor.virtualbox.worker.connection import Connection
from vboxlab.hypervisor.virtualbox.worker.protocol import Failure
from vboxlab.hypervisor.virtualbox.worker.settings_file import parse
from vboxlab.hypervisor.virtualbox.worker.told import Told
from vboxlab.lazily import dataclass

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


@dataclass(frozen=True)
class Loss:
    """A list of machines that VirtualBox cannot read, and the whole copy that lies beside it (None: there is none)."""

    target: Path
    missing: bool
    copy: Path | None = None
    taken: float = 0.0  # when the copy was written, seconds since the epoch
    machines: int = 0  # how many the copy names

    def describe(self) -> list[Told]:
        """Return what was found."""
        lost = str(self.target)
        state = Told("list-missing", {"file": lost}) if self.missing else Told("list-damaged", {"file": lost})
        if self.copy is None:
            return [state, Told("no-whole-copy", {"file": FILE})]
        name = self.copy.name
        return [state, Told("whole-copy", {"copy": name, "taken": self.taken, "machines": self.machines})]


def find_loss(folder: Path) -> Loss | None:
    """Return what happened to a list of machines that is lost, None where it can be read or never was there.

    The newer of the two copies that a killed service leaves is named: it was whole before the other was moved away.
    Changes nothing. A service that is just replacing the file is waited for.
    """
    target = folder / FILE
    deadline = time.monotonic() + REPLACING_SECONDS
    while machines_in(target) is None:
        missing = not target.exists()
        copies = [path for path in (folder / f"{FILE}-tmp", folder / f"{FILE}-prev") if machines_in(path) is not None]
        if missing and not copies:
            return None
        if time.monotonic() < deadline:
            time.sleep(POLL)
            continue
        if not copies:
            return Loss(target, missing)
        return Loss(target, missing, copies[0], copies[0].stat().st_mtime, machines_in(copies[0]) or 0)
    return None


def check(folder: Path) -> None:
    """Raise Failure where the list of machines is lost: a service that starts now would take it for an empty one."""
    loss = find_loss(folder)
    if loss is not None:
        raise Failure(kind_of(loss), Told("list-lost"), details=loss.describe())


def kind_of(loss: Loss) -> str:
    """Return which kind of failure a loss is: one that can be repaired, or not."""
    return "registry" if loss.copy is not None else "registry-gone"


def keep_beside(path: Path) -> Path:
    """Copy a file to NAME.vboxlab-DATE beside it, never over another one, and return that. Raises OSError."""
    stamp = time.strftime("%Y%m%d-%H%M%S")
    for number in range(1, 1000):
        kept = path.with_name(f"{path.name}.vboxlab-{stamp}{f'-{number}' if number > 1 else ''}")
        try:
            with kept.open("xb") as target, path.open("rb") as source:
                shutil.copyfileobj(source, target)
                flush(target)
        except FileExistsError:
            continue
        shutil.copystat(path, kept)
        flush_folder(kept.parent)
        return kept
    raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(path))


def machines_in(path: Path) -> int | None:
    """Return how many machines a list names, None when it cannot be read."""
    root = parse(path)
    if root is None or root.tag.rpartition("}")[2] != "VirtualBox":
        return None
    return sum(element.tag.rpartition("}")[2] == "MachineEntry" for element in root.iter())


def registered(connection: Connection) -> list[Any]:
    """Return all machines that the service knows.

    Raises Failure when it knows none of those in its list: it was started when that was not there.
    """
    with connection.errors(Told("looking-for-list")):
        machines = connection.array(connection.vbox, "machines")
        if machines:
            return machines
        path = Path(str(connection.vbox.homeFolder)) / FILE
    deadline = time.monotonic() + REPLACING_SECONDS
    while machines_in(path):
        if time.monotonic() >= deadline:
            raise Failure("lost", Told("machines-unknown", {"file": str(path)}))
        time.sleep(POLL)
    return []
