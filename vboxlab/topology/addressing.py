"""Names, MAC addresses and interface names that follow from the topology alone: stable from run to run."""

from __future__ import annotations

import hashlib

from vboxlab.lazily import dataclass
from vboxlab.topology.model import MANAGEMENT_NETWORK, MANAGEMENT_SLOT

# PCI slots of VirtualBox's PIIX3 adapters 1..8; Debian's predictable names follow from them (seen on 7.2).
PCI_SLOTS = {1: 3, 2: 8, 3: 9, 4: 10, 5: 16, 6: 17, 7: 18, 8: 19}
# Oracle's prefix for VirtualBox NICs (IEEE OUI registry, 08:00:27, PCS Systemtechnik).
MAC_PREFIX = "080027"
PORT_FIRST = 20200
PORT_COUNT = 10000


@dataclass(frozen=True, order=True)
class LabName:
    """Which lab, and which student's copy of it (None: the single default lab)."""

    lab: str
    copy: str | None = None

    def __str__(self) -> str:
        return self.lab if self.copy is None else f"{self.lab}/{self.copy}"

    @property
    def slug(self) -> str:
        """Return the name in a form that a folder may have."""
        return self.lab if self.copy is None else f"{self.lab}--{self.copy}"


def interface_name(slot: int) -> str:
    """Return the guest's name of the NIC in a slot 1..8 (systemd.net-naming-scheme(7): enp0sN by PCI slot)."""
    return f"enp0s{PCI_SLOTS[slot]}"


MANAGEMENT_INTERFACE = interface_name(MANAGEMENT_SLOT)
MANAGEMENT_ADDRESS = f"{MANAGEMENT_NETWORK[15]}/{MANAGEMENT_NETWORK.prefixlen}"
MANAGEMENT_FILE = "/etc/network/interfaces.d/vboxlab-management"
MANAGEMENT_STANZA = f"""\
# vboxlab reaches this machine through adapter 8 (NAT with one port forward). No gateway and no resolver on purpose:
# the routes of the lab are the lab's own.
allow-hotplug {MANAGEMENT_INTERFACE}
iface {MANAGEMENT_INTERFACE} inet static
    address {MANAGEMENT_ADDRESS}
"""


@dataclass(frozen=True)
class Names:
    """What the VMs and internal networks of a lab are called on their host, where all labs share one name space.

    `plain` is what one lab at a time may have; in others the lab's name goes in front.
    """

    lab: LabName
    plain: bool = True

    def vm(self, machine: str) -> str:
        """Return the hypervisor's name of a machine: MACHINE, COPY-MACHINE in a copy, with LAB- in front if need be."""
        own = machine if self.lab.copy is None else f"{self.lab.copy}-{machine}"
        return own if self.plain else f"{self.lab.lab}-{own}"

    def network(self, network: str) -> str:
        """Return the effective name of an internal network: itself, or `vboxlab-LAB[--COPY]--NETWORK`.

        Neither labs nor copies have `--` in their names, so that no two networks of different labs or copies have one
        name; a network that has it itself is kept apart from those of copies by an empty copy.
        """
        if self.plain and self.lab.copy is None:
            return network
        empty = "--" if self.lab.copy is None and "--" in network else ""
        return f"vboxlab-{self.lab.slug}{empty}--{network}"


def _number(*parts: str) -> int:
    return int.from_bytes(hashlib.sha256("\0".join(parts).encode()).digest()[:8], "big")


def mac_address(lab: LabName, machine: str, slot: int) -> str:
    """Return the MAC address of an adapter as 12 hexadecimal digits, derived from lab, copy, machine and slot."""
    return f"{MAC_PREFIX}{_number('mac', str(lab), machine, str(slot)) & 0xFFFFFF:06X}"


def first_port(lab: LabName, machine: str) -> int:
    """Return the port of 127.0.0.1 from which the search for a machine's management port starts."""
    return PORT_FIRST + _number("port", str(lab), machine) % PORT_COUNT
