"""What a topology lets be asked in vain: warnings that follow from its routes, none of which makes it invalid."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from ipaddress import IPv4Address

from vboxlab.language import N_, _
from vboxlab.lazily import dataclass
from vboxlab.topology.model import Machine
from vboxlab.topology.problems import Place, Problem
from vboxlab.topology.roles import Port
from vboxlab.topology.routes import Answer, Fate, Leg, Node, Reason, Routes, Trip, roles_of
from vboxlab.topology.subject import Placed, Subject

LEASES = Port("udp", 67)
"""Servers and relays of DHCP listen there (RFC 2131, section 4.1)."""

_WHY = {
    Reason.NO_ROUTE: N_("`{machine}` has no route to {address}"),
    Reason.NOBODY: N_("`{machine}` looks for {hop} on network `{network}`, where no machine has it"),
    Reason.NOT_FORWARDING: N_("`{machine}`, which it is handed to, forwards no packets"),
    Reason.LEFT: N_("`{machine}` sends it out of the lab by network `{network}`, for want of a better route"),
    Reason.CIRCLE: N_("it goes round in circles at `{machine}`"),
}


def doubts_of(subject: Subject) -> Iterator[Problem]:
    """Yield a warning for all that no packet can reach, or that no answer comes back from."""
    routes = Routes(subject.topology)
    for rule in (next_hops, asked_in_vain, ways_back, leases, services):
        yield from rule(subject, routes)


def next_hops(subject: Subject, routes: Routes) -> Iterator[Problem]:
    """asked-in-vain: a gateway that forwards nothing, a next hop that is nobody's address."""
    for placed in subject.adapters():
        node, gateway = routes.nodes[placed.machine.name], placed.adapter.gateway
        if gateway is None or not node.is_certain:
            continue
        takers = routes.neighbours(node, placed.adapter.network, gateway)
        if takers and not any(taker.forwards or not taker.is_certain for taker in takers):
            message = _(
                "the gateway {gateway} of {adapter} is machine `{machine}`, which forwards no packets; "
                "expected the address of a router"
            ).format(gateway=gateway, adapter=placed, machine=takers[0].machine.name)
            yield subject.doubt("asked-in-vain", (*placed.place, "gateway"), message)
    for node in routes.nodes.values():
        for entry in node.table if node.is_certain else ():
            network = entry.leg.network
            if entry.via is None or entry.place[0] == "adapters" or not routes.is_told(network):
                continue  # who has the address of a gateway is a rule of its own
            if not routes.neighbours(node, network, entry.via):
                message = _(
                    "the route of `{machine}` to {network} leads to {hop}, which no machine on network `{by}` has; "
                    "expected the address of a router there"
                ).format(machine=node.machine.name, network=entry.to, hop=entry.via, by=network)
                yield subject.doubt("asked-in-vain", ("machines", node.machine.name, *entry.place), message)


@dataclass(frozen=True)
class _Asked:
    """A server's address that a machine is told to ask."""

    asker: Node
    address: IPv4Address
    place: Place


def _asked(subject: Subject, routes: Routes) -> Iterator[_Asked]:
    for name, machine in subject.topology.machines.items():
        node, place = routes.nodes[name], ("machines", name)
        if not node.is_certain:
            continue
        for index, server in enumerate(machine.dns):
            yield _Asked(node, server, (*place, "dns", index))
        for role, within in roles_of(machine):
            for key, server in role.servers_asked().items():
                yield _Asked(node, server, (*place, *within, *key))


def asked_in_vain(subject: Subject, routes: Routes) -> Iterator[Problem]:
    """asked-in-vain: a server that no packet of who asks it reaches."""
    for asked in _asked(subject, routes):
        trip = routes.trip(asked.asker.machine.name, asked.address)
        if trip.fate is Fate.LOST and not _is_told_of_its_gateway(trip):
            text = _("`{asker}` asks {address}, which it cannot reach: {why}; expected a server that a route leads to")
            message = text.format(asker=asked.asker.machine.name, address=asked.address, why=_why(trip))
            yield subject.doubt("asked-in-vain", asked.place, message)


def _is_told_of_its_gateway(trip: Trip) -> bool:
    """Tell whether a packet is lost at a gateway that forwards nothing, which is a warning of its own."""
    return trip.reason is Reason.NOT_FORWARDING and trip.hops[-1].entry.place[-1:] == ("gateway",)


def _why(trip: Trip) -> str:
    last = trip.hops[-1].entry if trip.hops else None
    return _(_WHY[trip.reason or Reason.NO_ROUTE]).format(
        machine=trip.end.machine.name,
        address=trip.to,
        hop=(last.via if last is not None else None) or trip.to,
        network=last.leg.network if last is not None else "",
    )


def ways_back(subject: Subject, routes: Routes) -> Iterator[Problem]:
    """no-way-back: a request arrives, and its answer does not; once for each machine that loses answers."""
    lost: dict[str, list[tuple[Trip, Answer]]] = {}
    for trip, answer in _answers_lost(subject, routes):
        if not _is_told_of_its_gateway(answer.trip):
            lost.setdefault(answer.trip.end.machine.name, []).append((trip, answer))
    for found in lost.values():
        trip, answer = found[0]
        text = _(
            "`{client}` reaches {address} of `{server}`, but the answer to {asker} finds no way back: {why}; {expected}"
        )
        message = text.format(
            client=trip.hops[0].node.machine.name,
            address=trip.to,
            server=trip.end.machine.name,
            asker=answer.trip.to,
            why=_why(answer.trip),
            expected=_("; ").join(dict.fromkeys(_expected(*each) for each in found)),
        )
        yield subject.doubt("no-way-back", _where(answer.trip.end, trip), message)


