"""Images: powered-off VMs with a snapshot that machines are linked clones of.

An image is a VM of ours that carries the image mark, or an existing VM that the user named: that is only referred to
(in VirtualBox's own global extra data) and stays unmarked, so nothing will ever change or remove it.
"""

from __future__ import annotations

import contextlib
import itertools
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vboxlab.hypervisor.virtualbox.worker import (
    clearing,
    conversion,
    leftovers,
    machines,
    marks,
    ownership,
    settings_file,
    snapshots,
    storage,
)
from vboxlab.hypervisor.virtualbox.worker.connection import Connection
from vboxlab.hypervisor.virtualbox.worker.media import Judgement
from vboxlab.hypervisor.virtualbox.worker.protocol import Call, Failure
from vboxlab.hypervisor.virtualbox.worker.sessions import locked
from vboxlab.hypervisor.virtualbox.worker.versions import create_machine, set_quiet_hardware

REFERENCE = "vboxlab/image/"  # global extra data: REFERENCE + name -> {"vm": UUID, "snapshot": UUID}
SNAPSHOT = "vboxlab-base"
SNAPSHOT_TEXT = "Machines of vboxlab are linked clones of this."
VM_PREFIX = "vboxlab-image-"
OS_TYPE = "Debian_64"
_LEAVES_NOTHING: dict[str, bool] = {}  # by snapshot


@dataclass(frozen=True)
class Image:
    """An image as found: its VM, and the snapshot that clones are made from."""

    name: str
    machine: Any
    snapshot: Any
    owned: bool


def all_images(connection: Connection) -> Iterator[Image]:
    """Yield the images that are whole and can be read."""
    for machine in connection.array(connection.vbox, "machines"):
        with contextlib.suppress(connection.api_error):
            name = marks.read_label(machine).image if machine.accessible else ""
            if name and machine.currentSnapshot is not None:
                yield Image(name, machine, machine.currentSnapshot, owned=True)
    for key in connection.array(connection.vbox, "extraDataKeys"):
        if not str(key).startswith(REFERENCE):
            continue
        found = _referred(connection, str(key))
        if found is not None:
            yield found


def _referred(connection: Connection, key: str) -> Image | None:
    """Return the image that a key of the global extra data refers to, None if it is not there (any more)."""
    with contextlib.suppress(connection.api_error, ValueError, KeyError, TypeError, RecursionError):
        reference = json.loads(connection.vbox.getExtraData(key))
        machine = connection.vbox.findMachine(reference["vm"])
        return Image(key[len(REFERENCE) :], machine, machine.findSnapshot(reference["snapshot"]), owned=False)
    return None


def exists(connection: Connection, call: Call) -> bool:
    """Tell whether there is an image of that name."""
    return find(connection, call.arguments["name"]) is not None


def find(connection: Connection, name: str) -> Image | None:
    """Return the image of a name, None if there is none."""
    with contextlib.suppress(connection.api_error):
        machine = connection.vbox.findMachine(VM_PREFIX + name)  # the usual case, however many machines there are
        if machine.accessible and marks.read_label(machine).image == name and machine.currentSnapshot is not None:
            return Image(name, machine, machine.currentSnapshot, owned=True)
    with connection.errors("looking for images"):
        referred = _referred(connection, REFERENCE + name)
        if referred is not None:
            return referred
        return next((image for image in all_images(connection) if image.name == name), None)


def need(connection: Connection, name: str) -> Image:
    """Return the image of a name. Raises Failure when it is not there."""
    image = find(connection, name)
    if image is None:
        unreadable = [
            f"{machines.name_of(each)} cannot be read: {machines.why(each)}" for each in _unreadable(connection)
        ]
        raise Failure("no-image", f"VirtualBox has no image {name}", details=unreadable)
    return image


def leaves_nothing(image: Image) -> bool:
    """Tell whether clones of an image inherit nothing that they must not have: looked at once, a snapshot stays.

    Of a VM that is not ours it is never taken for granted: its settings do not name all of its disks.
    """
    if not image.owned:
        return False
    snapshot = str(image.snapshot.id)
    if snapshot not in _LEAVES_NOTHING:
        _LEAVES_NOTHING[snapshot] = settings_file.leaves_nothing(Path(str(image.machine.settingsFilePath)))
    return _LEAVES_NOTHING[snapshot]


def judged(connection: Connection, image: Image) -> list[Judgement]:
    """Return what clones get of an image's media. Raises Failure when it is no use, as it may have become since."""
    if leaves_nothing(image):
        return []
    with connection.errors(f"looking at the disks of {image.name}"):
        subject = f"no machine can be made of the base {image.name}, which is the VM {image.machine.name}"
        return storage.judged(connection, image.snapshot.machine, subject)


def _unreadable(connection: Connection) -> list[Any]:
    """Return the unreadable VMs that may be images of ours."""
    with connection.errors("looking for images"):
        found = [each for each in connection.array(connection.vbox, "machines") if not each.accessible]
        return [each for each in found if machines.name_of(each).startswith(VM_PREFIX)]


def _clones(connection: Connection, image: Image) -> list[str]:
    """Return the names of the machines whose disks depend on the image's."""
    handles: set[str] = set()
    for disk in snapshots.disks(connection, image.snapshot):
        for child in connection.array(disk, "children"):
            with connection.unless_gone():
                handles |= set(connection.array(child, "machineIds"))
    return ownership.names_of(connection, handles - {image.machine.id})


