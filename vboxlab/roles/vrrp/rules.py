"""Rules for addresses shared by VRRP: their nodes, interfaces and numbers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from ipaddress import IPv4Interface

from vboxlab.language import _, n_
from vboxlab.roles.vrrp.role import MOST_NODES, VrrpInstance, VrrpRole
from vboxlab.topology.model import Machine
from vboxlab.topology.places import show
from vboxlab.topology.problems import Place, Problem
from vboxlab.topology.rules_floating import unfit_floating_address
from vboxlab.topology.rules_names import is_word
from vboxlab.topology.subject import Subject, one_of_interfaces

_Rule = Callable[[Subject, Machine, VrrpRole, Place], Iterator[Problem]]


def problems(subject: Subject) -> Iterator[Problem]:
    """Return what is wrong with the addresses that the machines of a topology share by VRRP."""
    rules: tuple[_Rule, ...] = (instance_names, interfaces, floating_addresses, nodes, agreement)
    for machine, role, place in subject.roles_of(VrrpRole):
        for rule in rules:
            yield from rule(subject, machine, role, place)
    yield from numbers(subject)


def _instances(role: VrrpRole, place: Place) -> Iterator[tuple[VrrpInstance, Place]]:
    for index, instance in enumerate(role.instances):
        yield instance, (*place, "instances", index)


def _mine(machine: Machine, role: VrrpRole, place: Place) -> Iterator[tuple[VrrpInstance, Place]]:
    return (found for found in _instances(role, place) if machine.name in found[0].nodes)


def instance_names(subject: Subject, machine: Machine, role: VrrpRole, place: Place) -> Iterator[Problem]:
    """bad-instance-name, duplicate-instance: names become words of keepalived.conf."""
    del machine
    seen: dict[str, Place] = {}
    for instance, where in _instances(role, place):
        if not is_word(instance.name):
            message = _("{value} is no name for an instance; expected letters, digits, `.`, `-` and `_`").format(
                value=show(instance.name or None)
            )
            yield subject.problem("bad-instance-name", (*where, "name"), message)
        first = seen.setdefault(instance.name, where)
        if first != where:
            message = _("instance `{name}` stands twice; expected it once (the first is on line {line})").format(
                name=instance.name, line="{line}"
            )
            yield subject.repeated("duplicate-instance", (*where, "name"), (*first, "name"), message)


def interfaces(subject: Subject, machine: Machine, role: VrrpRole, place: Place) -> Iterator[Problem]:
    """vrrp-interface: the interface must exist and have an address, from which the node speaks to the others."""
    if not subject.fit.complete:
        return
    for instance, where in _mine(machine, role, place):
        adapter = subject.adapter_named(machine, instance.interface)
        if adapter is None:
            message = _("machine `{machine}` has no interface `{interface}`; {expected}").format(
                machine=machine.name,
                interface=instance.interface,
                expected=one_of_interfaces(machine, instance.interface),
            )
            yield subject.problem("vrrp-interface", (*where, "interface"), message)
        elif not isinstance(adapter.address, IPv4Interface):
            message = _(
                "`{interface}` of machine `{machine}` has no address of its own; expected a static address in the "
                "network of the floating address {address}"
            ).format(interface=instance.interface, machine=machine.name, address=instance.address)
            yield subject.problem("vrrp-interface", (*where, "interface"), message)


def floating_addresses(subject: Subject, machine: Machine, role: VrrpRole, place: Place) -> Iterator[Problem]:
    """floating-address-taken, floating-address-outside-subnet."""
    for instance, where in _mine(machine, role, place):
        adapter = subject.adapter_named(machine, instance.interface)
        yield from unfit_floating_address(subject, instance.address, adapter, (*where, "address"))


def nodes(subject: Subject, machine: Machine, role: VrrpRole, place: Place) -> Iterator[Problem]:
    """cluster-one-node, cluster-many-nodes, unknown-node, duplicate-node, not-a-node."""
    names = subject.named_in_file("machines")
    for instance, where in _instances(role, place):
        for index, node in enumerate(instance.nodes):
            at = (*where, "nodes", index)
            if names is not None and node not in names:
                yield subject.problem("unknown-node", at, subject.no_machine(node, at))
            elif node in instance.nodes[:index]:
                message = _("machine `{machine}` is a node twice; expected each node once").format(machine=node)
                yield subject.problem("duplicate-node", at, message)
        count = len(set(instance.nodes))
        if count > MOST_NODES:
            message = _("instance `{name}` has {count} nodes; expected at most {most}").format(
                name=instance.name, count=count, most=MOST_NODES
            )
            yield subject.problem("cluster-many-nodes", (*where, "nodes"), message)
        elif subject.fit.complete and count < 2:
            message = n_(
                "instance `{name}` has {count} node; expected at least 2",
                "instance `{name}` has {count} node; expected at least 2",
                count,
            ).format(name=instance.name, count=count)
            yield subject.problem("cluster-one-node", (*where, "nodes"), message)
    if subject.fit.complete and machine.name not in role.cluster_nodes():
        message = _(
            "machine `{machine}` has the role vrrp but is no node of its instances; expected it among {nodes}"
        ).format(machine=machine.name, nodes=", ".join(role.cluster_nodes()))
        yield subject.problem("not-a-node", (*place, "role"), message)


def _role_of(subject: Subject, name: str) -> VrrpRole | None:
    return next((role for machine, role, _place in subject.roles_of(VrrpRole) if machine.name == name), None)


def agreement(subject: Subject, machine: Machine, role: VrrpRole, place: Place) -> Iterator[Problem]:
    """node-without-role, cluster-disagrees: all nodes of an instance must be told the same of it."""
    if not subject.fit.complete:
        return
    for instance, where in _mine(machine, role, place):
        if next(each for each in role.instances if each.name == instance.name) is not instance:
            continue  # it stands twice, which is said already
        for index, node in enumerate(instance.nodes):
            there = _role_of(subject, node) if node in subject.topology.machines else role
            same = next((each for each in there.instances if each.name == instance.name), None) if there else None
            if there is None or same is None:
                message = _(
                    "machine `{machine}` is a node of instance `{name}`, but no role vrrp there tells of it; expected "
                    "it there too"
                ).format(machine=node, name=instance.name)
                yield subject.problem("node-without-role", (*where, "nodes", index), message)
            elif index == 0 and node != machine.name:
                yield from _differences(subject, (machine.name, instance, role), (node, same, there), where)


def _differences(
    subject: Subject, mine: tuple[str, VrrpInstance, VrrpRole], theirs: tuple[str, VrrpInstance, VrrpRole], place: Place
) -> Iterator[Problem]:
    pairs: list[tuple[str, Place, object, object]] = [
        (key, (*place, key), getattr(mine[1], key), getattr(theirs[1], key))
        for key in ("address", "nodes", "router_id")
    ]
    pairs.append(("advertise", (*place[:-2], "advertise"), mine[2].advertise, theirs[2].advertise))
    for key, where, value, other_value in pairs:
        if value != other_value:
            message = _(
                "`{key}` of instance `{name}` is {value} on machine `{machine}` but {other_value} on machine `{other}`;"
                " expected the same on all nodes"
            ).format(
                key=key, name=mine[1].name, value=_said(value), machine=mine[0],
                other_value=_said(other_value), other=theirs[0],
            )  # fmt: skip
            yield subject.problem("cluster-disagrees", where, message)


def _said(value: object) -> str:
    return f"`{', '.join(map(str, value)) if isinstance(value, tuple) else value}`"


def numbers(subject: Subject) -> Iterator[Problem]:
    """router-id-missing, router-id-taken: the number that tells instances apart in a network."""
    seen: dict[tuple[str, int], tuple[VrrpInstance, Place]] = {}
    for machine, role, place in subject.roles_of(VrrpRole):
        for instance, where in _mine(machine, role, place):
            if instance.number == 0:
                message = _("{address} ends in 0, which is no `router_id`; expected one from 1 to 255").format(
                    address=instance.address.ip
                )
                yield subject.problem("router-id-missing", (*where, "address"), message)
                continue
            adapter = subject.adapter_named(machine, instance.interface)
            if adapter is None:
                continue
            first, there = seen.setdefault((adapter.network, instance.number), (instance, where))
            if first.name != instance.name:
                key = "router_id" if instance.router_id is not None else "address"
                message = _(
                    "instance `{name}` has the number {number} of instance `{other}` (line {line}) in network "
                    "`{network}`; expected another `router_id`"
                ).format(
                    name=instance.name, number=instance.number, other=first.name, network=adapter.network,
                    line="{line}",
                )  # fmt: skip
                yield subject.repeated("router-id-taken", (*where, key), (*there, "name"), message)
