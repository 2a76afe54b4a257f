"""The parameters of a node that shares addresses by VRRP, and what it offers and needs."""

from __future__ import annotations

from ipaddress import IPv4Interface
from typing import ClassVar, Literal

from pydantic import Field

from vboxlab.topology.roles import Parameters, Role, SharedAddress

FIRST_PRIORITY = 250
STEP = 10  # between two nodes
MOST_NODES = 20


class VrrpInstance(Parameters):
    """An address that one of several machines holds: the first of them that is alive."""

    name: str
    address: IPv4Interface = Field(description="floating address with its prefix length")
    interface: str = Field(default="enp0s3", description="interface that carries the address")
    nodes: tuple[str, ...] = Field(description="machines that may hold it, the preferred one first")
    router_id: int | None = Field(
        default=None, ge=1, le=255, description="number of the instance in its network; default: the address's last one"
    )

    @property
    def number(self) -> int:
        """Return the virtual router id; 0, which none may have, where it must be said and is not."""
        return self.router_id if self.router_id is not None else self.address.ip.packed[-1]

    def priority(self, node: str) -> int:
        """Return a node's priority (RFC 5798, 5.2.4): the highest one alive holds the address."""
        return FIRST_PRIORITY - STEP * self.nodes.index(node)


class Tracked(Parameters):
    """A command that tells whether a node is fit to hold its addresses."""

    run: tuple[str, ...] = Field(min_length=1, description="a command without a shell, as root: it succeeds when fit")
    every: int = Field(default=1, ge=1, le=60, description="whole seconds from one run to the next")
    fails: int = Field(default=2, ge=1, le=20, description="failures in a row after which the node gives up")


class VrrpRole(Role):
    """A node of a cluster whose addresses move by VRRP (keepalived); several addresses make it active on all nodes."""

    role: Literal["vrrp"]
    instances: tuple[VrrpInstance, ...] = Field(min_length=1)
    advertise: float = Field(
        default=1.0, ge=0.1, le=40, description="seconds between two signs of life; three missed ones mean dead"
    )
    track: Tracked | None = Field(default=None, description="what else than being alive a node needs to hold addresses")

    list_order: ClassVar[int] = 9

    def shared_addresses(self) -> tuple[SharedAddress, ...]:
        """Return the floating addresses."""
        return tuple(SharedAddress(instance.address.ip, "floating") for instance in self.instances)

    def cluster_nodes(self) -> tuple[str, ...]:
        """Return the nodes of all instances, those of the first one first."""
        return tuple(dict.fromkeys(node for instance in self.instances for node in instance.nodes))

    def services_owned(self) -> tuple[str, ...]:
        """Return the program that moves the addresses."""
        return ("keepalived",)

    def own_seconds(self) -> float:
        """Return how long the holder is silent or unfit before another node takes over (RFC 5798, 6.1)."""
        lowest = min(FIRST_PRIORITY - STEP * (len(instance.nodes) - 1) for instance in self.instances)
        silent = (3 + (256 - lowest) / 256) * self.advertise
        unfit = self.track.every * self.track.fails if self.track is not None else 0.0
        return max(silent, unfit)
