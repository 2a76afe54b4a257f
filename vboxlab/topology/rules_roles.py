"""Rules for what machines are made to be: routers, clusters, load balancers."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv4Interface

from vboxlab.topology.addressing import interface_name
from vboxlab.topology.model import Machine
from vboxlab.topology.problems import Place, Problem, did_you_mean, one_of
from vboxlab.topology.roles import HeartbeatRole, LvsRole, RouterRole
from vboxlab.topology.subject import Subject


def duplicate_roles(subject: Subject) -> Iterator[Problem]:
    """duplicate-role: a machine is something at most once in a stage."""
    seen: dict[tuple[Place, str], Place] = {}
    for machine, role, place in subject.roles():
        first = seen.setdefault((place[:-1], role.role), place)
        if first != place:
            message = (
                f"machine `{machine.name}` has the role `{role.role}` twice here; expected it once (line {{line}})"
            )
            yield subject.repeated("duplicate-role", (*place, "role"), (*first, "role"), message)


def routers(subject: Subject) -> Iterator[Problem]:
    """router-one-adapter."""
    for machine, _, place in subject.roles_of(RouterRole):
        if subject.fit.complete and len(machine.adapters) < 2:
            count = "one adapter" if machine.adapters else "no adapter"
            message = f"router `{machine.name}` has {count}; expected at least 2, as a router joins networks"
            yield subject.problem("router-one-adapter", (*place, "role"), message)


def clusters(subject: Subject) -> Iterator[Problem]:
    """cluster-one-node, unknown-node, duplicate-node, not-a-node."""
    names = subject.named_in_file("machines")
    for machine, role, place in subject.roles_of(HeartbeatRole):
        where: Place = (*place, "nodes")
        for index, node in enumerate(role.nodes):
            if names is not None and node not in names:
                message = f"there is no machine `{node}`; {one_of(names)}{did_you_mean(node, names)}"
                yield subject.problem("unknown-node", (*where, index), message)
            elif node in role.nodes[:index]:
                message = f"machine `{node}` is a node twice; expected each node once"
                yield subject.problem("duplicate-node", (*where, index), message)
        if not subject.fit.complete:
            continue
        if len(set(role.nodes)) < 2:
            message = f"the cluster of machine `{machine.name}` has {len(set(role.nodes))} node; expected at least 2"
            yield subject.problem("cluster-one-node", where, message)
        elif machine.name not in role.nodes:
            message = f"machine `{machine.name}` has the role heartbeat but is no node of its cluster"
            yield subject.problem("not-a-node", where, f"{message}; expected it among {', '.join(role.nodes)}")


def _cluster_role(subject: Subject, name: str) -> HeartbeatRole | None:
    return next((role for machine, role, _ in subject.roles_of(HeartbeatRole) if machine.name == name), None)


def cluster_agreement(subject: Subject) -> Iterator[Problem]:
    """node-without-role, cluster-disagrees: all nodes of a cluster must be given the same cluster."""
    if not subject.fit.complete:
        return
    for machine, role, place in subject.roles_of(HeartbeatRole):
        for index, node in enumerate(role.nodes):
            if node in subject.topology.machines and _cluster_role(subject, node) is None:
                message = (
                    f"machine `{node}` is a node of this cluster but lacks the role heartbeat; expected it there too"
                )
                yield subject.problem("node-without-role", (*place, "nodes", index), message)
        first = role.nodes[0] if role.nodes else machine.name
        model = _cluster_role(subject, first)
        for key in ("address", "nodes", "services", "tuning", "secret") if model else ():
            mine, theirs = getattr(role, key), getattr(model, key)
            if mine != theirs:
                message = f"`{key}` of the cluster is {_said(mine)} on machine `{machine.name}` but {_said(theirs)} on"
                message += f" machine `{first}`; expected the same on all nodes"
                yield subject.problem("cluster-disagrees", (*place, key), message)


def _said(value: object) -> str:
    return f"`{', '.join(map(str, value)) if isinstance(value, tuple) else value}`"


def heartbeat_interfaces(subject: Subject) -> Iterator[Problem]:
    """heartbeat-interface: the interface must exist and have an address in the network of the floating address."""
    for machine, role, place in subject.roles_of(HeartbeatRole):
        adapter = subject.adapter_named(machine, role.interface)
        if not subject.fit.complete:
            return
        if adapter is None:
            message = (
                f"machine `{machine.name}` has no interface `{role.interface}`; {_interfaces(machine, role.interface)}"
            )
            yield subject.problem("heartbeat-interface", (*place, "interface"), message)
        elif not isinstance(adapter.address, IPv4Interface):
            message = (
                f"`{role.interface}` of machine `{machine.name}` has no address of its own; expected a static address "
                f"in the network of the floating address {role.address}"
            )
            yield subject.problem("heartbeat-interface", (*place, "interface"), message)


def _interfaces(machine: Machine, wrong: str) -> str:
    names = [interface_name(adapter.slot) for adapter in machine.adapters]
    return f"{one_of(names)}{did_you_mean(wrong, names)}"


def load_balancers(subject: Subject) -> Iterator[Problem]:
    """lvs-interface, no-real-server, unknown-real-server, real-server-gateway (LVS in NAT mode is their way back)."""
    if not subject.fit.complete:
        return
    owners = {placed.ip: placed for placed in subject.adapters() if placed.ip}
    for machine, role, place in subject.roles_of(LvsRole):
        if subject.adapter_named(machine, role.interface) is None:
            message = (
                f"machine `{machine.name}` has no interface `{role.interface}`; {_interfaces(machine, role.interface)}"
            )
            yield subject.problem("lvs-interface", (*place, "interface"), message)
        if not role.real_servers:
            message = f"load balancer `{machine.name}` has no real server; expected addresses of web servers"
            yield subject.problem("no-real-server", (*place, "real_servers"), message)
        own = {adapter.address.ip for adapter in machine.adapters if isinstance(adapter.address, IPv4Interface)}
        for index, address in enumerate(role.real_servers):
            where = (*place, "real_servers", index)
            server = owners.get(address)
            if server is None or address in own:
                others = [str(ip) for ip, placed in owners.items() if placed.machine != machine]
                message = f"{address} is the address of no other machine; {one_of(others)}"
                message += did_you_mean(str(address), others)
                yield subject.problem("unknown-real-server", where, message)
            elif server.adapter.gateway not in own:
                found = f"has the gateway {server.adapter.gateway}" if server.adapter.gateway else "has no gateway"
                near = [str(ip) for ip in sorted(own) if ip in server.network]
                message = (
                    f"the real server {address} ({server}) {found}; {one_of(near or map(str, sorted(own)))}, as LVS"
                )
                message += f" in NAT mode answers through the load balancer `{machine.name}`"
                yield subject.problem("real-server-gateway", where, message)
