"""Disks besides a machine's first, and its drive.

A disk of a machine's own is a VDI in its folder, which snapshots hold as they hold the first. One that machines share
is a VDI in a folder of the lab's, of the kind "Shareable", which VirtualBox wants to have its full size from the start
and leaves out of snapshots (manual, "Special Image Write Modes").
"""

from __future__ import annotations

import contextlib
import secrets
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from vboxlab.files import make_private_folder
from vboxlab.hypervisor.virtualbox.worker import layout, looking, lookup, noted_disks, ownership, power
from vboxlab.hypervisor.virtualbox.worker.connection import Connection
from vboxlab.hypervisor.virtualbox.worker.disk_calls import AddDisks, Disk, SetDvd
from vboxlab.hypervisor.virtualbox.worker.locks import hold, remove_held
from vboxlab.hypervisor.virtualbox.worker.noted_disks import ENDING, Entry, Noted
from vboxlab.hypervisor.virtualbox.worker.protocol import Call, Failure
from vboxlab.hypervisor.virtualbox.worker.sessions import ONLINE, POLL, locked, state_name
from vboxlab.hypervisor.virtualbox.worker.told import Told

SHARED_LOCK = "vboxlab-shared.lock"
# What a disk says of itself (manual, "Configuring the Hard Disk Vendor Product Data (VPD)").
VPD = "VBoxInternal/Devices/ahci/0/Config/Port{port}/{what}"
FIRST_PORT, DRIVE_PORT = 1, 6


def look(connection: Connection, machine: Any, noted: Noted | None) -> tuple[tuple[Disk, ...], str]:
    """Return the disks besides the first that a machine has now, in order, and what we put into its drive."""
    if noted is None:
        return (), ""
    known = {entry.id: entry for entry in noted.disks}
    found: list[Disk] = []
    image = ""
    disk, drive = connection.value_of("DeviceType", "HardDisk"), connection.value_of("DeviceType", "DVD")
    for attached in sorted(connection.array(machine, "mediumAttachments"), key=lambda each: int(each.port)):
        medium = attached.medium
        if medium is None:
            continue
        if attached.type == disk:
            entry = known.get(str(medium.base.id))
            found += [] if entry is None else [Disk(entry.name, entry.size, entry.shared)]
        elif attached.type == drive and noted.drive:
            image = str(medium.location)
    return tuple(found), image


def add(connection: Connection, call: Call[AddDisks]) -> None:
    """Make those of some disks that a machine lacks, and attach them: all of them with one save, or none."""
    asked = call.arguments
    machine = lookup.find_machine(connection, asked.handle)
    with connection.errors(Told("adding-disks")):
        seen = looking.look_at_ours(connection, machine)
        _check_off(connection, machine)
    folder = seen.settings.parent
    with locked(connection, machine, Told("adding-disks")) as session:
        own = session.machine
        noted = noted_disks.read(own) or Noted()
        there = {disk.name: disk for disk in look(connection, own, noted)[0]}
        for disk in asked.disks:
            if disk.name in there and there[disk.name] != disk:
                raise _otherwise(disk, there[disk.name])
        new = [disk for disk in asked.disks if disk.name not in there]
        if not new:
            return
        _remove_unfinished(connection, own, folder)
        files = {disk.name: f"{disk.name}-{secrets.token_hex(3)}" for disk in new if not disk.shared}
        noted = replace(noted, model=asked.model, making=tuple(files.values()))
        noted_disks.write(own, noted)
        try:
            media = [
                _shared(connection, seen.label.marks, disk, call)
                if disk.shared
                else _made(connection, folder / f"{files[disk.name]}{ENDING}", disk, "Standard", call)
                for disk in new
            ]
        except (Failure, connection.api_error):
            with contextlib.suppress(Failure, connection.api_error):  # what failed first is told
                _remove_unfinished(connection, own, folder)
            raise
        for medium in media:
            _attach(connection, own, "HardDisk", medium, FIRST_PORT)
        pairs = zip(new, media, strict=True)
        entries = [Entry(str(medium.id), each.name, each.size, each.shared) for each, medium in pairs]
        kept = [entry for entry in noted.disks if entry.id not in {each.id for each in entries}]
        noted = replace(noted, disks=(*kept, *entries), making=())
        _name_ports(connection, own, noted)
        noted_disks.write(own, noted)


