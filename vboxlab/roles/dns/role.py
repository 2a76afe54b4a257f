"""The parameters of a name server, and what it offers."""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import IPv4Address
from typing import ClassVar, Literal

from pydantic import Field

from vboxlab.topology.roles import DNS_PORTS, Parameters, Port, Role


class DnsRecord(Parameters):
    """A name within the zone and its address."""

    name: str
    address: IPv4Address


class DnsRole(Role):
    """A name server for the lab's own zone that forwards the rest (the stand-in for the school's server)."""

    role: Literal["dns"]
    zone: str
    forwarders: tuple[IPv4Address, ...] = Field(default=(), description="default: the router's own resolver")
    records: tuple[DnsRecord, ...] = Field(
        default=(), description="what the zone holds; default: the names of all machines, and www for the service"
    )

    list_order: ClassVar[int] = 4

    def names_answered(self) -> Mapping[str, str]:
        """Return the zone."""
        return {"zone": self.zone}

    def ports_listened(self) -> frozenset[Port]:
        """Return the ports of DNS."""
        return DNS_PORTS

    def servers_asked(self) -> Mapping[tuple[str | int, ...], IPv4Address]:
        """Return the forwarders."""
        return {("forwarders", index): address for index, address in enumerate(self.forwarders)}