def list_images(connection: Connection, _call: Call) -> list[dict[str, Any]]:
    """Return the images with their size in bytes and the machines that depend on them."""
    found = []
    with connection.errors("listing images"):
        for image in all_images(connection):
            size = sum(int(disk.size) for disk in snapshots.disks(connection, image.snapshot))
            found.append({"name": image.name, "size": size, "clones": _clones(connection, image)})
    return found


def create(connection: Connection, call: Call) -> None:
    """Make an image around a disk, which stays where it is, for a call that is made again. No-op when it exists.

    All or nothing. A disk that is no VDI is converted; its files follow it in the list.
    """
    name, files = call.arguments["name"], [Path(file) for file in call.arguments["files"]]
    if find(connection, name) is not None:
        return
    vm_name = VM_PREFIX + name
    settings = leftovers.settings_file(connection, vm_name, leftovers.GROUP)
    folder = settings.parent
    with leftovers.making_or_nothing(connection, folder, {"what": "image", "name": vm_name}) as note:
        target = _free_place(connection, folder / f"{name}.vdi")
        note([target])
        if call.arguments["kind"] == "vdi":
            conversion.give(connection, files[0], target)
        else:
            conversion.convert(connection, files, folder, target, call)
        with connection.errors(f"making the image {name}"):
            machine = _new_machine(connection, settings, vm_name)
            connection.vbox.registerMachine(machine)
            device = connection.value_of("DeviceType", "HardDisk")
            access = connection.value_of("AccessMode", "ReadWrite")
            medium = connection.vbox.openMedium(str(target), device, access, True)  # the lost disk has its UUID
        with locked(connection, machine, f"making the image {name}") as session:
            own = session.machine
            own.attachDevice(_disk_controller(connection, own), 0, 0, device, medium)
            own.saveSettings()
        finish(connection, machine, name, call)


def _free_place(connection: Connection, wanted: Path) -> Path:
    """Return a path like the wanted one at which there is no file and the service knows no disk.

    When a client is killed that has attached a disk and not saved it, the service (7.2) rolls the machine back, but
    counts the disk as in use until it ends.
    """
    with connection.errors(f"looking for a place for {wanted.name}"):
        known = {path for path, _medium in ownership.all_media(connection)}
    names = itertools.chain([wanted], (wanted.with_stem(f"{wanted.stem}-{number}") for number in itertools.count(2)))
    return next(path for path in names if path not in known and not path.exists())


def finish(connection: Connection, machine: Any, name: str, call: Call) -> None:
    """Take the snapshot that clones are made from, and mark a registered machine as an image."""
    with locked(connection, machine, f"making the image {name}") as session:
        snapshots.take_locked(connection, session, SNAPSHOT, SNAPSHOT_TEXT, running=False, report=call.report)
        marks.write_label(session.machine, marks.Label(image=name))  # last: what carries the mark is whole
        session.machine.saveSettings()


def _new_machine(connection: Connection, settings: Path, vm_name: str) -> Any:
    constants, differences = connection.constants, connection.differences
    machine = create_machine(connection.vbox, constants, differences, str(settings), vm_name, leftovers.GROUP, OS_TYPE)
    machine.applyDefaults("")
    machine.memorySize = 512
    set_quiet_hardware(machine, differences)
    virtio = connection.value_of("NetworkAdapterType", "Virtio")
    for slot in range(8):
        machine.getNetworkAdapter(slot).adapterType = virtio
    machine.getNetworkAdapter(0).enabled = False
    machine.saveSettings()
    return machine


def _disk_controller(connection: Connection, machine: Any) -> str:
    """Return the name of the machine's SATA controller, made if the defaults brought none."""
    sata = connection.value_of("StorageBus", "SATA")
    for controller in connection.array(machine, "storageControllers"):
        if controller.bus == sata:
            return str(controller.name)
    return str(machine.addStorageController("SATA", sata).name)


def remove(connection: Connection, call: Call) -> None:
    """Remove an image of ours with its disk; of one that is only referred to, forget the reference."""
    name = call.arguments["name"]
    image = find(connection, name)
    # One of that name that was made since a call was lost is another one.
    if image is None or str(image.machine.id) != call.noted.get("image", str(image.machine.id)):
        clearing.clear(connection)
        return
    call.note(image=str(image.machine.id))
    with connection.errors(f"removing the image {name}"):
        clones = _clones(connection, image)
        if clones:
            raise Failure("image-in-use", f"the image {name} is in use", details=clones)
        if not image.owned:
            connection.vbox.setExtraData(REFERENCE + name, "")
            return
        folder = Path(str(image.machine.settingsFilePath)).parent
        first = {str(disk.base.id) for disk in snapshots.disks(connection, image.snapshot)}
        disks = ownership.own_disks(connection, image.machine, folder, first)
        loose = ownership.loose_children(connection, disks)
        if loose:
            raise Failure("image-in-use", f"disks that no machine uses depend on the image {name}", details=loose)
        record = {"what": "delete", "name": str(image.machine.name)}
    machines.remove_registered(connection, image.machine, record, disks, call.report)
