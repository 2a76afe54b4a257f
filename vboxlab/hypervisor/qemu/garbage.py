"""What interrupted calls leave behind, and how it is cleared."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path

from vboxlab.errors import DriverError
from vboxlab.files import PRIVATE_FILE, make_private_folder
from vboxlab.hypervisor.qemu.client import Process
from vboxlab.hypervisor.qemu.definition import DEFINITION_FILE, Definition, decode
from vboxlab.hypervisor.qemu.images import run_disk_tool, run_on_disk
from vboxlab.hypervisor.qemu.layout import Layout, remove_tree
from vboxlab.hypervisor.qemu.looks import is_listening
from vboxlab.hypervisor.qemu.networks import socket_is_read
from vboxlab.hypervisor.qemu.switch import LINE_SUFFIX, NET_SUFFIX
from vboxlab.hypervisor.qemu.workspace import Workspace
from vboxlab.language import _
from vboxlab.topology.addressing import LabName

NEW_PREFIX = ".new-"
GONE_PREFIX = ".gone-"
OWNER_FILE = "owner"
ORPHAN_QUIT_SECONDS = 5.0


class BeingMade:
    """The directory of a machine that is being made: complete under its own name in one step, or gone.

    Made and finished under the home's lock. Its owner keeps a file in it locked, so that a sweep can tell it from one
    whose owner was killed.
    """

    def __init__(self, machines: Path, machine_id: str) -> None:
        self.directory = machines / f"{NEW_PREFIX}{machine_id}"
        make_private_folder(self.directory)
        self._owner = self.directory / OWNER_FILE
        self._handle = os.open(self._owner, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, PRIVATE_FILE)
        fcntl.flock(self._handle, fcntl.LOCK_EX)

    def finish(self, target: Path) -> None:
        """Give the directory its own name."""
        self._owner.unlink()
        self.directory.rename(target)

    def __enter__(self) -> BeingMade:
        return self

    def __exit__(self, *_error: object) -> None:
        os.close(self._handle)
        remove_tree(self.directory)


def sweep_leftovers(layout: Layout, lab: LabName | None = None, *, only_look: bool = False) -> list[str]:
    """Remove what killed calls left half made or half gone, of one lab where it can be told. Under the home's lock.

    Returns what it was, or with `only_look` what it would be.
    """
    found = []
    for path in sorted(layout.machines.glob(".*")):
        if not path.name.startswith((NEW_PREFIX, GONE_PREFIX)) or _is_owned(path / OWNER_FILE):
            continue
        definition = _read(path)
        if lab is not None and definition is not None and definition.lab != lab:
            continue
        with suppress(DriverError):
            name = definition.name if definition else path.name
            if not only_look:
                lab_of, disks = (definition.lab, definition.disk_files) if definition else (None, frozenset[str]())
                layout.discard(path, lab_of, name.lstrip("."), disks)
            is_new = path.name.startswith(NEW_PREFIX)
            text = _("half-made machine {machine}") if is_new else _("half-removed machine {machine}")
            found.append(text.format(machine=name))
    return found


def sweep_shared(work: Workspace, lab: LabName | None = None, *, only_look: bool = False) -> list[str]:
    """Remove the shared disks of labs that have no machine any more. Under the home's lock.

    Of a machine that cannot be read, nobody knows whose it is: then they stay.
    """
    labs = set()
    for _machine_id, definition in work.definitions.all():
        if not isinstance(definition, Definition):
            return []
        labs.add(definition.lab.slug if definition.lab else "")
    found = []
    for folder in sorted(work.layout.shared.glob("*")):
        if folder.name not in labs and (lab is None or folder.name == lab.slug):
            if not only_look:
                remove_tree(folder)
            found.append(_("disks that the removed machines of lab {lab} shared").format(lab=folder.name))
    return found


def collect(work: Workspace, lab: LabName | None, *, only_look: bool = False) -> list[str]:
    """Remove everything that belongs to no machine, and finish what was begun. See Driver.collect_garbage.

    With `only_look`, return what that would be and change nothing.
    """
    if only_look and not work.layout.machines.is_dir():
        return []
    work.layout.prepare()
    with work.layout.exclusive():
        found = sweep_leftovers(work.layout, lab, only_look=only_look)
        found += sweep_shared(work, lab, only_look=only_look)
    if lab is None:
        found += work.images.sweep(only_look=only_look)
    if work.layout.has_runtime or not only_look:
        found += _end_orphans(work, only_look=only_look)
        found += _clear_plugs(work, only_look=only_look)
    for _machine_id, definition in work.definitions.all():
        if isinstance(definition, Definition) and definition.lab is not None and lab in (None, definition.lab):
            with work.idle(definition.id, only_look=only_look) as machine:
                found += _tidy_disk(work, machine, only_look=only_look) if machine is not None else []
    return found


def _is_owned(owner: Path) -> bool:
    try:
        handle = os.open(owner, os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(handle)
    return False


def _read(directory: Path) -> Definition | None:
    with suppress(OSError, ValueError):
        return decode((directory / DEFINITION_FILE).read_bytes())
    return None


def _end_orphans(work: Workspace, *, only_look: bool) -> list[str]:
    """End QEMU processes whose machine is gone. Sockets are listed first: a machine is there before its socket is."""
    runtime = work.layout.runtime
    sockets = [*(runtime / "q").iterdir(), *(runtime / "s").iterdir()]
    known = set(work.definitions.ids())
    found = []
    for path in sockets:
        if path.name in known:
            continue
        if path.parent.name == "q" and is_listening(path):
            if not only_look:
                with suppress(DriverError):
                    work.monitors.execute(path, ("quit", {}), timeout=ORPHAN_QUIT_SECONDS)
            found.append(_("QEMU process of the removed machine {machine}").format(machine=path.name))
        if not only_look:
            path.unlink(missing_ok=True)
    return found


def _clear_plugs(work: Workspace, *, only_look: bool) -> list[str]:
    """Remove ports of machines that are gone and of probers that ended; let switches go that nobody needs."""
    found = []
    for directory in work.switches.directories():
        ports = list((directory / "p").glob("*"))
        known = set(work.definitions.ids())
        for path in ports:
            port = path.with_suffix("") if path.suffix in (NET_SUFFIX, LINE_SUFFIX) else path
            if port.name.split(".")[0] not in known and not socket_is_read(port):
                found.append(_("network port {name}").format(name=path.name))
                if not only_look:
                    path.unlink(missing_ok=True)
        if not only_look:
            work.switches.release(directory)
    return found


def _tidy_disk(work: Workspace, definition: Definition, *, only_look: bool) -> list[str]:
    """Finish a restore and drop states within the disk that no snapshot stands for, when the machine is off."""
    with Process(work.pid_file(definition.id)) as process:
        if process.alive:
            return []
    try:
        definition = definition if only_look else work.settle(definition)
    except DriverError:
        return []
    wanted = {snapshot.tag for snapshot in definition.snapshots} | {definition.saved}
    found: list[str] = []
    for file in sorted(definition.disk_files):
        found += _drop_states(work.layout.machine(definition.id) / file, definition.name, wanted, only_look=only_look)
    return list(dict.fromkeys(found))


def _drop_states(disk: Path, machine: str, wanted: Collection[str | None], *, only_look: bool) -> list[str]:
    look = ("info", "-U", "--output=json")
    try:
        facts = json.loads(run_disk_tool(*look, str(disk)) if only_look else run_on_disk(disk, *look))
    except DriverError:
        return []
    found = []
    for state in facts.get("snapshots", ()):
        if state["name"] not in wanted:
            if not only_look:
                run_on_disk(disk, "snapshot", "-q", "-d", state["name"])
            found.append(_("unfinished snapshot of {machine}").format(machine=machine))
    return found
