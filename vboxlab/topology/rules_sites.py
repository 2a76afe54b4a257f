"""Rules for sites, in which addresses may be the same."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations

from vboxlab.language import _
from vboxlab.topology.addressing import interface_name
from vboxlab.topology.checks import PingCheck
from vboxlab.topology.places import show
from vboxlab.topology.problems import Place, Problem
from vboxlab.topology.rules_names import is_word
from vboxlab.topology.sites import addresses_seen, held, owners
from vboxlab.topology.subject import Subject

_OF_THE_HOST = ("host-only", "bridged")


def sites(subject: Subject) -> Iterator[Problem]:
    """bad-site-name, site-of-host: a network of the host is the same one for all sites."""
    for name, network in subject.topology.networks.items():
        place: Place = ("networks", name, "site")
        if network.site is None:
            continue
        if not is_word(network.site):
            message = _("{value} is no name for a site; expected letters, digits, `.`, `-` and `_`").format(
                value=show(network.site or None)
            )
            yield subject.problem("bad-site-name", place, message)
        elif network.kind in _OF_THE_HOST:
            message = _(
                "network `{network}` is {kind}, a network of the host, which no site has for itself; expected an "
                "internal or NAT network, or no `site`"
            ).format(network=name, kind=network.kind)
            yield subject.problem("site-of-host", place, message)


def meetings(subject: Subject) -> Iterator[Problem]:
    """sites-meet: a machine cannot tell apart two of its networks that have the same addresses."""
    topology = subject.topology
    for machine in topology.machines.values():
        for (_first, one), (index, other) in combinations(enumerate(machine.adapters), 2):
            networks = (topology.networks.get(one.network), topology.networks.get(other.network))
            subnets = [each.subnet for each in networks if each is not None and each.subnet is not None]
            apart = [each.site for each in networks if each is not None and each.site is not None]
            if one.network == other.network or len(subnets) < 2 or len(set(apart)) < 2:
                continue  # without two sites there is another problem already
            if subnets[0].overlaps(subnets[1]):
                message = _(
                    "`{interface}` of machine `{machine}` is on network `{network}` ({subnet}), and `{other_interface}`"
                    " on `{other}` ({other_subnet}): it cannot tell their addresses apart; expected a machine in one "
                    "of the sites {sites} only, or other subnets"
                ).format(
                    interface=interface_name(other.slot), machine=machine.name, network=other.network,
                    subnet=subnets[1], other_interface=interface_name(one.slot), other=one.network,
                    other_subnet=subnets[0], sites=", ".join(apart),
                )  # fmt: skip
                place: Place = ("machines", machine.name, "adapters", index, "network")
                yield subject.problem("sites-meet", place, message)


def pings(subject: Subject) -> Iterator[Problem]:
    """means-another: the address of a machine of another site is somebody else's where the ping comes from."""
    topology = subject.topology
    for index, step in enumerate(topology.verify.steps):
        if not isinstance(step, PingCheck) or not subject.fit.complete:
            continue
        asking = [topology.machines[name] for name in step.source if name in topology.machines]
        for target in (topology.machines[name] for name in step.to if name in topology.machines):
            addresses = list(held(topology, [target]))
            source = next((each for each in asking if addresses and not addresses_seen(topology, each, target)), None)
            if source is None:
                continue
            address = addresses[0].address
            meant = [each.name for each in owners(topology, source, address)]
            if meant:
                text = _(
                    "seen from machine `{source}`, {address} of machine `{target}` is the address of machine `{other}`"
                    "; expected machines that one site or the outside has in common"
                )
            else:
                text = _(
                    "seen from machine `{source}`, {address} of machine `{target}` is the address of machines of "
                    "several sites; expected machines that one site or the outside has in common"
                )
            message = text.format(source=source.name, address=address, target=target.name, other=", ".join(meant))
            yield subject.problem("means-another", ("verify", "steps", index, "to"), message)
