"""The parameters of a machine's kernel settings."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from vboxlab.topology.roles import Role

FORWARDING = ("net.ipv4.ip_forward", "net.ipv4.conf.all.forwarding")


class SysctlRole(Role):
    """A machine with kernel settings, in force now and at every boot."""

    role: Literal["sysctl"]
    settings: dict[str, str] = Field(min_length=1, description="values by name, such as net.ipv4.ip_forward")

    list_order: ClassVar[int] = 26
    is_drawn: ClassVar[bool] = False
    may_repeat: ClassVar[bool] = True

    def forwards_packets(self) -> bool:
        """Tell whether its settings make a router of the machine (ip_forward in the kernel's ip-sysctl)."""
        return any(self.settings.get(name, "0").strip() not in ("", "0") for name in FORWARDING)
