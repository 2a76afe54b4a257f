"""What the worker tells of the host, and of the VMs of others: results of its calls."""

from __future__ import annotations

from vboxlab.lazily import dataclass


@dataclass(frozen=True)
class Interface:
    """A host-only interface of this computer."""

    name: str
    address: str
    mask: str


@dataclass(frozen=True)
class Facts:
    """What VirtualBox says of this host: folders, memory in MiB, networks, and machines with something damaged."""

    machine_folder: str
    home_folder: str
    memory_free: int
    memory: int
    processors: int
    host_only: tuple[Interface, ...]
    bridgeable: tuple[str, ...]
    nat_networks: tuple[str, ...]
    inaccessible: tuple[str, ...]
    damaged: tuple[str, ...]


@dataclass(frozen=True)
class Disk:
    """A hard disk: its file, and its size as the guest sees it in bytes."""

    path: str
    size: int


@dataclass(frozen=True)
class Surroundings:
    """The disks of a machine, and the subnets of its networks by slot, as far as VirtualBox knows them."""

    disks: tuple[Disk, ...] = ()
    subnets: tuple[tuple[int, str], ...] = ()
