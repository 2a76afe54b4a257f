"""Where packets go in a lab, as far as its topology says: routing tables, the way of one packet, and of its answer.

Pure. What no topology knows (the world beyond a NAT or bridged network, a machine that vboxlab does not configure, two
routers that a lease may name) makes a way UNKNOWN, never LOST. Firewalls are not asked: a route is there or is not.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from enum import Enum, IntEnum
from ipaddress import IPv4Address, IPv4Interface, IPv4Network

from vboxlab.lazily import dataclass
from vboxlab.topology.model import Adapter, Machine, Topology
from vboxlab.topology.problems import Place
from vboxlab.topology.roles import Port, Role

EVERYWHERE = IPv4Network("0.0.0.0/0")
# Who gets no further here meets the hypervisor's NAT, which knows no internal network of the lab.
_NO_WAY_INSIDE = ("nat", "nat-network")
_LEASES_TRIED = 300


class Fate(IntEnum):
    """What becomes of a packet, the worst first."""

    LOST = 0
    UNKNOWN = 1
    ARRIVED = 2


class Reason(Enum):
    """Why a packet gets no further than a machine."""

    NO_ROUTE = "no-route"
    NOBODY = "nobody"  # the address that it is handed to is no machine's of the network
    NOT_FORWARDING = "not-forwarding"
    LEFT = "left"  # it leaves the lab, although it is for a machine inside
    CIRCLE = "circle"


@dataclass(frozen=True)
class Leg:
    """An adapter's address in a network, assumed where it is leased; None where it cannot be known."""

    network: str
    address: IPv4Interface | None
    index: int  # the adapter's place in the machine's list


@dataclass(frozen=True)
class Entry:
    """An entry of a routing table; without a next hop, whoever is addressed is on the leg's network itself."""

    to: IPv4Network
    leg: Leg
    via: IPv4Address | None = None
    place: Place = ()  # where the topology says it, below its machine


@dataclass(frozen=True, eq=False)
class Node:
    """A machine as packets meet it. `is_certain`: it does what the topology says, and nothing else."""

    machine: Machine
    legs: tuple[Leg, ...]
    own: frozenset[IPv4Address]  # of its adapters
    table: tuple[Entry, ...]  # of those that fit, the first is taken
    shared: frozenset[IPv4Address]
    ports: frozenset[Port]
    forwards: bool
    translated: frozenset[str]
    is_certain: bool

    def holds(self, address: IPv4Address) -> bool:
        """Tell whether packets to an address end here, on whatever adapter they come in."""
        return address in self.own or address in self.shared or address.is_loopback

    def held(self) -> Iterator[tuple[str, IPv4Address]]:
        """Yield the addresses that it answers for to who looks for them on a network (RFC 826), with the network."""
        for leg in self.legs:
            if leg.address is not None:
                yield leg.network, leg.address.ip
                yield from ((leg.network, address) for address in self.shared if address in leg.address.network)

    def entry_for(self, address: IPv4Address) -> Entry | None:
        """Return the entry for an address: the one with the longest prefix."""
        return next((entry for entry in self.table if address in entry.to), None)


@dataclass(frozen=True)
class Hop:
    """A machine that sends a packet on, and the entry by which it does."""

    node: Node
    entry: Entry


@dataclass(frozen=True)
class Trip:
    """The way of a packet: who sent it on, first the sender, and how far it came."""

    to: IPv4Address
    fate: Fate
    hops: tuple[Hop, ...]
    end: Node
    reason: Reason | None = None


@dataclass(frozen=True)
class Answer:
    """The last part of the way back of an answer; `to` is the address that it is for, None where that is not known."""

    trip: Trip
    to: IPv4Interface | None


