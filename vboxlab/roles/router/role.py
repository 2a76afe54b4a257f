"""The parameters of a router, and what it offers."""

from __future__ import annotations

from ipaddress import IPv4Address
from typing import ClassVar, Literal

from pydantic import Field

from vboxlab.topology.roles import Parameters, Role, Route


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

    def forwards_packets(self) -> bool:
        """Tell that it does."""
        return True

    def uplink_network(self) -> str:
        """Return the network towards the Internet."""
        return self.wan
