"""Adapters as the worker tells of them, in vboxlab's words, and back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from vboxlab.planning.observed import AdapterState, Attachment, Forward
from vboxlab.topology.model import NetworkKind

NETWORK_KINDS: frozenset[str] = frozenset({"internal", "nat", "host-only", "bridged", "nat-network"})


def adapter_of(fields: Mapping[str, Any]) -> AdapterState:
    """Return the adapter that the worker described. A foreign VM's may have a kind of VirtualBox's own ("Generic")."""
    forwards = tuple(Forward(*forward) for forward in (*fields["forwards"], *fields.get("other_forwards", ())))
    kind = cast("NetworkKind", fields["kind"])
    attachment = Attachment(kind, fields["name"], fields["subnet"], forwards)
    return AdapterState(fields["slot"], attachment, fields["mac"], fields["cable"])


def attachment_fields(attachment: Attachment) -> dict[str, Any]:
    """Return what the worker needs to plug an adapter in."""
    return {
        "kind": attachment.kind,
        "name": attachment.name,
        "subnet": attachment.subnet,
        # Others than ours are only read: they are gone once a machine of ours is set right.
        "forwards": [[each.host_port, each.guest_port] for each in attachment.forwards if each.is_plain],
    }


def adapter_fields(adapter: AdapterState) -> dict[str, Any]:
    """Return what the worker needs to set an adapter."""
    return {
        "slot": adapter.slot,
        "mac": adapter.mac.upper(),
        "cable": adapter.cable,
        **attachment_fields(adapter.attachment),
    }