class Routes:
    """The routing tables of all machines of a topology, as they are after its last stage."""

    def __init__(self, topology: Topology) -> None:
        self._kinds = {name: network.kind for name, network in topology.networks.items()}
        self.nodes: Mapping[str, Node] = _nodes(topology)
        self._holders: dict[tuple[str, IPv4Address], list[Node]] = {}
        for node in self.nodes.values():
            for held in dict.fromkeys(node.held()):
                self._holders.setdefault(held, []).append(node)
        outside = {address for network, address in self._holders if self._kinds.get(network) != "internal"}
        # What is on internal networks alone: nothing outside leads there.
        self._inside = {address for _network, address in self._holders} - outside

    def trip(self, sender: str, to: IPv4Address) -> Trip:
        """Return the way of a packet from a machine to an address: the best of those that it may take."""
        return self._onward(self.nodes[sender], to, ())

    def answer(self, trip: Trip) -> Answer:
        """Return the way back of what the machine at the end of a trip answers.

        Routers that put their own address into the packet on its way get the answer first, and send it on. One of which
        not all is known may do that too.
        """
        certain = all(hop.node.is_certain for hop in trip.hops)
        node, back = trip.end, Answer(replace(trip, hops=()), None)
        for sender, address in reversed(list(_sources(trip))):
            if address is None:
                return Answer(Trip(trip.to, Fate.UNKNOWN, (), node), None)
            found = self._onward(node, address.ip, ())
            if (found.fate is Fate.ARRIVED and found.end is not sender) or (found.fate is Fate.LOST and not certain):
                found = replace(found, fate=Fate.UNKNOWN)
            back = Answer(found, address)
            if found.fate is not Fate.ARRIVED:
                break
            node = sender
        return back

    def neighbours(self, node: Node, network: str, address: IPv4Address) -> list[Node]:
        """Return the other machines of a network that have an address there; NAT has no two machines on one network."""
        if self._kinds.get(network) == "nat":
            return []
        return [other for other in self._holders.get((network, address), ()) if other is not node]

    def is_told(self, network: str) -> bool:
        """Tell whether all that is on a network is in the topology, and known."""
        return self._kinds.get(network) == "internal" and all(node.is_certain for node in self.on(network))

    def on(self, network: str) -> Iterator[Node]:
        """Yield the machines on a network."""
        for node in self.nodes.values():
            if any(adapter.network == network for adapter in node.machine.adapters):
                yield node

    def _onward(self, node: Node, to: IPv4Address, hops: tuple[Hop, ...]) -> Trip:
        if node.holds(to):
            return Trip(to, Fate.ARRIVED, hops, node)
        if hops and not node.forwards:
            return _lost(node, to, hops, Reason.NOT_FORWARDING)
        if any(hop.node is node for hop in hops):
            return _lost(node, to, hops, Reason.CIRCLE)
        entry = node.entry_for(to)
        if entry is None:
            return _lost(node, to, hops, Reason.NO_ROUTE)
        onward = (*hops, Hop(node, entry))
        takers = self.neighbours(node, entry.leg.network, entry.via or to)
        if not takers:
            return self._untaken(node, to, onward)
        return max((self._onward(taker, to, onward) for taker in takers), key=lambda trip: trip.fate)

    def _untaken(self, node: Node, to: IPv4Address, hops: tuple[Hop, ...]) -> Trip:
        """Return the end of a packet that no machine of the lab takes from the network that it is sent to."""
        network = hops[-1].entry.leg.network
        if self.is_told(network):
            return _lost(node, to, hops, Reason.NOBODY)
        if self._kinds.get(network) in _NO_WAY_INSIDE and to in self._inside:
            return _lost(node, to, hops, Reason.LEFT)
        return Trip(to, Fate.UNKNOWN, hops, node)


def _lost(node: Node, to: IPv4Address, hops: tuple[Hop, ...], reason: Reason) -> Trip:
    certain = node.is_certain and all(hop.node.is_certain for hop in hops)
    return Trip(to, Fate.LOST if certain else Fate.UNKNOWN, hops, node, reason)


def _sources(trip: Trip) -> Iterator[tuple[Node, IPv4Interface | None]]:
    """Yield whose address a packet carries as its source, from the sender's to the one that it arrives with."""
    for index, hop in enumerate(trip.hops):
        if index == 0 or hop.entry.leg.network in hop.node.translated:
            yield hop.node, hop.entry.leg.address


def roles_of(machine: Machine) -> Iterator[tuple[Role, Place]]:
    """Yield the roles of a machine in all its stages, with their places below the machine."""
    for index, role in enumerate(machine.roles):
        yield role, ("roles", index)
    for stage, roles in machine.stages.items():
        for index, role in enumerate(roles):
            yield role, ("stages", stage, index)


def _nodes(topology: Topology) -> dict[str, Node]:
    leases = _Leases(topology)
    return {name: _node(topology, machine, leases) for name, machine in topology.machines.items()}


