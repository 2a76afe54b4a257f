"""What is wrong with an address that moves from machine to machine, whichever role moves it."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv4Interface

from vboxlab.language import _
from vboxlab.topology.addressing import interface_name
from vboxlab.topology.model import Adapter
from vboxlab.topology.problems import Place, Problem
from vboxlab.topology.subject import Subject


def unfit_floating_address(
    subject: Subject, address: IPv4Interface, adapter: Adapter | None, where: Place
) -> Iterator[Problem]:
    """Yield floating-address-taken or floating-address-outside-subnet of an address on an adapter (None: unknown)."""
    taken = subject.taken(address.ip, adapter.network if adapter else None)
    if taken is not None:
        message = _("the floating address {address} is the address of {adapter}; expected a free address").format(
            address=address.ip, adapter=taken
        )
        yield subject.problem("floating-address-taken", where, message)
        return
    network = subject.topology.networks.get(adapter.network) if adapter else None
    if adapter is None or network is None or network.subnet is None:
        return
    if address.ip not in network.subnet or address.network != network.subnet:
        message = _(
            "the floating address {address} is not of {subnet}, the subnet of network `{network}` on `{interface}`"
            "; expected an address in it with its prefix length"
        ).format(
            address=address, subnet=network.subnet, network=adapter.network, interface=interface_name(adapter.slot)
        )
        yield subject.problem("floating-address-outside-subnet", where, message)
