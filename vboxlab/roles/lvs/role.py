"""The parameters of a load balancer, and what it offers."""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import IPv4Address
from typing import ClassVar, Literal

from pydantic import Field

from vboxlab.topology.roles import Role, SharedAddress


class LvsRole(Role):
    """A load balancer made with LVS in NAT mode."""

    role: Literal["lvs"]
    virtual: IPv4Address
    port: int = Field(default=80, ge=1, le=65535)
    scheduler: Literal["rr", "wrr", "lc", "wlc", "sh"] = "rr"
    real_servers: tuple[IPv4Address, ...]
    interface: str = Field(default="enp0s3", description="interface of the synchronisation daemon (IFACE)")
    health: Literal["none", "keepalived", "ldirectord"] = Field(
        default="keepalived",
        description="what removes a dead real server; none is the plain variant as taught",
    )

    list_order: ClassVar[int] = 8

    def shared_addresses(self) -> tuple[SharedAddress, ...]:
        """Return the virtual address."""
        return (SharedAddress(self.virtual, "virtual"),)

    def services_owned(self) -> tuple[str, ...]:
        """Return the programs that may own the table: one of them at most runs."""
        return ("keepalived", "ldirectord")

    def forwards_packets(self) -> bool:
        """Tell that it does: in NAT mode it is the real servers' gateway."""
        return True

    def servers_asked(self) -> Mapping[tuple[str | int, ...], IPv4Address]:
        """Return the real servers."""
        return {("real_servers", index): address for index, address in enumerate(self.real_servers)}
