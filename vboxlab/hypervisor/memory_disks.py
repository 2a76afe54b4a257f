"""Disks of the memory driver's machines besides the first: what is in them is a text, which tests read and write."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from vboxlab.errors import MachineConflict
from vboxlab.hypervisor.discs import check_disc
from vboxlab.hypervisor.memory_store import MemoryStore
from vboxlab.language import _
from vboxlab.planning.disks import clashes, lacking
from vboxlab.planning.observed import DiskState, ObservedMachine


def add_disks(store: MemoryStore, machine: ObservedMachine, disks: Sequence[DiskState]) -> None:
    """Give a machine the disks that it lacks. See Driver.add_disks."""
    wanted = tuple(disks)
    check_disks(machine, wanted, [each for each in store.machines.values() if each.lab == machine.lab])
    new = lacking(wanted, machine.disks)
    for disk in new:
        if disk.shared:
            store.shared.setdefault((str(machine.lab), disk.name), "")
        else:
            store.contents[machine.handle, disk.name] = ""
    store.machines[machine.handle] = replace(machine, disks=(*machine.disks, *new))


def check_disks(machine: ObservedMachine, wanted: tuple[DiskState, ...], lab: Sequence[ObservedMachine]) -> None:
    """Raise MachineConflict when a machine, or of shared disks one of its lab, has a disk otherwise than wanted."""
    problems = clashes(wanted, machine.disks)
    shared = tuple(disk for disk in wanted if disk.shared)
    for other in lab:
        problems += clashes(shared, tuple(disk for disk in other.disks if disk.shared))
    if problems:
        brief = _("{machine}: {problem}").format(machine=machine.name, problem=problems[0])
        raise MachineConflict(brief, resolution=_("a disk that holds work is never changed"))


def set_dvd(store: MemoryStore, machine: ObservedMachine, image: str) -> None:
    """Put a disc image into a machine's drive. See Driver.set_dvd."""
    check_disc(machine.name, image)
    store.machines[machine.handle] = replace(machine, dvd=image)
