"""The computed ways of packets, compared with a walk of each packet that is written apart from them, in random labs."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from ipaddress import IPv4Address, IPv4Network
from typing import Any

import pytest

from vboxlab.topology.model import Topology
from vboxlab.topology.routes import Fate, Reason, Routes

ELSEWHERE = "9.9.9.9"
LABS = 300


@dataclass
class Box:
    """A machine of a random lab, in the plainest words."""

    name: str
    nets: dict[str, str] = field(default_factory=dict)  # network: address
    gateway: str | None = None
    routes: list[tuple[str, str]] = field(default_factory=list)
    forwards: bool = False
    masks: str | None = None  # network that it leaves to with its own address
    leaves: bool = False  # it has an adapter on NAT, by DHCP
    floating: str | None = None


def a_lab(seed: int, *, floating: bool) -> list[Box]:
    """Make up machines on two to four networks 10.0.N.0/24, well connected or not."""
    dice = random.Random(seed)
    networks = [f"n{number}" for number in range(dice.randint(2, 4))]
    boxes = [Box(f"m{number}") for number in range(dice.randint(3, 6))]
    for number, box in enumerate(boxes):
        for network in dice.sample(networks, dice.choice([1, 1, 2, min(3, len(networks))])):
            box.nets[network] = f"10.0.{network[1:]}.{number + 1}"
        box.forwards = len(box.nets) > 1 and dice.random() < 0.8
        box.leaves = box.forwards and dice.random() < 0.3
        if box.forwards and dice.random() < 0.5:
            box.masks = dice.choice(list(box.nets))
    near = [(network, address) for box in boxes for network, address in box.nets.items()]
    for box in boxes:
        around = [address for network, address in near if network in box.nets and address not in box.nets.values()]
        around.append(f"10.0.{dice.choice(list(box.nets))[1:]}.99")  # nobody's
        if not box.leaves and dice.random() < 0.7:
            box.gateway = dice.choice(around)
        for _ in range(dice.choice([0, 1, 2]) if box.forwards else 0):
            to = dice.choice([f"10.0.{dice.randrange(5)}.0/24", "10.0.0.0/16", f"10.0.{dice.randrange(4)}.1/32"])
            box.routes.append((to, dice.choice(around)))
    if floating:
        network = dice.choice(networks)
        for box in boxes:
            if network in box.nets:
                box.floating = f"10.0.{network[1:]}.200"
    return boxes


def topology_of(boxes: list[Box]) -> Topology:
    networks: dict[str, Any] = {f"n{number}": {"subnet": f"10.0.{number}.0/24"} for number in range(4)}
    return Topology.model_validate({
        "name": "random", "lab": "random", "base": "debian12",
        "networks": {**networks, "wan": {"kind": "nat"}},
        "machines": {box.name: {"name": box.name, "hostname": box.name, **_said(box)} for box in boxes},
    })  # fmt: skip


def _said(box: Box) -> dict[str, Any]:
    adapters: list[dict[str, Any]] = []
    for network, address in box.nets.items():
        adapters.append({"slot": len(adapters) + 1, "network": network, "address": f"{address}/24"})
        if box.gateway is not None and box.gateway.rsplit(".", 1)[0] == address.rsplit(".", 1)[0]:
            adapters[-1]["gateway"] = box.gateway
    if box.leaves:
        adapters.append({"slot": len(adapters) + 1, "network": "wan", "address": "dhcp"})
    roles: list[dict[str, Any]] = []
    if box.forwards:
        routes = [{"to": to, "via": via} for to, via in box.routes]
        roles.append({"role": "router", "wan": box.masks or "wan", "routes": routes})
    if box.floating:
        roles.append({"role": "heartbeat", "address": f"{box.floating}/24", "nodes": [box.name]})
    return {"adapters": adapters, "roles": roles}


@dataclass
class Packet:
    source: str
    to: str
    box: Box
    hops: int = 0


number, subnet = cache(IPv4Address), cache(IPv4Network)


def owned(box: Box) -> list[str]:
    return [*box.nets.values(), *([box.floating] if box.floating else [])]


def lookup(box: Box, to: str) -> tuple[str, str] | None:
    """Return the network and the address on it that a packet is handed to: longest prefix, then the last command."""
    commands = [(f"10.0.{network[1:]}.0/24", network, to) for network in box.nets]
    commands += [("0.0.0.0/0", "wan", to)] if box.leaves else []
    if box.gateway:
        commands += [("0.0.0.0/0", f"n{box.gateway.split('.')[2]}", box.gateway)]
    commands += [(target, f"n{via.split('.')[2]}", via) for target, via in box.routes]
    fitting = [command for command in enumerate(commands) if number(to) in subnet(command[1][0])]
    if not fitting:
        return None
    _number, (_target, network, hop) = max(fitting, key=lambda each: (subnet(each[1][0]).prefixlen, each[0]))
    return network, hop


def step(boxes: list[Box], packet: Packet, table: dict[tuple[str, str], str]) -> Iterator[Packet | str]:
    """Yield what may become of a packet at a machine: packets at others, or where it ends.

    `table` is what the routers remember of addresses that they have put in the place of others'.
    """
    box, to = packet.box, packet.to
    if (box.name, to) in table:
        to = table[box.name, to]
    elif to in owned(box):
        yield f"at {box.name}"
        return
    elif packet.hops and not box.forwards:
        yield "lost"
        return
    found = lookup(box, to)
    if found is None or packet.hops > 30:
        yield "lost"
        return
    network, hop = found
    if network == "wan":
        yield "lost" if any(to in owned(other) for other in boxes) else "out"
        return
    source = packet.source
    if packet.hops and box.masks == network and source != "answer":
        table[box.name, box.nets[network]] = source
        source = box.nets[network]
    takers = [other for other in boxes if other is not box and network in other.nets]
    takers = [other for other in takers if hop == other.nets[network] or (hop == other.floating and on(hop, network))]
    yield from (Packet(source, to, taker, packet.hops + 1) for taker in takers)
    if not takers:
        yield "lost"


def on(address: str, network: str) -> bool:
    return address.split(".")[2] == network[1:]


def walk(boxes: list[Box], first: Packet, table: dict[tuple[str, str], str]) -> tuple[set[str], list[Packet]]:
    """Return all ends of a packet, and the packets from which it arrived."""
    ends: set[str] = set()
    arrived: list[Packet] = []
    packets = [first]
    while packets:
        packet = packets.pop()
        for after in step(boxes, packet, table):
            if isinstance(after, str):
                ends.add(after)
                arrived += [packet] if after.startswith("at ") else []
            else:
                packets.append(after)
    return ends, arrived


def best(ends: set[str]) -> Fate:
    if any(end.startswith("at ") for end in ends):
        return Fate.ARRIVED
    return Fate.UNKNOWN if "out" in ends else Fate.LOST


@pytest.mark.parametrize("floating", [False, True], ids=["plain", "floating"])
def test_what_is_computed_is_what_a_walking_packet_finds(floating: bool) -> None:
    fates = dict.fromkeys(Fate, 0)
    for seed in range(LABS):
        boxes = a_lab(seed, floating=floating)
        routes = Routes(topology_of(boxes))
        targets = {ELSEWHERE, "10.0.0.77", *(address for box in boxes for address in owned(box))}
        for box in boxes:
            for target in sorted(targets):
                ends, _arrived = walk(boxes, Packet("me", target, box), {})
                trip = routes.trip(box.name, IPv4Address(target))
                assert trip.fate is best(ends), (seed, box.name, target, trip)
                fates[trip.fate] += 1
    assert min(fates.values()) > 100, fates  # the labs are neither all well nor all badly connected


def test_so_is_the_way_of_the_answer_through_routers_that_put_in_their_own_address() -> None:
    fates = dict.fromkeys(Fate, 0)
    translated = 0
    for seed in range(LABS):
        boxes = a_lab(seed, floating=False)
        routes = Routes(topology_of(boxes))
        for box in boxes:
            for target in sorted({address for other in boxes if other is not box for address in other.nets.values()}):
                found = lookup(box, target)
                if found is None or found[0] == "wan":
                    continue
                table: dict[tuple[str, str], str] = {}
                _ends, arrived = walk(boxes, Packet(box.nets[found[0]], target, box), table)
                for request in arrived:
                    back, _ = walk(boxes, Packet("answer", request.source, request.box), table)
                    answer = routes.answer(routes.trip(box.name, IPv4Address(target)))
                    assert answer.trip.fate is best(back), (seed, box.name, target, answer)
                    fates[answer.trip.fate] += 1
                    translated += bool(table)
    assert fates[Fate.ARRIVED] > 100
    assert fates[Fate.LOST] > 100
    assert translated > 100


def small(**machines: dict[str, Any]) -> Routes:
    """Return the routes of a lab with the networks a (10.0.0.0/24), b (10.0.1.0/24), out (NAT), school (bridged)."""
    return Routes(Topology.model_validate({
        "name": "small", "lab": "small", "base": "debian12",
        "networks": {
            "a": {"subnet": "10.0.0.0/24"}, "b": {"subnet": "10.0.1.0/24"}, "out": {"kind": "nat"},
            "school": {"kind": "bridged"},
        },
        "machines": {name: {"name": name, "hostname": name, **said} for name, said in machines.items()},
    }))  # fmt: skip


def nic(network: str, address: str, **more: str) -> dict[str, Any]:
    return {"slot": 1, "network": network, "address": address, **more}


ROUTER = {
    "adapters": [nic("a", "10.0.0.1/24"), {**nic("b", "10.0.1.1/24"), "slot": 2}],
    "roles": [{"role": "router", "wan": "out"}],
}
SERVER = {"adapters": [nic("b", "10.0.1.5/24", gateway="10.0.1.1")], "roles": [{"role": "web", "page": "x"}]}


def test_a_lease_is_taken_to_name_the_only_router_of_its_network() -> None:
    routes = small(router=ROUTER, server=SERVER, client={"adapters": [nic("a", "dhcp")]})
    trip = routes.trip("client", IPv4Address("10.0.1.5"))
    assert trip.fate is Fate.ARRIVED
    assert routes.answer(trip).trip.fate is Fate.ARRIVED


def test_of_two_routers_nobody_knows_which_one_a_lease_names() -> None:
    other = {**ROUTER, "adapters": [nic("a", "10.0.0.2/24")]}
    routes = small(router=ROUTER, other=other, server=SERVER, client={"adapters": [nic("a", "dhcp")]})
    assert routes.trip("client", IPv4Address("10.0.2.5")).fate is Fate.UNKNOWN
    assert not routes.is_told("a")


def test_without_a_router_a_lease_leads_nowhere() -> None:
    routes = small(server=SERVER, client={"adapters": [nic("a", "dhcp")]})
    trip = routes.trip("client", IPv4Address("10.0.1.5"))
    assert (trip.fate, trip.reason) == (Fate.LOST, Reason.NO_ROUTE)


def test_what_leaves_by_nat_never_comes_to_an_internal_network_but_may_by_the_school() -> None:
    routes = small(
        server=SERVER,
        home={"adapters": [nic("out", "dhcp")]},
        pupil={"adapters": [nic("school", "dhcp")]},
    )
    home = routes.trip("home", IPv4Address("10.0.1.5"))
    assert (home.fate, home.reason) == (Fate.LOST, Reason.LEFT)
    assert routes.trip("home", IPv4Address(ELSEWHERE)).fate is Fate.UNKNOWN
    assert routes.trip("pupil", IPv4Address("10.0.1.5")).fate is Fate.UNKNOWN


def test_an_adopted_machine_without_roles_may_do_anything() -> None:
    unknown = {**ROUTER, "roles": [], "adopt": {"vm": "PF_FIREWALL"}}
    client = {"adapters": [nic("a", "10.0.0.9/24", gateway="10.0.0.1")]}
    routes = small(router=unknown, server=SERVER, client=client)
    assert routes.trip("client", IPv4Address("10.0.1.5")).fate is Fate.UNKNOWN
    routes = small(router={**ROUTER, "adopt": {"vm": "PF_FIREWALL"}}, server=SERVER, client=client)
    assert routes.trip("client", IPv4Address("10.0.1.5")).fate is Fate.ARRIVED
    routes = small(router={**ROUTER, "roles": []}, server=SERVER, client=client)
    trip = routes.trip("client", IPv4Address("10.0.1.5"))
    assert (trip.fate, trip.reason) == (Fate.LOST, Reason.NOT_FORWARDING)


def test_routers_that_send_to_each_other_are_a_circle() -> None:
    def router(own: str, peer: str) -> dict[str, Any]:
        return {"adapters": [nic("a", own, gateway=peer)], "roles": [{"role": "router", "wan": "out"}]}

    routes = small(
        one=router("10.0.0.1/24", "10.0.0.2"),
        two=router("10.0.0.2/24", "10.0.0.1"),
        client={"adapters": [nic("a", "10.0.0.9/24", gateway="10.0.0.1")]},
    )
    trip = routes.trip("client", IPv4Address("10.0.1.5"))
    assert (trip.fate, trip.reason) == (Fate.LOST, Reason.CIRCLE)