def _answers_lost(subject: Subject, routes: Routes) -> Iterator[tuple[Trip, Answer]]:
    """Yield the requests whose answers are lost: of servers that machines are told to ask, and of all services."""
    for asked in _asked(subject, routes):
        trip = routes.trip(asked.asker.machine.name, asked.address)
        answer = routes.answer(trip) if trip.fate is Fate.ARRIVED else None
        if answer is not None and answer.trip.fate is Fate.LOST:
            yield trip, answer
    for client in routes.nodes.values():
        for server in routes.nodes.values():
            if client is server or not client.is_certain:
                continue
            for addresses in _ways_in(server):
                lost = _lost_answer(routes, client, server, addresses)
                if lost is not None:
                    yield lost


def _ways_in(server: Node) -> Iterator[list[IPv4Address]]:
    """Yield the addresses of a server's services: its own, any of which will do, and each that it shares."""
    if server.ports:
        yield [leg.address.ip for leg in server.legs if leg.address is not None]
    yield from ([address] for address in sorted(server.shared))


def _lost_answer(
    routes: Routes, client: Node, server: Node, addresses: list[IPv4Address]
) -> tuple[Trip, Answer] | None:
    """Return a request that arrives without an answer, None where another address answers or nothing arrives."""
    first = None
    for address in addresses:
        trip = routes.trip(client.machine.name, address)
        if trip.fate is Fate.UNKNOWN:
            return None
        if trip.fate is Fate.LOST or not trip.hops:
            continue
        if trip.end is not server and (trip.hops[-1].entry.leg.network, address) not in server.held():
            continue  # somebody else's address of the same numbers
        trip = replace(trip, end=server)  # of those that share the address, each must be able to answer
        answer = routes.answer(trip)
        if answer.trip.fate is not Fate.LOST:
            return None
        first = first or (trip, answer)
    return first


def _came_by(trip: Trip, node: Node) -> Leg | None:
    """Return the leg by which a request was handed to a machine, None where it did not come by it."""
    takers = [*(hop.node for hop in trip.hops[1:]), trip.end]
    return next((hop.entry.leg for hop, taker in zip(trip.hops, takers, strict=True) if taker is node), None)


def _expected(trip: Trip, answer: Answer) -> str:
    """Say what would lead an answer back: the way that the request came."""
    loser = answer.trip.end
    leg = _came_by(trip, loser)
    network = answer.to.network if answer.to is not None else answer.trip.to
    if leg is None or leg.address is None or leg.address.ip == answer.trip.to:
        return _("expected a route to {network} there").format(network=network)
    if not loser.forwards and answer.trip.reason is Reason.NO_ROUTE:
        return _("expected a gateway there, such as {address}").format(address=leg.address.ip)
    text = _("expected a route there, such as {network} via {address}")
    return text.format(network=network, address=leg.address.ip)


def _where(loser: Node, trip: Trip) -> Place:
    """Return where a machine would say how answers go on: at its role of a router, else at its adapter."""
    name = loser.machine.name
    for role, place in roles_of(loser.machine):
        if role.forwards_packets():
            return ("machines", name, *place)
    leg = _came_by(trip, loser)
    index = next((own.index for own in loser.legs if leg is not None and own.network == leg.network), 0)
    return ("machines", name, "adapters", index, "address")


def leases(subject: Subject, routes: Routes) -> Iterator[Problem]:
    """no-lease: an adapter that waits for a lease on a network of the lab's own, where nothing hands out any."""
    for placed in subject.adapters():
        network = placed.adapter.network
        if placed.adapter.address != "dhcp" or not routes.is_told(network):
            continue
        if not any(LEASES in node.ports for node in routes.on(network)):
            message = _(
                "{adapter} waits for a lease, but nothing on network `{network}` hands out any; expected a machine "
                "there that listens on udp/67 (a DHCP server or relay), or an address such as {address}"
            ).format(adapter=placed, network=network, address=_example(routes, placed))
            yield subject.doubt("no-lease", (*placed.place, "address"), message)


def _example(routes: Routes, placed: Placed) -> str:
    legs = [leg for leg in routes.nodes[placed.machine.name].legs if leg.network == placed.adapter.network]
    return str(next((leg.address for leg in legs if leg.address is not None), "192.168.1.10/24"))


def services(subject: Subject, routes: Routes) -> Iterator[Problem]:
    """unreachable-service: a machine that others are to ask, and that no route of any other leads to.

    Nothing is said where there is no other machine, or where the machine is on a network that others may be on.
    """
    for node in routes.nodes.values():
        others = [other.machine.name for other in routes.nodes.values() if other is not node]
        found = _service(node.machine)
        if found is None or not others or not node.is_certain or not _is_all_inside(routes, node):
            continue
        addresses = [address for way in _ways_in(node) for address in way]
        if all(routes.trip(other, address).fate is Fate.LOST for other in others for address in addresses):
            name, place = found
            message = _(
                "no other machine has a route to `{machine}`, so nobody can ask its role `{role}`; expected another "
                "machine on one of its networks, or a route to it"
            ).format(machine=node.machine.name, role=name)
            yield subject.doubt("unreachable-service", ("machines", node.machine.name, *place), message)


def _is_all_inside(routes: Routes, node: Node) -> bool:
    """Tell whether all addresses that a machine has are known, and of networks that nobody else is on."""
    addresses = zip(node.machine.adapters, node.legs, strict=True)
    return all(
        routes.is_told(adapter.network) and (adapter.address is None or leg.address is not None)
        for adapter, leg in addresses
    )


def _service(machine: Machine) -> tuple[str, Place] | None:
    for role, place in roles_of(machine):
        if role.ports_listened() or role.shared_addresses():
            return role.role, (*place, "role")
    return None
