"""How every machine is on its networks: ifupdown's stanzas as the practical writes them, and resolv.conf."""

from __future__ import annotations

from collections.abc import Iterable

from vboxlab.guest.place import Place, static_address
from vboxlab.guest.resources import File, Interface, Package, Resource
from vboxlab.topology.addressing import interface_name
from vboxlab.topology.model import Adapter
from vboxlab.topology.roles import Route

# dhclient-script(8): the last definition of make_resolv_conf wins, and enter hooks are read after dhclient's own.
KEEP_RESOLVER = "make_resolv_conf() { :; }\n"


def network(place: Place) -> Iterable[Resource]:
    """Return the resources of a machine's interfaces and resolver.

    The management interface stays out of it: its stanza is in /etc/network/interfaces.d, which is read too.
    """
    machine = place.machine
    adapters = [adapter for adapter in machine.adapters if adapter.address is not None]
    if any(adapter.address == "dhcp" for adapter in adapters):
        yield Package("isc-dhcp-client")
        if machine.dns:
            yield File("/etc/dhcp/dhclient-enter-hooks.d/keep-resolver", KEEP_RESOLVER, before_packages=True)
    stanzas = [_stanza(place, adapter) for adapter in adapters]
    yield File(
        "/etc/network/interfaces",
        "source /etc/network/interfaces.d/*\n\nauto lo\niface lo inet loopback\n" + "".join(stanzas),
        before_packages=True,
    )
    if machine.dns:
        yield File("/etc/resolv.conf", _resolver(place), before_packages=True)
    for adapter in adapters:
        yield Interface(
            interface_name(adapter.slot), str(adapter.address), str(adapter.gateway) if adapter.gateway else None
        )


def _stanza(place: Place, adapter: Adapter) -> str:
    name = interface_name(adapter.slot)
    address = static_address(adapter)
    if address is None:
        return f"\nallow-hotplug {name}\niface {name} inet dhcp\n"
    lines = [f"allow-hotplug {name}", f"iface {name} inet static", f"    address {address}"]
    if adapter.gateway:
        lines.append(f"    gateway {adapter.gateway}")
    if place.machine.dns and (adapter.gateway or len(place.machine.adapters) == 1):
        lines.append(f"    dns-nameservers {' '.join(map(str, place.machine.dns))}")
    lines += [f"    up {route_command(route)}" for route in _routes(place) if route.via in address.network]
    return "\n" + "\n".join(lines) + "\n"


def _routes(place: Place) -> Iterable[Route]:
    for role in place.roles:
        yield from role.static_routes()


def route_command(route: Route) -> str:
    """Return the command that sets a static route."""
    return f"ip route replace {route.to} via {route.via}"


def _resolver(place: Place) -> str:
    machine, domain = place.machine, place.topology.domain
    search = machine.search or ((domain,) if domain else ())
    lines = [f"domain {domain}"] if machine.resolver_domain and domain else []
    lines += [f"search {' '.join(search)}"] if search else []
    return "\n".join([*lines, *(f"nameserver {address}" for address in machine.dns)]) + "\n"


def starts_after(service: str, *interfaces: str) -> File:
    """Return the drop-in that starts a service once interfaces have their addresses (systemd.unit(5), ifup(8)).

    An `allow-hotplug` interface is brought up when udev finds it, and network.target does not wait for that: on a slow
    machine a daemon that needs the address at its start would find none and give up. Another ifup of the interface
    waits for the one that runs, or does the work.
    """
    devices = " ".join(f"sys-subsystem-net-devices-{interface}.device" for interface in interfaces)
    starts = "".join(f"ExecStartPre=-/sbin/ifup {interface}\n" for interface in interfaces)
    content = f"[Unit]\nWants={devices}\nAfter={devices}\n\n[Service]\n{starts}"
    return File(f"/etc/systemd/system/{service}.service.d/network.conf", content)
