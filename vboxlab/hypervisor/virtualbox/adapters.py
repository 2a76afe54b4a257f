"""Adapters as the worker tells of them, in vboxlab's words, and back."""

from __future__ import annotations

from typing import cast

from vboxlab.hypervisor.virtualbox.worker import calls
from vboxlab.planning.observed import AdapterState, Attachment, Forward
from vboxlab.topology.model import NetworkKind

NETWORK_KINDS: frozenset[str] = frozenset({"internal", "nat", "host-only", "bridged", "nat-network"})


def adapter_of(told: calls.Adapter) -> AdapterState:
    """Return the adapter that the worker described. A foreign VM's may have a kind of VirtualBox's own ("Generic")."""
    plugged = told.attachment
    plain = [Forward(host_port, guest_port) for host_port, guest_port in plugged.forwards]
    others = [
        Forward(host_port, guest_port, "tcp" if protocol == "tcp" else "udp", address)
        for host_port, guest_port, protocol, address in plugged.other_forwards
    ]
    kind = cast("NetworkKind", plugged.kind)
    attachment = Attachment(kind, plugged.name, plugged.subnet, (*plain, *others))
    return AdapterState(told.slot, attachment, told.mac, told.cable)


def asked_attachment(attachment: Attachment) -> calls.Attachment:
    """Return what the worker needs to plug an adapter in."""
    # Others than ours are only read: they are gone once a machine of ours is set right.
    forwards = tuple((each.host_port, each.guest_port) for each in attachment.forwards if each.is_plain)
    return calls.Attachment(attachment.kind, attachment.name, attachment.subnet, forwards)


def asked_adapter(adapter: AdapterState) -> calls.Adapter:
    """Return what the worker needs to set an adapter."""
    return calls.Adapter(adapter.slot, asked_attachment(adapter.attachment), adapter.mac.upper(), adapter.cable)
