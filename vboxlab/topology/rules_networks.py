"""Rules for networks, adapters and addresses."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv4Address, IPv4Interface, IPv4Network

from vboxlab.language import _
from vboxlab.topology.addressing import interface_name
from vboxlab.topology.model import MANAGEMENT_NETWORK
from vboxlab.topology.problems import Place, Problem, one_of
from vboxlab.topology.sites import may_meet, site_of
from vboxlab.topology.subject import Placed, Subject

# Up to this prefix length a network has an address of its own and a broadcast address; longer ones have neither
# (RFC 3021).
LONGEST_WITH_BROADCAST = 30


def subnets(subject: Subject) -> Iterator[Problem]:
    """subnet-unusable, subnet-management, subnets-overlap."""
    earlier: list[tuple[str, IPv4Network]] = []
    topology = subject.topology
    for name, network in topology.networks.items():
        subnet, place = network.subnet, ("networks", name, "subnet")
        if subnet is None:
            continue
        if subnet.is_loopback or subnet.is_multicast or subnet.is_unspecified:
            message = _(
                "no machine can have an address in {subnet}; expected a network such as 192.168.200.0/24"
            ).format(subnet=subnet)
            yield subject.problem("subnet-unusable", place, message)
        elif subnet.overlaps(MANAGEMENT_NETWORK):
            message = _(
                "{subnet} of network `{network}` overlaps {management}, by which vboxlab reaches the machines; "
                "expected another subnet"
            ).format(subnet=subnet, network=name, management=MANAGEMENT_NETWORK)
            yield subject.problem("subnet-management", place, message)
        for other, other_subnet in earlier:
            if subnet.overlaps(other_subnet) and may_meet(site_of(topology, name), site_of(topology, other)):
                message = _(
                    "{subnet} of network `{network}` overlaps {other_subnet} of network `{other}` (line {line}); "
                    "expected subnets apart from each other"
                ).format(subnet=subnet, network=name, other_subnet=other_subnet, other=other, line="{line}")
                yield subject.repeated("subnets-overlap", place, ("networks", other, "subnet"), message)
                break
        earlier.append((name, subnet))


def point_to_point(subject: Subject) -> Iterator[Problem]:
    """point-to-point (a warning): a /31 for two machines and no broadcast, a /32 for one without neighbours."""
    named: list[tuple[str, IPv4Network, Place]] = [
        (name, network.subnet, ("networks", name, "subnet"))
        for name, network in subject.topology.networks.items()
        if network.subnet is not None
    ]
    for placed in subject.adapters():
        network = subject.topology.networks.get(placed.adapter.network)
        if network is not None and network.subnet is None and placed.ip is not None:
            named.append((placed.adapter.network, placed.network, (*placed.place, "address")))
    for name, subnet, place in named:
        if subnet.prefixlen <= LONGEST_WITH_BROADCAST:
            continue
        if subnet.prefixlen == LONGEST_WITH_BROADCAST + 1:
            text = _(
                "{subnet} of network `{network}` is a link between two machines, {first} and {last}, without a "
                "broadcast address (RFC 3021): a third machine, DHCP and whatever else broadcasts do not work there; "
                "expected a network such as {wider} unless that is meant"
            )
        else:
            text = _(
                "{subnet} of network `{network}` is a single address: a machine there has no neighbours; expected a "
                "network such as {wider} unless that is meant"
            )
        message = text.format(
            subnet=subnet, network=name, first=subnet[0], last=subnet[-1], wider=subnet.supernet(new_prefix=24)
        )
        yield subject.doubt("point-to-point", place, message)


def slots(subject: Subject) -> Iterator[Problem]:
    """slot-used-twice: an adapter without `slot` has its place in the list as slot."""
    for machine in subject.topology.machines.values():
        seen: dict[int, Place] = {}
        for index, adapter in enumerate(machine.adapters):
            place: Place = ("machines", machine.name, "adapters", index)
            first = seen.setdefault(adapter.slot, place)
            if first != place:
                free = [str(slot) for slot in range(1, 8) if slot not in {a.slot for a in machine.adapters}]
                message = _(
                    "slot {slot} of machine `{machine}` is used twice; {expected} "
                    "(without `slot`, an adapter takes its place in the list)"
                ).format(slot=adapter.slot, machine=machine.name, expected=one_of(free))
                yield subject.problem("slot-used-twice", (*place, "slot"), message)


def adapter_networks(subject: Subject) -> Iterator[Problem]:
    """unknown-network: of adapters."""
    names = subject.named_in_file("networks")
    for placed in subject.adapters():
        network = placed.adapter.network
        if names is not None and network not in names:
            place = (*placed.place, "network")
            yield subject.problem("unknown-network", place, subject.no_network(network, place))


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
            message = _("{address} has no prefix length; expected {address}/{prefix}").format(
                address=address.ip, prefix=prefix
            )
            yield subject.problem("address-without-prefix", place, message)
        elif subnet is None:
            continue
        else:
            yield from _in_subnet(subject, placed, address, subnet)


def _in_subnet(subject: Subject, placed: Placed, address: IPv4Interface, subnet: IPv4Network) -> Iterator[Problem]:
    has_broadcast = subnet.prefixlen <= LONGEST_WITH_BROADCAST
    values = {
        "address": address.ip, "adapter": placed, "subnet": subnet, "network": placed.adapter.network,
        "prefix": subnet.prefixlen,
        "first": subnet[1 if has_broadcast else 0], "last": subnet[-2 if has_broadcast else -1],
    }  # fmt: skip
    if address.ip not in subnet:
        code = "address-outside-subnet"
        text = _(
            "{address} of {adapter} is not in {subnet} of network `{network}`; "
            "expected an address from {first} to {last}"
        )
    elif address.network != subnet:
        code = "prefix-mismatch"
        text = _(
            "{interface} of {adapter} has another prefix length than network `{network}` ({subnet}); "
            "expected {address}/{prefix}"
        )
    elif has_broadcast and address.ip == subnet.network_address:
        code = "address-reserved"
        text = _(
            "{address} of {adapter} is the network address of {subnet}; expected an address from {first} to {last}"
        )
    elif has_broadcast and address.ip == subnet.broadcast_address:
        code = "address-reserved"
        text = _(
            "{address} of {adapter} is the broadcast address of {subnet}; expected an address from {first} to {last}"
        )
    else:
        return
    yield subject.problem(code, (*placed.place, "address"), text.format(**values, interface=address))


def duplicate_addresses(subject: Subject) -> Iterator[Problem]:
    """duplicate-address: two adapters with one address that somebody may reach both (copies of a lab are apart)."""
    seen: dict[IPv4Address, list[Placed]] = {}
    for placed in subject.adapters():
        if placed.ip is None:
            continue
        others = seen.setdefault(placed.ip, [])
        first = next((other for other in others if _may_meet(subject, placed, other)), None)
        others.append(placed)
        if first is not None:
            message = _(
                "{adapter} has {address}, the address of {first} (line {line}); expected another address"
            ).format(adapter=placed, address=placed.ip, first=first, line="{line}")
            place, first_place = (*placed.place, "address"), (*first.place, "address")
            yield subject.repeated("duplicate-address", place, first_place, message)


def _may_meet(subject: Subject, one: Placed, other: Placed) -> bool:
    topology = subject.topology
    return may_meet(site_of(topology, one.adapter.network), site_of(topology, other.adapter.network))


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
            message = _(
                "{adapter} has a gateway but no address of its own; expected `address` beside it, or no gateway"
            ).format(adapter=placed)
            yield subject.problem("gateway-without-address", place, message)
        elif gateway == address.ip:
            message = _("the gateway {gateway} of {adapter} is its own address; expected the router's address").format(
                gateway=gateway, adapter=placed
            )
            yield subject.problem("gateway-is-self", place, message)
        elif gateway not in _subnet_of(subject, placed, address):
            message = _(
                "the gateway {gateway} of {adapter} is not in {subnet}; expected an address of that network"
            ).format(gateway=gateway, adapter=placed, subnet=_subnet_of(subject, placed, address))
            yield subject.problem("gateway-outside-subnet", place, message)
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
        message = _("no machine on network `{network}` has the gateway {gateway} of {adapter}; {expected}").format(
            network=placed.adapter.network,
            gateway=gateway,
            adapter=placed,
            expected=one_of(routers) if routers else _("expected the address of a machine that routes"),
        )
        yield subject.problem("gateway-unowned", place, message)


def one_gateway_each(subject: Subject) -> Iterator[Problem]:
    """two-gateways: a machine has one default route."""
    for machine in subject.topology.machines.values():
        with_gateway = [index for index, adapter in enumerate(machine.adapters) if adapter.gateway is not None]
        for index in with_gateway[1:]:
            first = interface_name(machine.adapters[with_gateway[0]].slot)
            message = _(
                "machine `{machine}` has a gateway on `{interface}` already; expected one default route"
            ).format(machine=machine.name, interface=first)
            yield subject.problem("two-gateways", ("machines", machine.name, "adapters", index, "gateway"), message)
