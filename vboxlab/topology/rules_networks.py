"""Rules for networks, adapters and addresses."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv4Address, IPv4Interface, IPv4Network

from vboxlab.topology.addressing import interface_name
from vboxlab.topology.model import MANAGEMENT_NETWORK
from vboxlab.topology.problems import Place, Problem, did_you_mean, one_of
from vboxlab.topology.subject import Placed, Subject

# A network without room for two machines and a broadcast address is no network for a lab.
LONGEST_PREFIX = 30


def subnets(subject: Subject) -> Iterator[Problem]:
    """subnet-unusable, subnet-management, subnets-overlap."""
    earlier: list[tuple[str, IPv4Network]] = []
    for name, network in subject.topology.networks.items():
        subnet, place = network.subnet, ("networks", name, "subnet")
        if subnet is None:
            continue
        if subnet.prefixlen > LONGEST_PREFIX or subnet.is_loopback or subnet.is_multicast or subnet.is_unspecified:
            message = f"no machine can have an address in {subnet}; expected a network such as 192.168.200.0/24"
            yield subject.problem("subnet-unusable", place, message)
        elif subnet.overlaps(MANAGEMENT_NETWORK):
            message = (
                f"{subnet} of network `{name}` overlaps {MANAGEMENT_NETWORK}, by which vboxlab reaches the machines; "
                "expected another subnet"
            )
            yield subject.problem("subnet-management", place, message)
        for other, other_subnet in earlier:
            if subnet.overlaps(other_subnet):
                message = (
                    f"{subnet} of network `{name}` overlaps {other_subnet} of network `{other}` (line {{line}}); "
                    "expected subnets apart from each other"
                )
                yield subject.repeated("subnets-overlap", place, ("networks", other, "subnet"), message)
                break
        earlier.append((name, subnet))


def slots(subject: Subject) -> Iterator[Problem]:
    """slot-used-twice: an adapter without `slot` has its place in the list as slot."""
    for machine in subject.topology.machines.values():
        seen: dict[int, Place] = {}
        for index, adapter in enumerate(machine.adapters):
            place: Place = ("machines", machine.name, "adapters", index)
            first = seen.setdefault(adapter.slot, place)
            if first != place:
                free = [str(slot) for slot in range(1, 8) if slot not in {a.slot for a in machine.adapters}]
                message = (
                    f"slot {adapter.slot} of machine `{machine.name}` is used twice; {one_of(free)} "
                    "(without `slot`, an adapter takes its place in the list)"
                )
                yield subject.problem("slot-used-twice", (*place, "slot"), message)


def adapter_networks(subject: Subject) -> Iterator[Problem]:
    """unknown-network: of adapters."""
    names = subject.named_in_file("networks")
    for placed in subject.adapters():
        network = placed.adapter.network
        if names is not None and network not in names:
            message = f"there is no network `{network}`; {one_of(names)}{did_you_mean(network, names)}"
            yield subject.problem("unknown-network", (*placed.place, "network"), message)


def addresses(subject: Subject) -> Iterator[Problem]:
    """address-without-prefix, address-outside-subnet, prefix-mismatch, address-reserved: of adapters."""
    for placed in subject.adapters():
        address = placed.adapter.address
        place = (*placed.place, "address")
        network = subject.topology.networks.get(placed.adapter.network)
        subnet = network.subnet if network else None
        if not isinstance(address, IPv4Interface):
            continue
        said = subject.text(place)
        if address.network.prefixlen == 32 and "/" not in said:
            prefix = subnet.prefixlen if subnet else 24
            message = f"{address.ip} has no prefix length; expected {address.ip}/{prefix}"
            yield subject.problem("address-without-prefix", place, message)
        elif subnet is None:
            continue
        elif address.ip not in subnet:
            message = f"{address.ip} of {placed} is not in {subnet} of network `{placed.adapter.network}`"
            yield subject.problem("address-outside-subnet", place, f"{message}; expected {_range(subnet)}")
        elif address.network != subnet:
            message = (
                f"{address} of {placed} has another prefix length than network `{placed.adapter.network}` ({subnet})"
            )
            yield subject.problem("prefix-mismatch", place, f"{message}; expected {address.ip}/{subnet.prefixlen}")
        elif address.ip in (subnet.network_address, subnet.broadcast_address):
            which = "network" if address.ip == subnet.network_address else "broadcast"
            message = f"{address.ip} of {placed} is the {which} address of {subnet}; expected {_range(subnet)}"
            yield subject.problem("address-reserved", place, message)


def _range(subnet: IPv4Network) -> str:
    return f"an address from {subnet.network_address + 1} to {subnet.broadcast_address - 1}"


def duplicate_addresses(subject: Subject) -> Iterator[Problem]:
    """duplicate-address: two adapters with one address (copies of a lab are apart, so they do not count)."""
    seen: dict[IPv4Address, Placed] = {}
    for placed in subject.adapters():
        first = seen.setdefault(placed.ip, placed) if placed.ip else placed
        if first.place != placed.place:
            message = f"{placed} has {placed.ip}, the address of {first} (line {{line}}); expected another address"
            place, first_place = (*placed.place, "address"), (*first.place, "address")
            yield subject.repeated("duplicate-address", place, first_place, message)


def gateways(subject: Subject) -> Iterator[Problem]:
    """gateway-without-address, gateway-outside-subnet, gateway-is-self, gateway-unowned, two-gateways."""
    for placed in subject.adapters():
        gateway = placed.adapter.gateway
        if gateway is None:
            continue
        place = (*placed.place, "gateway")
        address = placed.adapter.address
        if not isinstance(address, IPv4Interface):
            if address is None and subject.value((*placed.place, "address")) is not None:
                continue  # it has one that is not an address
            message = f"{placed} has a gateway but no address of its own; expected `address` beside it, or no gateway"
            yield subject.problem("gateway-without-address", place, message)
        elif gateway == address.ip:
            message = f"the gateway {gateway} of {placed} is its own address; expected the router's address"
            yield subject.problem("gateway-is-self", place, message)
        elif gateway not in _subnet_of(subject, placed, address):
            message = f"the gateway {gateway} of {placed} is not in {_subnet_of(subject, placed, address)}"
            yield subject.problem("gateway-outside-subnet", place, f"{message}; expected an address of that network")
        else:
            yield from _gateway_owner(subject, placed, gateway, place)


def _subnet_of(subject: Subject, placed: Placed, address: IPv4Interface) -> IPv4Network:
    network = subject.topology.networks.get(placed.adapter.network)
    return network.subnet if network and network.subnet else address.network


def _gateway_owner(subject: Subject, placed: Placed, gateway: IPv4Address, place: Place) -> Iterator[Problem]:
    network = subject.topology.networks.get(placed.adapter.network)
    if network is None or network.kind != "internal" or not subject.fit.complete:
        return  # beyond other kinds of networks there are gateways that no topology knows
    neighbours = [other for other in subject.adapters() if other.adapter.network == placed.adapter.network]
    if gateway not in {other.ip for other in neighbours}:
        routers = [
            str(o.ip) for o in neighbours if o.ip and len(o.machine.adapters) > 1 and o.machine != placed.machine
        ]
        message = f"no machine on network `{placed.adapter.network}` has the gateway {gateway} of {placed}"
        expected = one_of(routers) if routers else "expected the address of a machine that routes"
        yield subject.problem("gateway-unowned", place, f"{message}; {expected}")


def one_gateway_each(subject: Subject) -> Iterator[Problem]:
    """two-gateways: a machine has one default route."""
    for machine in subject.topology.machines.values():
        with_gateway = [index for index, adapter in enumerate(machine.adapters) if adapter.gateway is not None]
        for index in with_gateway[1:]:
            first = interface_name(machine.adapters[with_gateway[0]].slot)
            message = f"machine `{machine.name}` has a gateway on `{first}` already; expected one default route"
            yield subject.problem("two-gateways", ("machines", machine.name, "adapters", index, "gateway"), message)
