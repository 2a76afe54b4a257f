"""What the worker can be asked about disks besides a machine's first, and about its drive."""

from __future__ import annotations

from vboxlab.hypervisor.virtualbox.worker.arguments import Arguments
from vboxlab.lazily import dataclass


@dataclass(frozen=True)
class Disk:
    """A disk besides the first; its size is in MiB."""

    name: str
    size: int
    shared: bool


@dataclass(frozen=True)
class AddDisks(Arguments[None]):
    """Those of some disks that a machine lacks made and attached; `model` is what a guest sees them as."""

    handle: str
    disks: tuple[Disk, ...]
    model: str


@dataclass(frozen=True)
class SetDvd(Arguments[None]):
    """A disc image in a machine's drive, or with "" nothing."""

    handle: str
    image: str
