"""How the disks besides a machine's first differ from what they shall be, and what is never done about it. Pure.

A disk holds work: one that is missing is made, and one that is otherwise, or not wanted any more, is left as it is.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from vboxlab.language import _
from vboxlab.planning.observed import DiskState, ObservedMachine
from vboxlab.topology.disks import in_words
from vboxlab.topology.model import Machine, Topology


def disks_of(topology: Topology, machine: Machine) -> tuple[DiskState, ...]:
    """Return the disks that a machine shall have besides its first, in order."""
    return tuple(DiskState(disk.called, topology.disk_size(disk), disk.shared is not None) for disk in machine.disks)


def lacking(wanted: tuple[DiskState, ...], found: tuple[DiskState, ...]) -> tuple[DiskState, ...]:
    """Return the disks that are still to be made."""
    there = {disk.name for disk in found}
    return tuple(disk for disk in wanted if disk.name not in there)


def missing_in_words(wanted: tuple[DiskState, ...], found: tuple[DiskState, ...]) -> list[str]:
    """Return what disks are still to be made, a text each."""
    shared, own = _("shared disk {disk} ({size}) is missing"), _("disk {disk} ({size}) is missing")
    return [
        (shared if disk.shared else own).format(disk=disk.name, size=in_words(disk.size))
        for disk in lacking(wanted, found)
    ]


def clashes(wanted: tuple[DiskState, ...], found: tuple[DiskState, ...]) -> list[str]:
    """Return which disks are otherwise than they shall be, a text each: none of this can be put right by itself."""
    there = {disk.name: disk for disk in found}
    said = []
    for disk in wanted:
        now = there.get(disk.name)
        if now is not None and now.shared is not disk.shared:
            text = (
                _("disk {disk} is the machine's own, expected the shared one")
                if disk.shared
                else _("disk {disk} is the shared one, expected one of the machine's own")
            )
            said.append(text.format(disk=disk.name))
        elif now is not None and now.size != disk.size:
            text = _("disk {disk} has {found}, expected {wanted}")
            said.append(text.format(disk=disk.name, found=in_words(now.size), wanted=in_words(disk.size)))
    return said


def remarks(wanted: tuple[DiskState, ...], found: tuple[DiskState, ...]) -> list[str]:
    """Return what is to be known of disks that are left as they are, a text each."""
    names = [disk.name for disk in wanted]
    extra = [disk.name for disk in found if disk.name not in names]
    said = [_("disk {disk} is not in the topology; it is kept").format(disk=name) for name in extra]
    order = [disk.name for disk in (*found, *lacking(wanted, found)) if disk.name in names]
    if order != names:
        text = _("its disks come in the order {found}, not {wanted}; use their names below /dev/disk/by-id")
        said.append(text.format(found=", ".join(order), wanted=", ".join(names)))
    return said


def differences(wanted: tuple[DiskState, ...], found: tuple[DiskState, ...]) -> list[str]:
    """Return how the disks found differ from those wanted, a text each; empty when they do not."""
    return [*missing_in_words(wanted, found), *clashes(wanted, found), *remarks(wanted, found)]


def shared_disks(machines: Iterable[ObservedMachine]) -> Mapping[str, tuple[str, ...]]:
    """Return the disks that machines share, each with those of the machines that have it, by name."""
    found: dict[str, list[str]] = {}
    for machine in machines:
        for disk in machine.disks:
            if disk.shared:
                found.setdefault(disk.name, []).append(machine.machine)
    return {disk: tuple(names) for disk, names in found.items()}


def shared_in_words(machines: Iterable[ObservedMachine]) -> list[str]:
    """Return which disks machines share, a text each."""
    text = _("disk {disk}, shared by {machines}")
    return [text.format(disk=disk, machines=", ".join(names)) for disk, names in shared_disks(machines).items()]


def dvd_difference(wanted: str, found: str) -> list[str]:
    """Return how what is in a drive differs from what shall be (paths; "" for nothing); empty when it does not."""
    if found == wanted:
        return []
    if not wanted:
        return [_("{file} is in its drive, expected nothing").format(file=found)]
    if not found:
        return [_("its drive is empty, expected {file}").format(file=wanted)]
    return [_("{file} is in its drive, expected {wanted}").format(file=found, wanted=wanted)]
