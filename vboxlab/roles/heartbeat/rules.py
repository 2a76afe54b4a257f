"""Rules for clusters: their nodes, interfaces, services and floating addresses."""

from __future__ import annotations

import re
from collections.abc import Iterator
from ipaddress import IPv4Interface

from vboxlab.language import _, n_
from vboxlab.roles.heartbeat.role import HeartbeatRole
from vboxlab.topology.places import show
from vboxlab.topology.problems import Place, Problem
from vboxlab.topology.rules_floating import unfit_floating_address
from vboxlab.topology.subject import Subject, one_of_interfaces

_SERVICE = re.compile(r"[A-Za-z0-9][A-Za-z0-9:_.@-]*")


def problems(subject: Subject) -> Iterator[Problem]:
    """Return what is wrong with the clusters of a topology."""
    for rule in (service_names, floating_addresses, clusters, cluster_agreement, interfaces):
        yield from rule(subject)


def service_names(subject: Subject) -> Iterator[Problem]:
    """bad-service-name: services become words of a line in haresources."""
    for _machine, role, place in subject.roles_of(HeartbeatRole):
        for index, service in enumerate(role.services):
            if not _SERVICE.fullmatch(service):
                message = _("{value} is no name of a service; expected a word such as apache2").format(
                    value=show(service or None)
                )
                yield subject.problem("bad-service-name", (*place, "services", index), message)


def floating_addresses(subject: Subject) -> Iterator[Problem]:
    """floating-address-taken, floating-address-outside-subnet."""
    for machine, role, place in subject.roles_of(HeartbeatRole):
        adapter = subject.adapter_named(machine, role.interface)
        yield from unfit_floating_address(subject, role.address, adapter, (*place, "address"))


def clusters(subject: Subject) -> Iterator[Problem]:
    """cluster-one-node, unknown-node, duplicate-node, not-a-node."""
    names = subject.named_in_file("machines")
    for machine, role, place in subject.roles_of(HeartbeatRole):
        where: Place = (*place, "nodes")
        for index, node in enumerate(role.nodes):
            if names is not None and node not in names:
                at = (*where, index)
                yield subject.problem("unknown-node", at, subject.no_machine(node, at))
            elif node in role.nodes[:index]:
                message = _("machine `{machine}` is a node twice; expected each node once").format(machine=node)
                yield subject.problem("duplicate-node", (*where, index), message)
        if not subject.fit.complete:
            continue
        if len(set(role.nodes)) < 2:
            count = len(set(role.nodes))
            message = n_(
                "the cluster of machine `{machine}` has {count} node; expected at least 2",
                "the cluster of machine `{machine}` has {count} node; expected at least 2",
                count,
            ).format(machine=machine.name, count=count)
            yield subject.problem("cluster-one-node", where, message)
        elif machine.name not in role.nodes:
            message = _(
                "machine `{machine}` has the role heartbeat but is no node of its cluster; expected it among {nodes}"
            ).format(machine=machine.name, nodes=", ".join(role.nodes))
            yield subject.problem("not-a-node", where, message)


def _cluster_role(subject: Subject, name: str) -> HeartbeatRole | None:
    return next((role for machine, role, _place in subject.roles_of(HeartbeatRole) if machine.name == name), None)


def cluster_agreement(subject: Subject) -> Iterator[Problem]:
    """node-without-role, cluster-disagrees: all nodes of a cluster must be given the same cluster."""
    if not subject.fit.complete:
        return
    for machine, role, place in subject.roles_of(HeartbeatRole):
        for index, node in enumerate(role.nodes):
            if node in subject.topology.machines and _cluster_role(subject, node) is None:
                message = _(
                    "machine `{machine}` is a node of this cluster but lacks the role heartbeat; expected it there too"
                ).format(machine=node)
                yield subject.problem("node-without-role", (*place, "nodes", index), message)
        first = role.nodes[0] if role.nodes else machine.name
        model = _cluster_role(subject, first)
        for key in ("address", "nodes", "services", "tuning", "secret") if model else ():
            mine, theirs = getattr(role, key), getattr(model, key)
            if mine != theirs:
                message = _(
                    "`{key}` of the cluster is {value} on machine `{machine}` but {other_value} on machine `{other}`; "
                    "expected the same on all nodes"
                ).format(key=key, value=_said(mine), machine=machine.name, other_value=_said(theirs), other=first)
                yield subject.problem("cluster-disagrees", (*place, key), message)


def _said(value: object) -> str:
    return f"`{', '.join(map(str, value)) if isinstance(value, tuple) else value}`"


def interfaces(subject: Subject) -> Iterator[Problem]:
    """heartbeat-interface: the interface must exist and have an address in the network of the floating address."""
    for machine, role, place in subject.roles_of(HeartbeatRole):
        adapter = subject.adapter_named(machine, role.interface)
        if not subject.fit.complete:
            return
        if adapter is None:
            message = _("machine `{machine}` has no interface `{interface}`; {expected}").format(
                machine=machine.name, interface=role.interface, expected=one_of_interfaces(machine, role.interface)
            )
            yield subject.problem("heartbeat-interface", (*place, "interface"), message)
        elif not isinstance(adapter.address, IPv4Interface):
            message = _(
                "`{interface}` of machine `{machine}` has no address of its own; expected a static address in the "
                "network of the floating address {address}"
            ).format(interface=role.interface, machine=machine.name, address=role.address)
            yield subject.problem("heartbeat-interface", (*place, "interface"), message)
