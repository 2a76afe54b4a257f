"""The parameters of a name server, and what it offers."""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import IPv4Address
from typing import Any, ClassVar, Literal

from pydantic import Field, SerializerFunctionWrapHandler, model_serializer

from vboxlab.topology.roles import DNS_PORTS, Parameters, Port, Role

ZONE_ITSELF = "@"
"""The name of the zone itself, as in zone files (RFC 1035, section 5.1)."""


class DnsRecord(Parameters):
    """Something that the zone says of a name. Which keys a kind takes is in KEYS."""

    name: str = Field(description="a name within the zone; `@` is the zone itself")
    address: IPv4Address | None = Field(default=None, description="of A and PTR")
    kind: Literal["A", "CNAME", "MX", "TXT", "SRV", "NS", "PTR"] = Field(
        default="A",
        description="A: the name's address; PTR: the address's name; CNAME: another name for a target in the zone; MX, "
        "NS: the mail or name server; SRV: the server of a service such as _ldap._tcp; TXT: a text",
    )
    target: str | None = Field(
        default=None, description="of CNAME, MX, SRV and NS: a name within the zone, or any name with a dot at its end"
    )
    text: str | None = Field(default=None, description="of TXT")
    priority: int | None = Field(
        default=None, ge=0, le=65535, description="of MX and SRV: the least is asked first; default: 10 and 0"
    )
    weight: int | None = Field(default=None, ge=0, le=65535, description="of SRV: share among equals; default: 0")
    port: int | None = Field(default=None, ge=1, le=65535, description="of SRV")

    @model_serializer(mode="wrap")
    def _as_said(self, write: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Leave out what is not said: digests of zones of plain addresses are what they were."""
        written: dict[str, Any] = write(self)
        plain = {"kind"} if self.kind == "A" else set()
        return {key: value for key, value in written.items() if value is not None and key not in plain}


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


KEYS: Mapping[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "A": (("address",), ()),
    "PTR": (("address",), ()),
    "CNAME": (("target",), ()),
    "NS": (("target",), ()),
    "MX": (("target",), ("priority",)),
    "SRV": (("target", "port"), ("priority", "weight")),
    "TXT": (("text",), ()),
}
"""By the kind of a record, the keys that it needs beside its name, and those that it may have."""


def full_name(name: str, zone: str) -> str:
    """Return a name of a record in full: `@` is the zone, what ends in a dot is whole already."""
    if name == ZONE_ITSELF:
        return zone
    return name[:-1] if name.endswith(".") else f"{name}.{zone}"