def _check_off(connection: Connection, machine: Any) -> None:
    state = state_name(connection, machine)
    if state in ONLINE or state in power.SAVED:
        raise Failure("running", Told("disks-need-off", {"machine": str(machine.name), "state": state.lower()}))


def _otherwise(wanted: Disk, found: Disk) -> Failure:
    if wanted.shared != found.shared:
        return Failure("disk-otherwise", Told("disk-shared-or-not", {"disk": wanted.name}))
    told = Told("disk-has-other-size", {"disk": wanted.name, "found": found.size, "wanted": wanted.size})
    return Failure("disk-otherwise", told)


def _remove_unfinished(connection: Connection, machine: Any, folder: Path) -> None:
    noted = noted_disks.read(machine)
    if noted is not None and noted.making:
        layout.remove_disks(connection, folder, [folder / f"{stem}{ENDING}" for stem in noted.making])
        noted_disks.write(machine, replace(noted, making=()))


def _made(connection: Connection, path: Path, disk: Disk, variant: str, call: Call[AddDisks]) -> Any:
    doing = Told("making-disk", {"disk": disk.name})
    with connection.errors(doing):
        kind = connection.value_of("DeviceType", "HardDisk")
        medium = connection.vbox.createMedium("VDI", str(path), connection.value_of("AccessMode", "ReadWrite"), kind)
        progress = medium.createBaseStorage(disk.size << 20, [connection.value_of("MediumVariant", variant)])
    connection.wait(progress, doing, call.report)
    return medium


def _shared(connection: Connection, own: dict[str, str], disk: Disk, call: Call[AddDisks]) -> Any:
    """Return the disk of that name that the lab's machines share, made with the first that wants it."""
    folder = layout.lab_folder(connection, own.get("lab"), own.get("copy")) / layout.SHARED
    path = folder / f"{disk.name}{ENDING}"
    with _alone_in(connection, folder), connection.errors(Told("making-disk", {"disk": disk.name})):
        if path.exists():
            kind, access = connection.value_of("DeviceType", "HardDisk"), connection.value_of("AccessMode", "ReadWrite")
            medium = connection.vbox.openMedium(str(path), kind, access, False)
            size = int(medium.logicalSize) >> 20
            if size != disk.size:
                raise _otherwise(disk, Disk(disk.name, size, shared=True))
        else:
            medium = _made(connection, path, disk, "Fixed", call)
        if medium.type != connection.value_of("MediumType", "Shareable"):
            medium.type = connection.value_of("MediumType", "Shareable")
        return medium


@contextlib.contextmanager
def _alone_in(connection: Connection, folder: Path) -> Iterator[None]:
    """Hold a lab's folder of shared disks: its machines are made at once, and each disk only once."""
    deadline = time.monotonic() + connection.patience
    make_private_folder(folder)
    while (stream := hold(folder / SHARED_LOCK)) is None:
        if time.monotonic() >= deadline:
            raise Failure("busy", Told("worked-on", {"folder": str(folder)}))
        connection.pause(POLL)
    try:
        yield
    finally:
        remove_held(folder / SHARED_LOCK, stream)


def _controller(connection: Connection, machine: Any) -> Any:
    """Return a machine's SATA controller, made where its base has none."""
    sata = connection.value_of("StorageBus", "SATA")
    found = (each for each in connection.array(machine, "storageControllers") if each.bus == sata)
    return next(found, None) or machine.addStorageController("SATA", sata)


def _attach(connection: Connection, machine: Any, kind: str, medium: Any, first: int) -> None:
    """Attach a medium to the SATA controller, at the first free port from one on."""
    controller = _controller(connection, machine)
    name = str(controller.name)
    taken = {int(each.port) for each in connection.array(machine, "mediumAttachments") if each.controller == name}
    port = next(port for port in range(first, int(controller.maxPortCount)) if port not in taken)
    controller.portCount = max(int(controller.portCount), port + 1)
    machine.attachDevice(name, port, 0, connection.value_of("DeviceType", kind), medium)


