"""Disks besides a machine's first, which comes from its base: those of its own, and those that machines share."""

from __future__ import annotations

import re
from typing import Annotated, Self

from pydantic import Field, model_validator

from vboxlab.language import _
from vboxlab.topology.roles import Parameters

SIZE_PATTERN = r"^[1-9][0-9]{0,5} ?(MiB|GiB)$"
Size = Annotated[str, Field(pattern=SIZE_PATTERN, description="such as 512 MiB or 2 GiB")]
# A guest knows a disk by its serial number, of which ATA has 20 characters (ATA8-ACS, IDENTIFY DEVICE, words 10-19).
NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,18}[A-Za-z0-9])?")
# An AHCI controller of QEMU's has six ports, the last of which is the drive's.
MOST_DISKS = 5
MODEL = "vboxlab"
"""The model that a guest sees each of these disks as."""
_MIB = {"MiB": 1, "GiB": 1024}


def mebibytes(size: str) -> int:
    """Return a size in MiB."""
    return int(size[:-3]) * _MIB[size[-3:]]


def in_words(mib: int) -> str:
    """Return a size in MiB as a topology would say it."""
    return f"{mib // 1024} GiB" if mib % 1024 == 0 else f"{mib} MiB"


def guest_path(name: str) -> str:
    """Return where a guest finds the disk of a name, whatever runs it (udev's 60-persistent-storage.rules)."""
    return f"/dev/disk/by-id/ata-{MODEL}_{name}"


class Disk(Parameters):
    """A disk of a machine: of its own, with a size, or one that machines share, by its name."""

    name: str | None = Field(default=None, description="default: disk2, disk3 … by its place")
    size: Size | None = None
    shared: str | None = Field(default=None, description="name of a disk under `disks` of the topology")

    @model_validator(mode="after")
    def _is_one_of_the_two(self) -> Self:
        if (self.size is None) == (self.shared is None) or (self.shared is not None and self.name is not None):
            text = _("expected `size` (and `name`) for a disk of its own, or `shared` alone for a shared one")
            raise ValueError(text)
        return self

    @property
    def called(self) -> str:
        """Return the name that the disk has on its machine."""
        return self.shared or self.name or ""


class SharedDisk(Parameters):
    """A disk that several machines of the lab have at the same time."""

    size: Size
