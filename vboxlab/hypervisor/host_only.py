"""Which host-only networks VirtualBox allows on this host: /etc/vbox/networks.conf as VirtualBox itself reads it.

Its reader is VBoxNetAdpCtl (src/VBox/HostDrivers/adpctl/VBoxNetAdpCtl.cpp; manual, "Host-Only Networking"): in lines
whose first word is `*`, each further word is a network in CIDR notation; what is none is skipped with a warning. A file
that is there stands for itself, also when it allows nothing; without one a default holds. Windows has no such limit.
"""

from __future__ import annotations

import ipaddress
from pathlib import Path

from vboxlab.lazily import dataclass

FILE = Path("/etc/vbox/networks.conf")
DEFAULT = ipaddress.IPv4Network("192.168.56.0/21")
# A file has some lines; whatever is longer is none.
MOST_BYTES = 1 << 20


@dataclass(frozen=True)
class Allowed:
    """The IPv4 ranges that host-only networks may be in, and words that VirtualBox skips, as LINE: WORD."""

    ranges: tuple[ipaddress.IPv4Network, ...]
    skipped: tuple[str, ...] = ()

    def permits(self, network: ipaddress.IPv4Network) -> bool:
        """Tell whether a network lies within one of the ranges."""
        return any(network.subnet_of(each) for each in self.ranges)


def read_allowed(path: Path = FILE) -> Allowed:
    """Return what the file allows. Raises OSError where it cannot be read (VirtualBox's reader is root)."""
    try:
        with path.open("rb") as stream:
            text = stream.read(MOST_BYTES).decode("utf-8", errors="replace")
    except FileNotFoundError:
        return Allowed((DEFAULT,))
    return parse(text)


def parse(text: str) -> Allowed:
    """Return what a text allows, whatever it is."""
    ranges: list[ipaddress.IPv4Network] = []
    skipped: list[str] = []
    for number, line in enumerate(text.split("\n"), 1):
        # Only these three separate words: a comma, a comment or a carriage return belongs to its word.
        words = [word for word in line.replace("\t", " ").split(" ") if word]
        if words[:1] != ["*"]:
            continue
        for word in words[1:]:
            try:
                network = ipaddress.ip_network(word, strict=False)
            except ValueError:
                skipped.append(f"{number}: {word}")
                continue
            if isinstance(network, ipaddress.IPv4Network):
                ranges.append(network)
    return Allowed(tuple(ranges), tuple(skipped))


def network_of(address: str, mask: str) -> ipaddress.IPv4Network | None:
    """Return the network of a host-only interface as VirtualBox tells it, None when it has none (0.0.0.0) or is odd."""
    try:
        network = ipaddress.IPv4Interface(f"{address}/{mask or 32}").network
    except ValueError:
        return None
    return None if network.network_address.is_unspecified else network