def _node(topology: Topology, machine: Machine, leases: _Leases) -> Node:
    roles = [role for role, _place in roles_of(machine)]
    legs: list[Leg] = []
    connected: list[Entry] = []
    defaults: list[Entry] = []
    choices = 0  # how many default routes it may have
    for index, adapter in enumerate(machine.adapters):
        leg = Leg(adapter.network, leases.address(machine, adapter), index)
        legs.append(leg)
        subnet = leg.address.network if leg.address is not None else leases.subnet(adapter)
        if subnet is not None:
            connected.append(Entry(subnet, leg, None, ("adapters", index)))
        found = leases.defaults(machine, adapter)
        choices += len(found)
        defaults += [Entry(EVERYWHERE, leg, via, ("adapters", index, "gateway")) for via in found]
    table = [*_static(machine, legs), *defaults, *connected]
    is_known = bool(roles) or not topology.is_adopted(machine)
    return Node(
        machine=machine,
        legs=tuple(legs),
        own=frozenset(leg.address.ip for leg in legs if leg.address is not None),
        table=tuple(sorted(table, key=lambda entry: -entry.to.prefixlen)),
        shared=frozenset(shared.address for role in roles for shared in role.shared_addresses()),
        ports=frozenset(port for role in roles for port in role.ports_listened()),
        forwards=_forwards(machine),
        translated=frozenset(network for role in roles for network in role.translated_networks()),
        is_certain=is_known and is_configured(machine) and choices <= 1 and all(role.tells_all() for role in roles),
    )


def is_configured(machine: Machine) -> bool:
    """Tell whether anybody configures a machine as its topology says."""
    return bool(getattr(machine, "configured", True))


def _forwards(machine: Machine) -> bool:
    return any(role.forwards_packets() for role, _place in roles_of(machine))


def _static(machine: Machine, legs: Iterable[Leg]) -> list[Entry]:
    """Return the static routes, the last first: each replaces an earlier one to the same network (ip-route(8))."""
    found = []
    for role, place in roles_of(machine):
        for route in role.static_routes():
            near = (leg for leg in legs if leg.address is not None and route.via in leg.address.network)
            found += [Entry(route.to, leg, route.via, place) for leg in list(near)[:1]]
    return found[::-1]


class _Leases:
    """What adapters get, and what is assumed of leases: a free address, and the network's only router as gateway."""

    def __init__(self, topology: Topology) -> None:
        self._topology = topology
        self._taken = {
            adapter.address.ip
            for machine in topology.machines.values()
            for adapter in machine.adapters
            if isinstance(adapter.address, IPv4Interface)
        }
        for machine in topology.machines.values():
            for role, _place in roles_of(machine):
                self._taken.update(shared.address for shared in role.shared_addresses())

    def address(self, machine: Machine, adapter: Adapter) -> IPv4Interface | None:
        """Return the address of an adapter, or one that it may be given."""
        if adapter.address != "dhcp" or not is_configured(machine):
            return adapter.address if isinstance(adapter.address, IPv4Interface) else None
        subnet = self.subnet(adapter)
        if subnet is None or not self._is_internal(adapter):
            return None
        first = 6 if subnet.num_addresses > 16 else 2  # the last ones are often routers'
        for place in range(first, min(subnet.num_addresses, _LEASES_TRIED)):
            if subnet[-place] not in self._taken:
                self._taken.add(subnet[-place])
                return IPv4Interface((subnet[-place], subnet.prefixlen))
        return None

    def subnet(self, adapter: Adapter) -> IPv4Network | None:
        """Return the subnet of an adapter that is to get a lease: the network's, else its neighbours'."""
        if adapter.address != "dhcp":
            return None
        network = self._topology.networks.get(adapter.network)
        if network is not None and network.subnet is not None:
            return network.subnet
        return next((address.network for _machine, address in self._neighbours(adapter.network)), None)

    def defaults(self, machine: Machine, adapter: Adapter) -> list[IPv4Address | None]:
        """Return the gateways that an adapter may have; None is one that is not of the lab."""
        if adapter.gateway is not None:
            return [adapter.gateway]
        if adapter.address != "dhcp":
            return []
        if not self._is_internal(adapter):
            return [None]
        return [
            address.ip
            for other, address in self._neighbours(adapter.network)
            if other is not machine and _forwards(other) and not _goes_out_by(other, adapter.network)
        ]

    def _is_internal(self, adapter: Adapter) -> bool:
        network = self._topology.networks.get(adapter.network)
        return network is not None and network.kind == "internal"

    def _neighbours(self, network: str) -> Iterator[tuple[Machine, IPv4Interface]]:
        for machine in self._topology.machines.values():
            for adapter in machine.adapters:
                if adapter.network == network and isinstance(adapter.address, IPv4Interface):
                    yield machine, adapter.address


def _goes_out_by(machine: Machine, network: str) -> bool:
    """Tell whether a network is towards the Internet for a router: it is nobody's gateway there."""
    return any(role.uplink_network() == network for role, _place in roles_of(machine))