def _name_ports(connection: Connection, machine: Any, noted: Noted) -> None:
    """Let each disk tell the guest its model and, as its serial number, its name."""
    names = {entry.id: entry.name for entry in noted.disks}
    name = str(_controller(connection, machine).name)
    disk = connection.value_of("DeviceType", "HardDisk")
    for attached in connection.array(machine, "mediumAttachments"):
        if attached.type == disk and attached.controller == name and str(attached.medium.base.id) in names:
            told = {"ModelNumber": noted.model, "SerialNumber": names[str(attached.medium.base.id)]}
            for what, value in told.items():
                key = VPD.format(port=attached.port, what=what)
                if machine.getExtraData(key) != value:
                    machine.setExtraData(key, value)


def after_restore(connection: Connection, machine: Any, present: Any) -> None:
    """Put right what a restored snapshot does not bring back, of a machine that a session holds (`present`).

    Extra data is none of what snapshots hold. A disk that is in no state of the machine any more is let go: its file
    stays, as somebody's.
    """
    noted = noted_disks.read(machine)
    if noted is None or not noted.disks:
        return
    _name_ports(connection, present, noted)
    kind, access = connection.value_of("DeviceType", "HardDisk"), connection.value_of("AccessMode", "ReadOnly")
    for entry in noted.disks:
        with contextlib.suppress(connection.api_error):
            medium = connection.vbox.openMedium(entry.id, kind, access, False)
            if not entry.shared and not ownership.is_used(connection, medium):
                medium.close()


def set_dvd(connection: Connection, call: Call[SetDvd]) -> None:
    """Put a disc image into a machine's drive, attached where it has none, or take out what is in it."""
    image = call.arguments.image
    machine = lookup.find_machine(connection, call.arguments.handle)
    with connection.errors(Told("changing-disc")):
        looking.look_at_ours(connection, machine)
        _check_off(connection, machine)
    with locked(connection, machine, Told("changing-disc")) as session:
        own = session.machine
        kind, access = connection.value_of("DeviceType", "DVD"), connection.value_of("AccessMode", "ReadOnly")
        medium = connection.vbox.openMedium(image, kind, access, False) if image else None
        drive = next((each for each in connection.array(own, "mediumAttachments") if each.type == kind), None)
        if drive is not None and medium is None:
            own.unmountMedium(drive.controller, drive.port, drive.device, True)
        elif drive is not None:
            own.mountMedium(drive.controller, drive.port, drive.device, medium, True)
        elif medium is not None:
            _attach(connection, own, "DVD", medium, DRIVE_PORT)
        noted_disks.write(own, replace(noted_disks.read(own) or Noted(), drive=True))
        own.saveSettings()  # where the note is the same, it saves nothing


def clear_shared(connection: Connection, folder: Path, *, only_look: bool = False) -> list[Told]:
    """Remove the shared disks of a lab that has no machine any more; one that cannot be read may be a machine of it."""
    if not folder.is_dir() or _has_machines(connection, folder.parent):
        return []
    if not only_look:
        layout.remove_disks(connection, folder, list(folder.glob(f"*{ENDING}")))
        (folder / SHARED_LOCK).unlink(missing_ok=True)
        with contextlib.suppress(OSError):
            folder.rmdir()
            folder.parent.rmdir()
    return [Told("shared-disks-of-gone-lab", {"folder": str(folder.parent)})]


def _has_machines(connection: Connection, lab: Path) -> bool:
    return any(settings.parent.parent == lab for settings in map(Path, layout.registered_folders(connection).values()))


def shared_folders(connection: Connection, lab: str | None, copy: str | None) -> Sequence[Path]:
    """Return the folders of shared disks, of one lab or (lab None) of all."""
    top = layout.lab_folder(connection, lab, copy)
    return [top / layout.SHARED] if lab is not None else sorted(top.rglob(layout.SHARED))
