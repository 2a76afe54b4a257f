"""The router and firewall between the lab's networks: nftables, masquerade towards the Internet."""

from __future__ import annotations

from collections.abc import Iterable

from vboxlab.guest.place import Place
from vboxlab.guest.resources import Command, File, Package, Resource, Service, Sysctl
from vboxlab.guest.roles import GuestRole
from vboxlab.roles.router.role import RouterRole
from vboxlab.topology.addressing import MANAGEMENT_INTERFACE


class RouterInGuest(GuestRole[RouterRole]):
    """A router."""

    def resources(self, role: RouterRole, place: Place) -> Iterable[Resource]:
        """Return the resources of a router (nft(8)).

        New flows: inside to the Internet, and to the lab's name servers; the flows allowed, together with ping to their
        targets; anything between inside networks that are not protected. Everything else is dropped, and nothing is
        ever routed from or to the management network.
        """
        yield Package("nftables")
        yield Sysctl("net.ipv4.ip_forward", "1")
        yield File("/etc/nftables.conf", _ruleset(role, place), mode=0o755, notifies=("nftables",))
        yield Service("nftables")
        for route in role.routes:
            yield Command(
                f"route to {route.to}",
                run=("ip", "route", "replace", str(route.to), "via", str(route.via)),
                unless=("sh", "-c", '[ -n "$(ip route show "$1" via "$2")" ]', "sh", str(route.to), str(route.via)),
            )


IN_GUEST = RouterInGuest()


def _ruleset(role: RouterRole, place: Place) -> str:
    wan = place.interface_on(role.wan)
    inside = [adapter.network for adapter in place.machine.adapters if adapter.network != role.wan]
    open_networks = [place.interface_on(network) for network in inside if network not in role.protected]
    forward = [
        "ct state established,related accept",
        f'iifname "{MANAGEMENT_INTERFACE}" drop',
        f'oifname "{MANAGEMENT_INTERFACE}" drop',
        f'iifname "{wan}" drop',
        f'oifname "{wan}" accept',
    ]
    if place.dns_servers:
        servers = _set(map(str, place.dns_servers))
        forward += [f"ip daddr {servers} {protocol} dport 53 accept" for protocol in ("udp", "tcp")]
        forward += [f"ip daddr {servers} icmp type echo-request accept"]
    for flow in role.allow:
        source = f'iifname "{place.interface_on(flow.source)}" ip daddr {flow.to}'
        forward += [f"{source} tcp dport {flow.port} accept", f"{source} icmp type echo-request accept"]
    if len(open_networks) > 1:
        names = _set(f'"{name}"' for name in open_networks)
        forward += [f"iifname {names} oifname {names} accept"]
    return "\n".join(
        [
            "#!/usr/sbin/nft -f",
            "flush ruleset",
            "",
            "table inet filter {",
            *_chain("input", "accept", ["ct state established,related accept", f'iifname "{wan}" ct state new drop']),
            *_chain("forward", "drop", forward),
            "}",
            "",
            "table ip nat {",
            "\tchain postrouting {",
            "\t\ttype nat hook postrouting priority srcnat; policy accept;",
            f'\t\toifname "{wan}" masquerade',
            "\t}",
            "}",
            "",
        ]
    )


def _chain(name: str, policy: str, rules: Iterable[str]) -> list[str]:
    head = f"\t\ttype filter hook {name} priority filter; policy {policy};"
    return [f"\tchain {name} {{", head, *(f"\t\t{rule}" for rule in rules), "\t}"]


def _set(elements: Iterable[str]) -> str:
    return "{ " + ", ".join(elements) + " }"
