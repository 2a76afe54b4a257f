"""The parameters of a node of a Heartbeat cluster, and what it offers and needs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from ipaddress import IPv4Interface
from typing import ClassVar, Literal

from pydantic import Field

from vboxlab.language import _
from vboxlab.topology.roles import Port, Role, SharedAddress

DEADTIMES = {"practical": 5, "fast": 2}
"""Seconds of silence after which a node is taken for dead, by the tuning (ha.cf(5), deadtime)."""


class HeartbeatRole(Role):
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

    list_order: ClassVar[int] = 2

    def shared_addresses(self) -> tuple[SharedAddress, ...]:
        """Return the floating address."""
        return (SharedAddress(self.address.ip, "floating"),)

    def ports_listened(self) -> frozenset[Port]:
        """Return the port of the heartbeats (ha.cf(5), udpport)."""
        return frozenset({Port("udp", 694)})

    def services_owned(self) -> tuple[str, ...]:
        """Return the services that follow the address, as taught; tuned to be fast, they run on all nodes."""
        return self.services if self.tuning == "practical" else ()

    def cluster_nodes(self) -> tuple[str, ...]:
        """Return the nodes, the preferred master first."""
        return self.nodes

    def secrets_used(self) -> Mapping[str, str]:
        """Return the key that the nodes know each other by."""
        return {"secret": self.secret}

    def own_seconds(self) -> float:
        """Return how long a node must have been silent to be taken for dead (ha.cf(5), deadtime)."""
        return float(DEADTIMES[self.tuning])

    def restored_apart(self, restored: Sequence[str], running: Sequence[str]) -> str:
        """Say what Heartbeat makes of a node that goes back in time.

        It numbers its packets: such a node is taken for a replay by its peer, which drops what it says, and whose clean
        shutdown then hangs (seen with Heartbeat 3.0.6).
        """
        return _(
            "{restored} goes back without {running}: Heartbeat on {running} will take its packets for a replay and "
            "drop them. Restore the whole cluster, or afterwards run "
            "`vboxlab ssh {machine} -- sudo systemctl restart heartbeat`"
        ).format(restored=", ".join(restored), running=", ".join(running), machine=running[0])
