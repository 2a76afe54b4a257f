"""Rules for routers: the networks that they join, and their routes."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv4Interface, IPv4Network

from vboxlab.language import _
from vboxlab.roles.router.role import RouterRole
from vboxlab.topology.model import MANAGEMENT_NETWORK, Machine
from vboxlab.topology.problems import Place, Problem, one_of
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
                yield subject.problem("unknown-network", where, subject.no_network(name, where))
            elif subject.fit.complete and name not in attached:
                message = _("router `{machine}` has no adapter on network `{network}`; {expected}").format(
                    machine=machine.name, network=name, expected=one_of(sorted(attached))
                )
                yield subject.problem("router-not-on-network", where, message)


def routes(subject: Subject) -> Iterator[Problem]:
    """route-unreachable, subnet-management: the next hop of a static route must be on a network of the router."""
    for machine, role, place in subject.roles_of(RouterRole):
        for index, route in enumerate(role.routes):
            where: Place = (*place, "routes", index)
            if route.to.overlaps(MANAGEMENT_NETWORK):
                message = _(
                    "the route to {network} would hide {management}, by which vboxlab reaches the machines; expected "
                    "another network"
                ).format(network=route.to, management=MANAGEMENT_NETWORK)
                yield subject.problem("subnet-management", (*where, "to"), message)
            near = _networks_of(machine)
            if subject.fit.complete and not any(route.via in network for network in near):
                expected = _("an address in {network}")
                message = _("router `{machine}` has no adapter in the network of {address}; {expected}").format(
                    machine=machine.name,
                    address=route.via,
                    expected=one_of(expected.format(network=network) for network in near),
                )
                yield subject.problem("route-unreachable", (*where, "via"), message)


def _networks_of(machine: Machine) -> list[IPv4Network]:
    return [adapter.address.network for adapter in machine.adapters if isinstance(adapter.address, IPv4Interface)]


def adapters(subject: Subject) -> Iterator[Problem]:
    """router-one-adapter."""
    for machine, _role, place in subject.roles_of(RouterRole):
        if subject.fit.complete and len(machine.adapters) < 2:
            if machine.adapters:
                text = _("router `{machine}` has one adapter; expected at least 2, as a router joins networks")
            else:
                text = _("router `{machine}` has no adapter; expected at least 2, as a router joins networks")
            yield subject.problem("router-one-adapter", (*place, "role"), text.format(machine=machine.name))
