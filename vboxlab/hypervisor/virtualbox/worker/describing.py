"""A machine with all that a topology could say of it: somebody's own VM, which is only read."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from ipaddress import IPv4Network
from typing import Any

from vboxlab.hypervisor.virtualbox.worker import adapters, lookup, storage
from vboxlab.hypervisor.virtualbox.worker.calls import Adapter, Describe
from vboxlab.hypervisor.virtualbox.worker.connection import Connection
from vboxlab.hypervisor.virtualbox.worker.facts import Disk, Surroundings
from vboxlab.hypervisor.virtualbox.worker.protocol import Call
from vboxlab.hypervisor.virtualbox.worker.told import Told


def describe(connection: Connection, call: Call[Describe]) -> Surroundings:
    """Return the disks of a machine and the subnets of its networks. Raises Failure when it is gone."""
    machine = lookup.find_machine(connection, call.arguments.handle, readable=False)
    with connection.errors(Told("reading-the-machine")):
        if not machine.accessible:
            return Surroundings()
        disks = tuple(_disk(medium) for medium in storage.disks_of(connection, machine))
        return Surroundings(disks, tuple(_subnets(connection, adapters.read_adapters(connection, machine))))


def _disk(medium: Any) -> Disk:
    """Return a disk by the first of its chain: the others hold what snapshots separate."""
    return Disk(str(medium.base.location), int(medium.logicalSize))


def _subnets(connection: Connection, plugged: Sequence[Adapter]) -> Iterator[tuple[int, str]]:
    kinds = {adapter.attachment.kind for adapter in plugged}
    known: dict[tuple[str, str], str] = {}
    if "host-only" in kinds:
        for each in connection.array(connection.vbox.host, "networkInterfaces"):
            known["host-only", str(each.name)] = _network_of(f"{each.IPAddress}/{each.networkMask}")
    if "nat-network" in kinds:
        for each in connection.array(connection.vbox, "NATNetworks"):
            known["nat-network", str(each.networkName)] = _network_of(str(each.network))
    for adapter in plugged:
        subnet = known.get((adapter.attachment.kind, adapter.attachment.name))
        if subnet:
            yield adapter.slot, subnet


def _network_of(text: str) -> str:
    """Return a network in the form 192.168.56.0/24, "" for what is none: an interface may have no address."""
    with contextlib.suppress(ValueError):
        network = IPv4Network(text, strict=False)
        return "" if network.network_address.is_unspecified else str(network)
    return ""
