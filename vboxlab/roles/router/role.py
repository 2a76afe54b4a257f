"""The parameters of a router, and what it offers."""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import IPv4Address
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from vboxlab.topology.roles import Parameters, Role, Route

if TYPE_CHECKING:
    from vboxlab.guest.roles import GuestRole
    from vboxlab.topology.problems import Problem
    from vboxlab.topology.subject import Subject


class Flow(Parameters):
    """A flow that a router lets through: TCP from a network to an address and port."""

    source: str = Field(alias="from", description="network that the flow comes from")
    to: IPv4Address
    port: int = Field(ge=1, le=65535)


class RouterRole(Role):
    """A router and firewall between the networks of its adapters (the stand-in for PF_FIREWALL)."""

    role: Literal["router"]
    wan: str = Field(description="network towards the Internet; what leaves there is masqueraded")
    protected: tuple[str, ...] = Field(
        default=(), description="networks closed to new flows from other inside networks"
    )
    allow: tuple[Flow, ...] = ()
    routes: tuple[Route, ...] = ()

    list_order: ClassVar[int] = 3

    def static_routes(self) -> tuple[Route, ...]:
        """Return its routes."""
        return self.routes

    def uplink_network(self) -> str:
        """Return the network towards the Internet."""
        return self.wan

    @classmethod
    def problems(cls, subject: Subject) -> Iterable[Problem]:
        """Return what is wrong with the routers of a topology."""
        from vboxlab.roles.router.rules import problems

        return problems(subject)

    @classmethod
    def in_guest(cls) -> GuestRole[RouterRole]:
        """Return what a router is in its guest."""
        from vboxlab.roles.router.guest import RouterInGuest

        return RouterInGuest()
