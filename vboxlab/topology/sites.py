"""Sites: places whose addresses may be the same, and who is meant by an address where a machine asks for it. Pure.

A network that names no site is outside, in reach of everybody; a machine is of the sites of its networks. Who looks an
address up finds what is in its own sites, else what is outside, else what is in one other site, as through a tunnel:
what several other sites have means nobody in particular.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Set
from ipaddress import IPv4Address, IPv4Interface
from typing import TypeVar

from vboxlab.lazily import dataclass
from vboxlab.topology.model import Adapter, Machine, Topology
from vboxlab.topology.roles import SharedAddress

Found = TypeVar("Found")


@dataclass(frozen=True)
class Held:
    """A fixed address of a machine's adapter."""

    machine: Machine
    adapter: Adapter
    address: IPv4Address
    sites: frozenset[str]  # the site of its network; none outside


@dataclass(frozen=True)
class HeldInTurn:
    """An address that a machine holds for a service, and the network of the machine that it is in, if there is one."""

    machine: Machine
    shared: SharedAddress
    network: str | None
    sites: frozenset[str]


def site_of(topology: Topology, network: str | None) -> frozenset[str]:
    """Return the site of a network; nothing for one that is outside, or that does not exist."""
    declared = topology.networks.get(network) if network is not None else None
    return frozenset({declared.site}) if declared is not None and declared.site is not None else frozenset()


def sites_of(topology: Topology, machine: Machine) -> frozenset[str]:
    """Return the sites that a machine has an adapter in."""
    return frozenset[str]().union(*(site_of(topology, adapter.network) for adapter in machine.adapters))


def may_meet(one: Set[str], other: Set[str]) -> bool:
    """Tell whether somebody may reach both of two networks, by their sites, so that they need different addresses."""
    return not one or not other or bool(one & other)


def nearest(found: Iterable[Found], own: Set[str], sites: Callable[[Found], Set[str]]) -> tuple[Found, ...]:
    """Return those in one's own sites, else those outside, else those of the one other site that has any."""
    every = tuple(found)
    mine = tuple(each for each in every if sites(each) & own)
    outside = tuple(each for each in every if not sites(each))
    if mine or outside:
        return mine or outside
    return every if len(set[str]().union(*map(sites, every))) == 1 else ()


def held(topology: Topology, machines: Iterable[Machine] | None = None) -> Iterator[Held]:
    """Yield the fixed addresses of machines, all by default: machine by machine, by slot."""
    for machine in topology.machines.values() if machines is None else machines:
        for adapter in sorted(machine.adapters, key=lambda adapter: adapter.slot):
            if isinstance(adapter.address, IPv4Interface):
                yield Held(machine, adapter, adapter.address.ip, site_of(topology, adapter.network))


def owners(topology: Topology, asking: Machine, address: IPv4Address) -> tuple[Machine, ...]:
    """Return the machines that an address means where a machine asks for it: one, or none, where all is well."""
    having = (each for each in held(topology) if each.address == address)
    return tuple(each.machine for each in nearest(having, sites_of(topology, asking), lambda each: each.sites))


def addresses_seen(topology: Topology, asking: Machine, machine: Machine) -> tuple[IPv4Address, ...]:
    """Return the fixed addresses that mean a machine where another one asks, those in a site of both first."""
    own = sites_of(topology, asking)
    mine = sorted(held(topology, [machine]), key=lambda each: 0 if each.sites & own else 1 if not each.sites else 2)
    return tuple(
        each.address
        for each in mine
        if any(owner.name == machine.name for owner in owners(topology, asking, each.address))
    )


def held_in_turn(topology: Topology) -> Iterator[HeldInTurn]:
    """Yield the addresses that machines hold for a service in any stage, those of several machines several times."""
    for machine in topology.machines.values():
        for role in machine.roles_until(topology.last_stage, topology.stage_order):
            for shared in role.shared_addresses():
                network = _network_with(topology, machine, shared.address)
                yield HeldInTurn(machine, shared, network, site_of(topology, network))


def _network_with(topology: Topology, machine: Machine, address: IPv4Address) -> str | None:
    for adapter in machine.adapters:
        declared = topology.networks.get(adapter.network)
        subnet = declared.subnet if declared is not None else None
        if subnet is None and isinstance(adapter.address, IPv4Interface):
            subnet = adapter.address.network
        if subnet is not None and address in subnet:
            return adapter.network
    return None
