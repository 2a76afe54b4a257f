"""The name server: dnsmasq for the lab's own zone, asking the wide area network's resolver for the rest."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Iterator
from ipaddress import IPv4Address, IPv4Network

from vboxlab.guest.place import Place
from vboxlab.guest.resources import Await, File, Package, Resource, Service
from vboxlab.guest.roles import GuestRole, Seen
from vboxlab.language import N_, _
from vboxlab.roles.dns.role import DnsRole, full_name
from vboxlab.topology.addressing import interface_name
from vboxlab.topology.sites import nearest, sites_of

CONFIGURATION = "/etc/dnsmasq.d/lab.conf"
SERVICE_NAME = "www"
ANSWERED = N_("names answered")
LONGEST_STRING = 255
NS = 2  # the number of the type, RFC 1035, 3.2.2


class DnsInGuest(GuestRole[DnsRole]):
    """A name server."""

    def resources(self, role: DnsRole, place: Place) -> Iterable[Resource]:
        """Return the resources of a dnsmasq server (dnsmasq(8)) for a zone with the host names of the lab's machines.

        `interface=` is needed: without it Debian's dnsmasq answers only hosts of its own subnets.
        """
        interfaces = [interface_name(adapter.slot) for adapter in place.machine.adapters if adapter.address is not None]
        lines = [
            *(f"interface={name}" for name in interfaces),
            "bind-dynamic",
            "domain-needed",
            "bogus-priv",
            "no-hosts",
            "no-resolv",
            f"domain={role.zone}",
            f"local=/{role.zone}/",
            *(f"host-record={name},{address}" for name, address in _records(role, place)),
            *_other_records(role),
            *(f"server={address}" for address in role.forwarders or _resolvers_of_wan(place)),
        ]
        yield Package("dnsmasq")
        yield File(CONFIGURATION, "\n".join(lines) + "\n", notifies=("dnsmasq",))
        yield Service("dnsmasq")
        own = f"{place.machine.hostname}.{role.zone}"
        known = next((name for name, _address in _records(role, place) if name != own), None)
        if known:
            yield Await(ANSWERED, ("getent", "ahostsv4", known), unit="dnsmasq")

    def seen(self, wish: Await) -> Seen | None:
        """Return how somebody sees that it answers."""
        return Seen(_("the name has its address:"), shlex.join(wish.until)) if wish.name == ANSWERED else None


IN_GUEST = DnsInGuest()


def _records(role: DnsRole, place: Place) -> Iterator[tuple[str, IPv4Address]]:
    if role.records:
        for record in role.records:
            if record.kind == "A" and record.address is not None:
                yield full_name(record.name, role.zone), record.address
        return
    for machine in place.topology.machines.values():
        addresses = place.addresses_of(machine)
        if addresses:
            yield f"{machine.hostname}.{role.zone}", addresses[0]
    for address in place.service_addresses:
        yield f"{SERVICE_NAME}.{role.zone}", address


def _other_records(role: DnsRole) -> Iterator[str]:
    """Yield the lines of what is no plain address (dnsmasq(8)): preferences default to 10 (MX) and 0 (SRV)."""
    for record in role.records:
        name = full_name(record.name, role.zone)
        target = full_name(record.target or "", role.zone)
        match record.kind:
            case "CNAME":
                yield f"cname={name},{target}"
            case "MX":
                yield f"mx-host={name},{target},{10 if record.priority is None else record.priority}"
            case "SRV":
                yield f"srv-host={name},{target},{record.port},{record.priority or 0},{record.weight or 0}"
            case "TXT":
                yield f"txt-record={name},{_quoted(record.text or '')}"
            case "NS":
                yield f"dns-rr={name},{NS},{_wire(target)}"
            case "PTR" if record.address is not None:
                yield f"ptr-record={record.address.reverse_pointer},{name}"


def _quoted(text: str) -> str:
    """Return a text as dnsmasq reads one: strings of a TXT record have 255 characters at most (RFC 1035, 3.3.14)."""
    parts = [text[start : start + LONGEST_STRING] for start in range(0, len(text), LONGEST_STRING)]
    escaped = (part.replace("\\", "\\\\").replace('"', '\\"') for part in parts)
    return ",".join(f'"{part}"' for part in escaped)


def _wire(name: str) -> str:
    """Return a name as it is sent (RFC 1035, 3.1), in hexadecimal digits: dnsmasq has no option of its own for NS."""
    labels = name.rstrip(".").split(".")
    return "".join(f"{len(label):02x}{label.encode().hex()}" for label in labels) + "00"


def _resolvers_of_wan(place: Place) -> Iterator[IPv4Address]:
    """Yield the resolver that VirtualBox's and QEMU's NAT offer: address .3 of the NAT network.

    VirtualBox numbers its NAT networks 10.0.(slot + 1).0/24 (manual, "Network Address Translation").
    """
    topology = place.topology
    found = [
        (machine, adapter)
        for machine, uplink in place.uplinks
        for adapter in machine.adapters
        if adapter.network == uplink and topology.networks[uplink].kind == "nat"
    ]
    own = sites_of(topology, place.machine)
    for _machine, adapter in nearest(found, own, lambda each: sites_of(topology, each[0])):
        yield (topology.networks[adapter.network].subnet or IPv4Network(f"10.0.{adapter.slot + 1}.0/24"))[3]
