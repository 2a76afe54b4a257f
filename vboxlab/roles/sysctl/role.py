"""The parameters of a machine's kernel settings."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from vboxlab.topology.roles import Role


class SysctlRole(Role):
    """A machine with kernel settings, in force now and at every boot."""

    role: Literal["sysctl"]
    settings: dict[str, str] = Field(min_length=1, description="values by name, such as net.ipv4.ip_forward")

    list_order: ClassVar[int] = 26
    is_drawn: ClassVar[bool] = False
    may_repeat: ClassVar[bool] = True
