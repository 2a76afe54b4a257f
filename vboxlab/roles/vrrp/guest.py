"""A node that shares addresses by VRRP: keepalived, each node the preferred holder of addresses of its own."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Iterator
from ipaddress import IPv4Address

from vboxlab.guest.network import starts_after
from vboxlab.guest.place import Place, static_address
from vboxlab.guest.resources import Await, File, Package, Resource, Service
from vboxlab.guest.roles import GuestRole, Seen
from vboxlab.guest.wording import code
from vboxlab.language import N_, _
from vboxlab.roles.vrrp.role import VrrpInstance, VrrpRole
from vboxlab.topology.model import Machine

CONFIGURATION = "/etc/keepalived/keepalived.conf"
TRACKED = "/etc/keepalived/fit"
UNIT = "keepalived"
HELD = N_("own floating addresses held")


class VrrpInGuest(GuestRole[VrrpRole]):
    """A node of a cluster."""

    def resources(self, role: VrrpRole, place: Place) -> Iterable[Resource]:
        """Return the resources of a node (keepalived.conf(5)): version 3 of VRRP, from node to node, without passwords.

        Only the preferred holder of an address waits for it: the others give it up as soon as they hear of him.
        """
        mine = [instance for instance in role.instances if place.machine.name in instance.nodes]
        preferred = [instance for instance in mine if instance.nodes[0] == place.machine.name]
        yield Package("keepalived")
        if role.track is not None:
            # What keepalived would take for words of its own is a matter of sh here.
            yield File(TRACKED, f"#!/bin/sh\nexec {shlex.join(role.track.run)}\n", mode=0o755, notifies=(UNIT,))
        yield File(CONFIGURATION, "\n".join(_configuration(role, mine, place)) + "\n", notifies=(UNIT,))
        yield starts_after(UNIT, *dict.fromkeys(instance.interface for instance in mine))
        yield Service(UNIT)
        if preferred:
            words = (word for each in preferred for word in (each.interface, str(each.address.ip)))
            yield Await(HELD, ("sh", "-c", _HELD, "sh", *words), unit=UNIT)

    def seen(self, wish: Await) -> Seen | None:
        """Return how somebody sees which addresses the node has."""
        if wish.name != HELD:
            return None
        addresses = ", ".join(wish.until[5::2])
        return Seen(_("this machine carries {addresses}:").format(addresses=code(addresses)), "ip -4 address show")


IN_GUEST = VrrpInGuest()

# Arguments are pairs of an interface and an address that it must carry.
_HELD = 'while [ "$#" -gt 1 ]; do [ -n "$(ip -o -4 addr show dev "$1" to "$2")" ] || exit 1; shift 2; done'


def _configuration(role: VrrpRole, mine: Iterable[VrrpInstance], place: Place) -> Iterator[str]:
    yield from ("global_defs {", f"    router_id {place.machine.hostname}", "    vrrp_version 3")
    if role.track is not None:
        yield from ("    script_user root", "    enable_script_security")
    yield "}"
    if role.track is not None:
        yield from (
            "", "vrrp_script fit {", f"    script {TRACKED}", f"    interval {role.track.every}",
            f"    fall {role.track.fails}", "    rise 2", "}",
        )  # fmt: skip
    for instance in mine:
        yield from ("", *_instance(role, instance, place))


def _instance(role: VrrpRole, instance: VrrpInstance, place: Place) -> Iterator[str]:
    own = place.machine.name
    peers = [place.topology.machines[node] for node in instance.nodes if node != own]
    network = place.network_of(instance.interface)
    yield from (
        f"vrrp_instance {instance.name} {{",
        f"    state {'MASTER' if instance.nodes[0] == own else 'BACKUP'}",
        f"    interface {instance.interface}",
        f"    virtual_router_id {instance.number}",
        f"    priority {instance.priority(own)}",
        f"    advert_int {role.advertise:g}",
        *(f"    unicast_src_ip {address}" for address in _addresses(place.machine, network)),
        "    unicast_peer {",
        *(f"        {address}" for peer in peers for address in _addresses(peer, network)),
        "    }",
        "    virtual_ipaddress {",
        f"        {instance.address} dev {instance.interface}",
        "    }",
    )
    if role.track is not None:
        yield from ("    track_script {", "        fit", "    }")
    yield "}"


def _addresses(machine: Machine, network: str | None) -> list[IPv4Address]:
    """Return the first fixed address of a machine on a network, if it has one."""
    found = (static_address(adapter) for adapter in machine.adapters if adapter.network == network)
    return [address.ip for address in found if address is not None][:1]
