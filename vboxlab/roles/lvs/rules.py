"""Rules for load balancers: their addresses, and the way back through them."""

from __future__ import annotations

from collections.abc import Iterator, Set
from ipaddress import IPv4Address, IPv4Interface

from vboxlab.language import _
from vboxlab.roles.lvs.role import LvsRole
from vboxlab.topology.model import Machine
from vboxlab.topology.problems import Problem, did_you_mean, one_of
from vboxlab.topology.subject import Placed, Subject, one_of_interfaces


def problems(subject: Subject) -> Iterator[Problem]:
    """Return what is wrong with the load balancers of a topology."""
    for rule in (virtual_addresses, load_balancers):
        yield from rule(subject)


def virtual_addresses(subject: Subject) -> Iterator[Problem]:
    """virtual-address-unowned."""
    for machine, role, place in subject.roles_of(LvsRole):
        own = [str(a.address.ip) for a in machine.adapters if isinstance(a.address, IPv4Interface)]
        if subject.fit.complete and str(role.virtual) not in own:
            message = _("the virtual address {address} is no address of load balancer `{machine}`; {expected}").format(
                address=role.virtual, machine=machine.name, expected=one_of(own)
            )
            yield subject.problem("virtual-address-unowned", (*place, "virtual"), message)


def load_balancers(subject: Subject) -> Iterator[Problem]:
    """lvs-interface, no-real-server, unknown-real-server, real-server-gateway (LVS in NAT mode is their way back)."""
    if not subject.fit.complete:
        return
    for machine, role, place in subject.roles_of(LvsRole):
        if subject.adapter_named(machine, role.interface) is None:
            message = _("machine `{machine}` has no interface `{interface}`; {expected}").format(
                machine=machine.name, interface=role.interface, expected=one_of_interfaces(machine, role.interface)
            )
            yield subject.problem("lvs-interface", (*place, "interface"), message)
        if not role.real_servers:
            message = _("load balancer `{machine}` has no real server; expected addresses of web servers").format(
                machine=machine.name
            )
            yield subject.problem("no-real-server", (*place, "real_servers"), message)
        own = {adapter.address.ip for adapter in machine.adapters if isinstance(adapter.address, IPv4Interface)}
        for index, address in enumerate(role.real_servers):
            where = (*place, "real_servers", index)
            servers = subject.holders(machine, address)
            if not servers or address in own:
                others = _of_others(subject, machine)
                message = _("{address} is the address of no other machine; {expected}").format(
                    address=address, expected=one_of(others) + did_you_mean(str(address), others)
                )
                yield subject.problem("unknown-real-server", where, message)
            elif (server := servers[-1]).adapter.gateway not in own:
                yield subject.problem("real-server-gateway", where, _another_gateway(machine, own, address, server))


def _of_others(subject: Subject, machine: Machine) -> list[str]:
    """Return the addresses that mean another machine where a load balancer asks for them."""
    having = [(placed.ip, placed) for placed in subject.adapters() if placed.machine != machine]
    return list(dict.fromkeys(str(ip) for ip, placed in having if ip and placed in subject.holders(machine, ip)))


def _another_gateway(machine: Machine, own: Set[IPv4Address], address: IPv4Address, server: Placed) -> str:
    near = [str(ip) for ip in sorted(own) if ip in server.network]
    if server.adapter.gateway:
        text = _(
            "the real server {address} ({adapter}) has the gateway {gateway}; {expected}, as LVS in NAT mode answers "
            "through the load balancer `{machine}`"
        )
    else:
        text = _(
            "the real server {address} ({adapter}) has no gateway; {expected}, as LVS in NAT mode answers through the "
            "load balancer `{machine}`"
        )
    return text.format(
        address=address,
        adapter=server,
        gateway=server.adapter.gateway,
        expected=one_of(near or map(str, sorted(own))),
        machine=machine.name,
    )
