"""The parameters of what is mounted on a machine."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from vboxlab.topology.roles import Parameters, Role


class MountEntry(Parameters):
    """A file system, and the folder that it is mounted on."""

    device: str = Field(description="/dev/…, UUID=…, LABEL=… or SERVER:/FOLDER")
    path: str = Field(description="folder; made where it is missing")
    type: str = Field(default="ext4", description="kind of file system, such as ext4, xfs, nfs or tmpfs")
    options: str = Field(default="defaults", description="options of mount, with commas")


class MountsRole(Role):
    """A machine that mounts file systems, now and at every boot."""

    role: Literal["mounts"]
    mounts: tuple[MountEntry, ...] = Field(min_length=1)

    list_order: ClassVar[int] = 28
    is_drawn: ClassVar[bool] = False
    may_repeat: ClassVar[bool] = True
