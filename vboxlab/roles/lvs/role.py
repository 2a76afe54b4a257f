"""The parameters of a load balancer, and what it offers."""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import IPv4Address
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from vboxlab.topology.roles import Role, SharedAddress

if TYPE_CHECKING:
    from vboxlab.guest.roles import GuestRole
    from vboxlab.topology.problems import Problem
    from vboxlab.topology.subject import Subject


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

    @classmethod
    def problems(cls, subject: Subject) -> Iterable[Problem]:
        """Return what is wrong with the load balancers of a topology."""
        from vboxlab.roles.lvs.rules import problems

        return problems(subject)

    @classmethod
    def in_guest(cls) -> GuestRole[LvsRole]:
        """Return what a load balancer is in its guest."""
        from vboxlab.roles.lvs.guest import LvsInGuest

        return LvsInGuest()
