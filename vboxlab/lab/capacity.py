"""Does everything that is asked for fit on this computer? Added up before the first machine is made or started."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Sequence
from pathlib import Path

import psutil

from vboxlab.errors import LabError
from vboxlab.language import N_, _, n_
from vboxlab.lazily import dataclass
from vboxlab.planning.disks import disks_of, lacking
from vboxlab.planning.host import ports_of
from vboxlab.planning.observed import ObservedLab, ObservedMachine, PowerState
from vboxlab.topology.addressing import PORT_COUNT, PORT_FIRST, LabName
from vboxlab.topology.model import Topology

# Estimates, on the large side: what a machine's process takes besides the guest's own memory,
PROCESS_MIB = 64
# and what a linked clone's disk comes to once its guest is configured and a snapshot taken.
CLONE_MIB = 400
# What it takes before its guest has written anything.
FRESH_CLONE_MIB = 2
# A disk besides the first takes what is written to it, and never more than its size. Nobody knows what a lab writes: it
# is counted like a clone's. A shared one is counted whole, since VirtualBox gives it all its space at once.
WRITTEN_MIB = CLONE_MIB
_TOO_LITTLE = {
    "memory": N_("memory: {wanted} MiB wanted, {free} MiB free: {missing} MiB too little"),
    "disk": N_("disk: {wanted} MiB wanted, {free} MiB free: {missing} MiB too little"),
    "ports": N_("ports: {wanted} wanted, {free} free: {missing} too little"),
}


@dataclass(frozen=True)
class Demand:
    """What one lab will take that it does not take yet. Memory and disk in MiB."""

    lab: LabName
    memory: int
    disk: int
    ports: int


@dataclass(frozen=True)
class Room:
    """What this computer has left. Memory and disk in MiB."""

    memory: int
    disk: int
    ports: int


def demand(topology: Topology, observed: ObservedLab, *, boots: bool) -> Demand:
    """Return what bringing a lab to its topology takes; without `boots` its machines are made, but not started."""
    memory = ports = 0
    disk = disks_room(topology, observed, boots=boots)
    for machine in topology.owned_machines:
        found = observed.machines.get(machine.name)
        if boots and (found is None or found.power in (PowerState.OFF, PowerState.SAVED)):
            memory += machine.memory + PROCESS_MIB
        if found is None:
            disk += CLONE_MIB if boots else FRESH_CLONE_MIB
            ports += machine.configured
    return Demand(observed.name, memory, disk, ports)


def disks_room(topology: Topology, observed: ObservedLab | None = None, *, boots: bool = True) -> int:
    """Return what the disks besides the first, those that are still to be made, will take, in MiB.

    Without an observed lab they are all to be made.
    """
    found = observed.machines if observed is not None else {}
    whole = {disk.name: disk.size for machine in found.values() for disk in machine.disks if disk.shared}
    there = frozenset(whole)
    most = WRITTEN_MIB if boots else FRESH_CLONE_MIB
    own = 0
    for machine in topology.owned_machines:
        seen = found[machine.name].disks if machine.name in found else ()
        for disk in lacking(disks_of(topology, machine), seen):
            if disk.shared:
                whole[disk.name] = disk.size
            else:
                own += min(disk.size, most)
    return own + sum(size for name, size in whole.items() if name not in there)


def room(folder: Path, everything: Iterable[ObservedMachine]) -> Room:
    """Return what this computer has left: available memory (psutil), space where the folder is, management ports."""
    existing = next(path for path in (folder.absolute(), *folder.absolute().parents) if path.exists())
    taken = {port for machine in everything for port in ports_of(machine)}
    return Room(
        memory=psutil.virtual_memory().available >> 20,
        disk=shutil.disk_usage(existing).free >> 20,
        ports=PORT_COUNT - len(taken.intersection(range(PORT_FIRST, PORT_FIRST + PORT_COUNT))),
    )


def shortfalls(demands: Sequence[Demand], left: Room, *, at_most_running: int | None = None) -> list[str]:
    """Return, in words with the figures, what is too little; empty when everything fits.

    With at_most_running, only the memory of that many labs (the largest) is needed at a time.
    """
    sums = (
        ("memory", _memory(demands, at_most_running), left.memory),
        ("disk", sum(entry.disk for entry in demands), left.disk),
        ("ports", sum(entry.ports for entry in demands), left.ports),
    )
    return [
        _(_TOO_LITTLE[what]).format(wanted=wanted, free=have, missing=wanted - have)
        for what, wanted, have in sums
        if wanted > have
    ]


def _memory(demands: Sequence[Demand], at_most_running: int | None) -> int:
    return sum(sorted((entry.memory for entry in demands), reverse=True)[:at_most_running])


def fitting(demands: Sequence[Demand], left: Room) -> int:
    """Return how many of the labs fit into the memory at a time, if they are taken largest first."""
    used = 0
    for number, memory in enumerate(sorted((entry.memory for entry in demands), reverse=True)):
        used += memory
        if used > left.memory:
            return number
    return len(demands)


def check_capacity(demands: Sequence[Demand], left: Room, *, at_most_running: int | None = None) -> None:
    """Raise LabError with sums and shortfalls unless everything fits."""
    short = shortfalls(demands, left, at_most_running=at_most_running)
    if not short:
        return
    fit = fitting(demands, left)
    if fit and _memory(demands, at_most_running) > left.memory:
        resolution = _(
            "`--at-most-running {count}` works through them in turn, fewer copies or machines need less, `--force` "
            "tries it all the same"
        ).format(count=fit)
    else:
        resolution = _("fewer copies or machines need less, `--force` tries it all the same")
    raise LabError(
        n_(
            "{count} lab is more than this computer has room for; nothing was changed",
            "{count} labs are more than this computer has room for; nothing was changed",
            len(demands),
        ).format(count=len(demands)),
        details=short,
        resolution=resolution,
    )
