"""A base as it lies on this host's disk, and who depends on it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from vboxlab.errors import BaseError
from vboxlab.hypervisor.driver import Driver
from vboxlab.language import _
from vboxlab.lazily import dataclass


@dataclass(frozen=True)
class StoredBase:
    """A base as it lies on this host's disk."""

    name: str
    digest: str
    directory: Path
    built: float  # seconds since the epoch
    current: bool  # its recipe and key are today's
    size: int  # bytes on disk, without layers
    layers: tuple[str, ...]  # names of the images made from it with packages
    packages: frozenset[str] = frozenset()  # that it is known to come with

    @property
    def image(self) -> str:
        """Return the name of its image within a driver."""
        return image_name(self.name, self.digest)


def image_name(name: str, digest: str) -> str:
    """Return the name of a base's image within a driver."""
    return f"{name}-{digest[:12]}"


def check_unused(which: str, bases: Sequence[StoredBase], drivers: Sequence[Driver]) -> list[list[str]]:
    """Return each driver's images of bases, layers first. Raises BaseError while machines are clones of one."""
    known = [{image.name: image.clones for image in driver.images()} for driver in drivers]
    names = [name for base in bases for name in (*base.layers, base.image)]
    used = [
        _("{name}: {value}").format(name=name, value=", ".join(clones[name]))
        for clones in known
        for name in names
        if clones.get(name)
    ]
    if used:
        raise BaseError(
            _("base {name} cannot be removed: machines are linked clones of it").format(name=which),
            details=used,
            resolution=_("destroy their labs first: vboxlab destroy LAB"),
        )
    return [[name for name in names if name in clones] for clones in known]
