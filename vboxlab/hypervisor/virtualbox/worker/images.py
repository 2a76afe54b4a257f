"""Images: powered-off VMs with a snapshot that machines are linked clones of, made and removed; `lookup` finds them."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

from vboxlab.hypervisor.virtualbox.worker import (
    conversion,
    garbage,
    layout,
    looking,
    lookup,
    marks,
    ownership,
    settings_file,
    snapshots,
    storage,
)
from vboxlab.hypervisor.virtualbox.worker.calls import CreateImage, HasImage, ImportAppliance, ListImages, RemoveImage
from vboxlab.hypervisor.virtualbox.worker.calls import Image as ImageInfo
from vboxlab.hypervisor.virtualbox.worker.connection import Connection
from vboxlab.hypervisor.virtualbox.worker.lookup import Image
from vboxlab.hypervisor.virtualbox.worker.media import Judgement
from vboxlab.hypervisor.virtualbox.worker.protocol import Call, Failure
from vboxlab.hypervisor.virtualbox.worker.sessions import locked
from vboxlab.hypervisor.virtualbox.worker.told import Told, verbatims
from vboxlab.hypervisor.virtualbox.worker.versions import create_machine, set_quiet_hardware

SNAPSHOT = "vboxlab-base"
SNAPSHOT_TEXT = "Machines of vboxlab are linked clones of this."
OS_TYPE = "Debian_64"
_LEAVES_NOTHING: dict[str, bool] = {}  # by snapshot


def exists(connection: Connection, call: Call[HasImage]) -> bool:
    """Tell whether there is an image of that name."""
    return lookup.find_image(connection, call.arguments.name) is not None


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
    with connection.errors(Told("looking-at-disks", {"image": image.name})):
        told = Told("base-of-no-use", {"image": image.name, "vm": str(image.machine.name)})
        return storage.judged(connection, image.snapshot.machine, told)


def _clones(connection: Connection, image: Image) -> list[str]:
    """Return the names of the machines whose disks depend on the image's."""
    handles: set[str] = set()
    for disk in storage.disks_of(connection, image.snapshot.machine):
        for child in connection.array(disk, "children"):
            with connection.unless_gone():
                handles |= set(connection.array(child, "machineIds"))
    return ownership.names_of(connection, handles - {image.machine.id})


def list_images(connection: Connection, _call: Call[ListImages]) -> tuple[ImageInfo, ...]:
    """Return the images with their size in bytes and the machines that depend on them."""
    found = []
    with connection.errors(Told("listing-images")):
        for image in lookup.all_images(connection):
            size = sum(int(disk.size) for disk in storage.disks_of(connection, image.snapshot.machine))
            found.append(ImageInfo(image.name, size, tuple(_clones(connection, image))))
    return tuple(found)


def create(connection: Connection, call: Call[CreateImage]) -> None:
    """Make an image around a disk, which stays where it is, for a call that is made again. No-op when it exists.

    All or nothing. A disk that is no VDI is converted; its files follow it in the list.
    """
    name, files = call.arguments.name, [Path(file) for file in call.arguments.files]
    if lookup.find_image(connection, name) is not None:
        return
    vm_name = lookup.VM_PREFIX + name
    settings = layout.place_for(connection, vm_name, layout.GROUP)
    folder = settings.parent
    with layout.making_or_nothing(connection, folder, {"what": "image", "name": vm_name}) as note:
        target = _free_place(connection, folder / f"{name}.vdi")
        note([target])
        if call.arguments.kind == "vdi":
            conversion.give(connection, files[0], target)
        else:
            conversion.convert(connection, files, folder, target, call)
        with connection.errors(Told("making-image", {"image": name})):
            machine = _new_machine(connection, settings, vm_name)
            connection.vbox.registerMachine(machine)
            device = connection.value_of("DeviceType", "HardDisk")
            access = connection.value_of("AccessMode", "ReadWrite")
            medium = connection.vbox.openMedium(str(target), device, access, True)  # the lost disk has its UUID
        with locked(connection, machine, Told("making-image", {"image": name})) as session:
            own = session.machine
            own.attachDevice(_disk_controller(connection, own), 0, 0, device, medium)
            own.saveSettings()
        finish(connection, machine, name, call)


def _free_place(connection: Connection, wanted: Path) -> Path:
    """Return a path like the wanted one at which there is no file and the service knows no disk.

    When a client is killed that has attached a disk and not saved it, the service (7.2) rolls the machine back, but
    counts the disk as in use until it ends.
    """
    with connection.errors(Told("looking-for-place", {"file": wanted.name})):
        known = {path for path, _medium in ownership.all_media(connection)}
    names = itertools.chain([wanted], (wanted.with_stem(f"{wanted.stem}-{number}") for number in itertools.count(2)))
    return next(path for path in names if path not in known and not path.exists())


def finish(connection: Connection, machine: Any, name: str, call: Call[CreateImage] | Call[ImportAppliance]) -> None:
    """Take the snapshot that clones are made from, and mark a registered machine as an image."""
    with locked(connection, machine, Told("making-image", {"image": name})) as session:
        snapshots.take_locked(connection, session, SNAPSHOT, SNAPSHOT_TEXT, running=False, report=call.report)
        marks.write_label(
            session.machine, marks.Label(id=str(machine.id), image=name)
        )  # last: what carries the mark is whole
        session.machine.saveSettings()


def _new_machine(connection: Connection, settings: Path, vm_name: str) -> Any:
    constants, differences = connection.constants, connection.differences
    machine = create_machine(connection.vbox, constants, differences, str(settings), vm_name, layout.GROUP, OS_TYPE)
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


def remove(connection: Connection, call: Call[RemoveImage]) -> None:
    """Remove an image of ours with its disk; of one that is only referred to, forget the reference."""
    name = call.arguments.name
    image = lookup.find_image(connection, name)
    # One of that name that was made since a call was lost is another one.
    if image is None or str(image.machine.id) != call.noted.get("image", str(image.machine.id)):
        garbage.clear(connection)
        return
    call.note(image=str(image.machine.id))
    with connection.errors(Told("removing-image", {"image": name})):
        clones = _clones(connection, image)
        if clones:
            raise Failure("image-in-use", Told("image-in-use", {"image": name}), details=verbatims(clones))
        if not image.owned:
            connection.vbox.setExtraData(lookup.REFERENCE + name, "")
            return
        seen = looking.look_at(connection, image.machine)
        first = {str(disk.base.id) for disk in storage.disks_of(connection, image.snapshot.machine)}
        disks = ownership.own_disks(connection, image.machine, seen, first)
        loose = ownership.loose_children(connection, disks)
        if loose:
            told = Told("image-in-use-by-disks", {"image": name})
            raise Failure("image-in-use", told, details=verbatims(loose))
        record = {"what": "delete", "name": seen.name}
    layout.remove_registered(connection, image.machine, seen.settings, record, disks, call.report)
