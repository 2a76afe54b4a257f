"""Rules for routers: the networks that they join, and their routes."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv4Interface, IPv4Network

from vboxlab.roles.router.role import RouterRole
from vboxlab.topology.model import MANAGEMENT_NETWORK, Machine
from vboxlab.topology.problems import Place, Problem, did_you_mean, one_of
from vboxlab.topology.subject import Subject


def problems(subject: Subject) -> Iterator[Problem]:
    """Return what is wrong with the routers of a topology."""
    for rule in (networks, routes, adapters):
        yield from rule(subject)


def networks(subject: Subject) -> Iterator[Problem]:
    """unknown-network, router-not-on-network: what a router is told of must be a network that it has an adapter on."""
    names = subject.named_in_file("networks")
    for machine, role, place in subject.roles_of(RouterRole):
        attached = {adapter.network for adapter in machine.adapters}
        named: list[tuple[str, Place]] = [(role.wan, (*place, "wan"))]
        named += [(name, (*place, "protected", index)) for index, name in enumerate(role.protected)]
        named += [(flow.source, (*place, "allow", index, "from")) for index, flow in enumerate(role.allow)]
        for name, where in named:
            if names is not None and name not in names:
                message = f"there is no network `{name}`; {one_of(names)}{did_you_mean(name, names)}"
                yield subject.problem("unknown-network", where, message)
            elif subject.fit.complete and name not in attached:
                message = f"router `{machine.name}` has no adapter on network `{name}`; {one_of(sorted(attached))}"
                yield subject.problem("router-not-on-network", where, message)


def routes(subject: Subject) -> Iterator[Problem]:
    """route-unreachable, subnet-management: the next hop of a static route must be on a network of the router."""
    for machine, role, place in subject.roles_of(RouterRole):
        for index, route in enumerate(role.routes):
            where: Place = (*place, "routes", index)
            if route.to.overlaps(MANAGEMENT_NETWORK):
                message = (
                    f"the route to {route.to} would hide {MANAGEMENT_NETWORK}, by which vboxlab reaches the machines"
                )
                yield subject.problem("subnet-management", (*where, "to"), f"{message}; expected another network")
            near = _networks_of(machine)
            if subject.fit.complete and not any(route.via in network for network in near):
                message = f"router `{machine.name}` has no adapter in the network of {route.via}"
                expected = one_of(f"an address in {network}" for network in near)
                yield subject.problem("route-unreachable", (*where, "via"), f"{message}; {expected}")


def _networks_of(machine: Machine) -> list[IPv4Network]:
    return [adapter.address.network for adapter in machine.adapters if isinstance(adapter.address, IPv4Interface)]


def adapters(subject: Subject) -> Iterator[Problem]:
    """router-one-adapter."""
    for machine, _, place in subject.roles_of(RouterRole):
        if subject.fit.complete and len(machine.adapters) < 2:
            count = "one adapter" if machine.adapters else "no adapter"
            message = f"router `{machine.name}` has {count}; expected at least 2, as a router joins networks"
            yield subject.problem("router-one-adapter", (*place, "role"), message)
