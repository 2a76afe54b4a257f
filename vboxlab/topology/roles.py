"""The parameters of each role, as a topology gives them; vboxlab.guest.roles turns them into resources."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Interface, IPv4Network
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field


class Parameters(BaseModel):
    """Base of everything that a topology file says: immutable, and nothing unknown accepted."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)


class WebRole(Parameters):
    """An Apache web server whose index page names it."""

    role: Literal["web"]
    page: str = Field(description="content of /var/www/html/index.html, one line that names the server")


class HeartbeatRole(Parameters):
    """One node of a Heartbeat cluster that shares a floating address."""

    role: Literal["heartbeat"]
    address: IPv4Interface = Field(description="floating address with its prefix length")
    interface: str = Field(default="enp0s3", description="interface that carries the heartbeat and the address")
    nodes: tuple[str, ...] = Field(description="machines of the cluster; the first is the preferred master")
    services: tuple[str, ...] = Field(default=("apache2",), description="services that follow the address")
    tuning: Literal["practical", "fast"] = Field(
        default="practical",
        description="practical: as taught (deadtime 5); fast: shorter deadtime, services kept running on all nodes",
    )
    secret: str = Field(default="heartbeat", description="name of the lab's secret used in authkeys")


class Route(Parameters):
    """A static route."""

    to: IPv4Network
    via: IPv4Address


class Flow(Parameters):
    """A flow that a router lets through: TCP from a network to an address and port."""

    source: str = Field(alias="from", description="network that the flow comes from")
    to: IPv4Address
    port: int = Field(ge=1, le=65535)


class RouterRole(Parameters):
    """A router and firewall between the networks of its adapters (the stand-in for PF_FIREWALL)."""

    role: Literal["router"]
    wan: str = Field(description="network towards the Internet; what leaves there is masqueraded")
    protected: tuple[str, ...] = Field(
        default=(), description="networks closed to new flows from other inside networks"
    )
    allow: tuple[Flow, ...] = ()
    routes: tuple[Route, ...] = ()


class DnsRecord(Parameters):
    """A name within the zone and its address."""

    name: str
    address: IPv4Address


class DnsRole(Parameters):
    """A name server for the lab's own zone that forwards the rest (the stand-in for the school's server)."""

    role: Literal["dns"]
    zone: str
    forwarders: tuple[IPv4Address, ...] = Field(default=(), description="default: the router's own resolver")
    records: tuple[DnsRecord, ...] = Field(
        default=(), description="what the zone holds; default: the names of all machines, and www for the service"
    )


class ClientRole(Parameters):
    """A client with what is needed to look at the lab from outside."""

    role: Literal["client"]


class SshServerRole(Parameters):
    """An SSH server that lets root in with a password, as the practical wants for `scp -p`."""

    role: Literal["ssh_server"]
    root_login: bool = True
    password_authentication: bool = True
    secret: str = Field(default="root-password", description="name of the lab's secret that is root's password")


class TimeRole(Parameters):
    """A machine whose clock and time zone agree with the others'."""

    role: Literal["time"]
    zone: str = "Europe/Paris"


class LvsRole(Parameters):
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


Role = Annotated[
    WebRole | HeartbeatRole | RouterRole | DnsRole | ClientRole | SshServerRole | TimeRole | LvsRole,
    Field(discriminator="role"),
]
