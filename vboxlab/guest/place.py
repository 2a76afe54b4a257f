"""Where a role is applied: a machine in its topology, at a stage. Answers what several roles ask."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv4Address, IPv4Interface

from vboxlab.lazily import dataclass
from vboxlab.topology.addressing import interface_name
from vboxlab.topology.model import Adapter, Machine, Topology
from vboxlab.topology.roles import DNS_PORTS, Role
from vboxlab.topology.sites import addresses_seen, held_in_turn, nearest, owners, sites_of


@dataclass(frozen=True)
class Place:
    """A machine in its topology, at a stage (None: before the first)."""

    topology: Topology
    machine: Machine
    stage: str | None = None

    @property
    def roles(self) -> tuple[Role, ...]:
        """Return the roles of the machine up to the stage."""
        return self.machine.roles_until(self.stage, self.topology.stage_order)

    def interface_on(self, network: str) -> str:
        """Return the machine's interface on a network. Raises KeyError when it has none."""
        for adapter in self.machine.adapters:
            if adapter.network == network:
                return interface_name(adapter.slot)
        raise KeyError(network)

    def network_of(self, interface: str) -> str | None:
        """Return the network that one of the machine's interfaces is plugged into."""
        return next((a.network for a in self.machine.adapters if interface_name(a.slot) == interface), None)

    def fqdn(self, machine: Machine) -> str:
        """Return a machine's host name with the topology's domain."""
        domain = self.topology.domain
        return f"{machine.hostname}.{domain}" if domain else machine.hostname

    @property
    def other_roles(self) -> Iterator[tuple[Machine, Role]]:
        """Yield all roles that any machine of the topology has in any stage."""
        for machine in self.topology.machines.values():
            for role in machine.roles_until(self.topology.last_stage, self.topology.stage_order):
                yield machine, role

    def addresses_of(self, machine: Machine) -> tuple[IPv4Address, ...]:
        """Return the fixed addresses by which a machine is reached from here, those in a site of both first."""
        return addresses_seen(self.topology, self.machine, machine)

    @property
    def dns_servers(self) -> tuple[IPv4Address, ...]:
        """Return the addresses of the topology's name servers within reach of the machine, sorted."""
        servers = {
            address
            for machine, role in self.other_roles
            if role.ports_listened() & DNS_PORTS
            for address in self.addresses_of(machine)
        }
        return tuple(sorted(servers | set(self._asked_servers())))

    def _asked_servers(self) -> Iterator[IPv4Address]:
        for machine in self.topology.machines.values():
            for address in machine.dns:
                asked = {owner.name for owner in owners(self.topology, machine, address)}
                if asked & {owner.name for owner in owners(self.topology, self.machine, address)}:
                    yield address

    @property
    def service_addresses(self) -> tuple[IPv4Address, ...]:
        """Return the nearest addresses, floating and virtual, that the lab's web service is reached at, sorted."""
        own = sites_of(self.topology, self.machine)
        found = nearest(held_in_turn(self.topology), own, lambda each: each.sites)
        return tuple(sorted({each.shared.address for each in found}))

    @property
    def uplinks(self) -> Iterator[tuple[Machine, str]]:
        """Yield the machines that route others towards the Internet, each with the network that it does so through."""
        for machine, role in self.other_roles:
            network = role.uplink_network()
            if network is not None:
                yield machine, network


def static_address(adapter: Adapter) -> IPv4Interface | None:
    """Return the fixed address of an adapter, if it has one."""
    return adapter.address if isinstance(adapter.address, IPv4Interface) else None


def static_addresses(machine: Machine) -> tuple[IPv4Interface, ...]:
    """Return the fixed addresses of a machine, by slot."""
    found = (static_address(adapter) for adapter in sorted(machine.adapters, key=lambda adapter: adapter.slot))
    return tuple(address for address in found if address is not None)
