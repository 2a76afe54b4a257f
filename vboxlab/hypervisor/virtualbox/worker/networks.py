"""The kinds of networks that adapters are plugged into, in our words and VirtualBox's, and the ports they forward."""

from __future__ import annotations

import sys
from collections.abc import Iterable

from vboxlab.hypervisor.virtualbox.worker.calls import Attachment
from vboxlab.hypervisor.virtualbox.worker.protocol import Failure
from vboxlab.hypervisor.virtualbox.worker.told import Told, verbatim
from vboxlab.hypervisor.virtualbox.worker.versions import differences_of
from vboxlab.listening import Endpoint, local, why_taken

# Our kinds of network, VirtualBox's attachment types, and the adapter's attribute that names the network.
KINDS = {
    "internal": ("Internal", "internalNetwork"),
    "nat": ("NAT", ""),
    "host-only": ("HostOnly", "hostOnlyInterface"),
    "bridged": ("Bridged", "bridgedInterface"),
    "nat-network": ("NATNetwork", "NATNetwork"),
}
# What VirtualBox 7.0 and later have on macOS instead of host-only interfaces: networks made of an address range (its
# manual, "Host-Only Networking"; its own tests take one for the other there, ValidationKit/testdriver/vboxtestvms.py).
HOST_ONLY_NETWORK = ("HostOnlyNetwork", "hostOnlyNetwork")


def attachment_of(kind: str, version: str, platform: str = sys.platform) -> tuple[str, str]:
    """Return VirtualBox's attachment type for a kind of network, and the adapter's attribute that names the network."""
    if kind == "host-only" and platform == "darwin" and differences_of(version)[0].host_only_networks:
        return HOST_ONLY_NETWORK
    return KINDS[kind]


def kind_of(type_name: str) -> tuple[str, str]:
    """Return our kind of network for VirtualBox's attachment type (its own word where we have none), and the attribute.

    "" where no attribute names the network.
    """
    known = {theirs: (ours, attribute) for ours, (theirs, attribute) in KINDS.items()}
    known[HOST_ONLY_NETWORK[0]] = ("host-only", HOST_ONLY_NETWORK[1])
    return known.get(type_name, (type_name, ""))


def ports(attachments: Iterable[Attachment]) -> set[Endpoint]:
    """Return the host ports that adapters forward; a foreign VM's may be of UDP, or of other addresses."""
    found: set[Endpoint] = set()
    for attachment in attachments:
        found |= {local(host_port) for host_port, _guest_port in attachment.forwards}
        found |= {Endpoint(protocol, host, port) for port, _guest_port, protocol, host in attachment.other_forwards}
    return found


def check_ports(wanted: set[Endpoint], name: str) -> None:
    """Raise Failure when a port is taken: VirtualBox would go on and say nothing, but in its log."""
    for endpoint in sorted(wanted):
        if (error := why_taken(endpoint)) is not None:
            protocol, address, port = endpoint
            told = Told("port-taken", {"protocol": protocol, "address": address, "port": port, "machine": name})
            raise Failure("port-taken", told, details=[verbatim(error)]) from error
