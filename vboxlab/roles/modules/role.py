"""The parameters of a machine's kernel modules."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from vboxlab.topology.roles import Role


class ModulesRole(Role):
    """A machine with kernel modules, loaded now and at every boot."""

    role: Literal["modules"]
    names: tuple[str, ...] = Field(min_length=1, description="names of modules, such as br_netfilter")

    list_order: ClassVar[int] = 27
    is_drawn: ClassVar[bool] = False
    may_repeat: ClassVar[bool] = True
