"""The disks and drives of machines: what is in them, and what is taken out of a clone before it is registered."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from vboxlab.hypervisor.virtualbox.worker import media
from vboxlab.hypervisor.virtualbox.worker.connection import Connection
from vboxlab.hypervisor.virtualbox.worker.media import Judgement, Medium
from vboxlab.hypervisor.virtualbox.worker.protocol import Failure
from vboxlab.hypervisor.virtualbox.worker.told import Told

# A VMDK that stands for a disk or partitions of the host says so in its descriptor ("VMware Virtual Disks - Virtual
# Disk Format 1.1", createType; VirtualBox manual, "Using a Raw Host Hard Disk From a Guest").
DESCRIPTOR = 4096  # bytes at the start of such a file, which is only text
RAW_TYPES = (b'createType="fullDevice"', b'createType="partitionedDevice"')


def judged(connection: Connection, machine: Any, subject: Told) -> list[Judgement]:
    """Return what clones get of the media of a machine (or of a snapshot's). Raises Failure when that is no use."""
    found = media.judge(read(connection, machine))
    refused = media.refusals(found)
    if refused:
        raise Failure("base-media", subject, details=refused)
    return found


def read(connection: Connection, machine: Any) -> list[Medium]:
    """Return the media of a machine (or of a snapshot's), in the order of its controllers, ports and devices."""
    order = [str(controller.name) for controller in connection.array(machine, "storageControllers")]
    found = [_medium(connection, attached) for attached in connection.array(machine, "mediumAttachments")]
    return sorted(found, key=lambda medium: (order.index(medium.controller), medium.port, medium.device))


def _medium(connection: Connection, attached: Any) -> Medium:
    kind = connection.name_of("DeviceType", attached.type)
    place = (str(attached.controller), int(attached.port), int(attached.device), kind)
    medium = attached.medium
    if medium is None:
        return Medium(*place, physical=bool(attached.passthrough))
    path, physical = str(medium.location), bool(medium.hostDrive)
    present = physical or _is_readable(connection, medium)
    if kind != media.DISK:
        return Medium(*place, path, present=present, physical=physical)
    first = medium.base
    raw = present and str(first.format).upper() == "VMDK" and _is_raw(Path(str(first.location)))
    return Medium(*place, path, connection.name_of("MediumType", first.type), present, raw)


def _is_readable(connection: Connection, medium: Any) -> bool:
    """Tell whether VirtualBox can read a medium now and all that it depends on (it looks when it is told to)."""
    inaccessible = connection.value_of("MediumState", "Inaccessible")
    while medium is not None:
        with contextlib.suppress(connection.api_error):
            if medium.refreshState() == inaccessible:
                return False
        medium = medium.parent
    return True


def _is_raw(path: Path) -> bool:
    try:
        with path.open("rb") as stream:
            start = stream.read(DESCRIPTOR)
    except OSError:
        return False
    return any(name in start for name in RAW_TYPES)


def strip(connection: Connection, machine: Any, judgements: Sequence[Judgement], folder: Path) -> None:
    """Take out of a clone that is not registered yet what it must not have, and save it."""
    dropped = []
    for judgement in judgements:
        medium = judgement.medium
        if medium is None or judgement.outcome == "link":
            continue
        place = (medium.controller, medium.port, medium.device)
        if judgement.outcome == "leave out":
            dropped.append(machine.getMedium(*place))
            machine.detachDevice(*place)
        else:
            machine.unmountMedium(*place, True)
    dvd = connection.value_of("DeviceType", "DVD")
    for attached in connection.array(machine, "mediumAttachments"):
        if attached.type == dvd and attached.passthrough:
            machine.passthroughDevice(attached.controller, attached.port, attached.device, False)
    machine.saveSettings()
    for left in dropped:  # what cloning made for an immutable disk; the VM's own disks lie elsewhere
        if left.parent is not None and folder in Path(str(left.location)).parents:
            connection.wait(left.deleteStorage(), Told("removing", {"name": str(left.location)}))


def disks_of(connection: Connection, machine: Any) -> list[Any]:
    """Return the hard disks of a machine as it is now, or of a snapshot's."""
    disk = connection.value_of("DeviceType", "HardDisk")
    attached = connection.array(machine, "mediumAttachments")
    return [each.medium for each in attached if each.type == disk and each.medium is not None]
