"""What `ip` does to addresses, links and IPv4 routes: ip-address(8), ip-link(8), ip-route(8) of iproute2 6.1."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import field
from ipaddress import AddressValueError, IPv4Address, IPv4Interface, IPv4Network, IPv6Interface

from vboxlab.lazily import dataclass

_NUMBER = re.compile(r"0[xX][0-9a-fA-F]+|0[0-7]*|[1-9][0-9]*")
_MAC = re.compile(r"[0-9a-fA-F]{1,2}(:[0-9a-fA-F]{1,2}){5}")
_DEFAULT = IPv4Network("0.0.0.0/0")
DONE, REFUSED = 0, 2  # exit codes
USUAL_MTU = 1500


class NotUnderstood(Exception):
    """Raised for what this does not know: the program would tell."""


@dataclass
class Link:
    """An interface, with its IPv4 addresses as ip prints them, but for what is usual."""

    up: bool = False
    addresses: list[tuple[IPv4Interface, str]] = field(default_factory=list)  # and its peer, broadcast and scope
    mtu: int = USUAL_MTU
    mac: str | None = None  # where it is another than the hardware's
    dhcp: bool = False


@dataclass
class HeldRoute:
    """A route that does not come with an address."""

    to: IPv4Network
    via: IPv4Address | None
    device: str
    metric: int = 0


@dataclass
class Kernel:
    """What the kernel holds of a network."""

    links: dict[str, Link] = field(default_factory=dict)
    routes: list[HeldRoute] = field(default_factory=list)

    def link(self, name: str) -> Link | None:
        """Return an interface; what follows a colon is only a label."""
        return self.links.get(name.partition(":")[0])

    def connected(self) -> list[tuple[IPv4Network, str]]:
        """Return the networks that interfaces are in, the narrowest first."""
        found = [(a.network, name) for name, link in self.links.items() if link.up for a, _more in link.addresses]
        return sorted((each for each in found if each[0].prefixlen), key=lambda each: -each[0].prefixlen)


def number(text: str) -> int:
    """Return a number as strtoul(3) reads one of base 0. Raises ValueError."""
    if not _NUMBER.fullmatch(text) or len(text) > len("0xffffffff"):
        raise ValueError(text)
    return int(text, 16) if text[:2].lower() == "0x" else int(text, 8) if text[0] == "0" else int(text)


def address_of(text: str) -> IPv4Address:
    """Return an address as ip reads it: up to four numbers, octal ones too. Raises ValueError."""
    parts = [number(part) for part in text.split(".")]
    if len(parts) > 4 or max(parts) > 255:
        raise ValueError(text)
    return IPv4Address(bytes(parts + [0] * (4 - len(parts))))


def prefix_of(text: str) -> IPv4Interface:
    """Return an address with its prefix length, which may be a mask, and is 32 where there is none."""
    address, slash, mask = text.partition("/")
    if not slash:
        return IPv4Interface((address_of(address), 32))
    try:
        length = number(mask)
    except ValueError:
        bits = int(address_of(mask))
        length = bits.bit_count()
        if bits != ((1 << length) - 1) << (32 - length):
            raise
    if length > 32:
        raise ValueError(text)
    return IPv4Interface((address_of(address), length))


def run_ip(kernel: Kernel, words: Sequence[str]) -> int:
    """Do what `ip` does with these words, and return its exit code. Raises NotUnderstood."""
    rest, family = list(words), "4"
    while rest and rest[0].startswith("-"):
        option = rest.pop(0)
        if option not in ("-4", "-6"):
            raise NotUnderstood(option)
        family = option[1]
    if not rest:
        raise NotUnderstood("ip")
    thing, rest = rest[0], rest[1:]
    try:
        if thing and "link".startswith(thing):
            return _link(kernel, rest)
        if thing and "address".startswith(thing):
            return _address6(rest) if family == "6" else _address(kernel, rest)
        if thing and "route".startswith(thing):
            if family == "6":
                return DONE
            return _route(kernel, rest)
    except (ValueError, IndexError):
        return REFUSED
    raise NotUnderstood(thing)


def _verb(rest: list[str], *verbs: str) -> str:
    word = rest.pop(0) if rest else ""
    verb = next((verb for verb in verbs if word and verb.startswith(word)), None)
    if verb is None:
        raise NotUnderstood(word)
    return verb


def _pairs(rest: list[str], known: dict[str, str], alone: tuple[str, ...] = ()) -> dict[str, str]:
    """Return the values of words; the first that is none of them is in ''. Raises IndexError: no value follows."""
    found: dict[str, str] = {}
    while rest:
        word = rest.pop(0)
        if word in alone:
            found[word] = word
        elif word in known:
            found[known[word]] = rest.pop(0)
        elif "" not in found:
            found[""] = word
        else:
            raise ValueError(word)
    return found


def _link(kernel: Kernel, rest: list[str]) -> int:
    _verb(rest, "set")
    words = {"dev": "dev", "mtu": "mtu", "address": "address", "alias": "alias", "txqueuelen": "txqueuelen"}
    found = _pairs(rest, words, ("up", "down"))
    link = kernel.link(found.get("dev", found.get("", "")))
    if link is None:
        return 1
    if "mtu" in found:
        mtu = number(found["mtu"])
        if not 68 <= mtu <= 65535:
            return REFUSED
        link.mtu = mtu
    if "address" in found:
        if not _MAC.fullmatch(found["address"]):
            return REFUSED
        link.mac = ":".join(part.zfill(2) for part in found["address"].lower().split(":"))
    link.up = (link.up or "up" in found) and "down" not in found
    return DONE


def _address6(rest: list[str]) -> int:
    if _verb(rest, "add", "change", "replace", "delete", "flush") == "add":
        try:
            IPv6Interface(rest[0])
        except AddressValueError:
            return 1
    return DONE


def _address(kernel: Kernel, rest: list[str]) -> int:
    verb = _verb(rest, "add", "change", "replace", "delete", "flush")
    words = {"dev": "dev", "broadcast": "broadcast", "brd": "broadcast", "peer": "peer", "scope": "scope"}
    found = _pairs(rest, {**words, "local": "", "label": "label"})
    link = kernel.link(found.get("dev", found.get("", "") if verb == "flush" else ""))
    if link is None:
        return 1
    if verb == "flush":
        link.addresses = []
        return DONE
    if not found.get("label", found["dev"]).startswith(found["dev"]):
        return 1
    held, more = _held(found)
    same = [each for each in link.addresses if each[0] == held]
    if verb == "delete":
        link.addresses = [each for each in link.addresses if each not in same]
        return DONE if same else REFUSED
    if same and verb == "add":
        return REFUSED
    link.addresses = [each for each in link.addresses if each not in same] + [(held, more)]
    return DONE


def _held(found: dict[str, str]) -> tuple[IPv4Interface, str]:
    held = prefix_of(found[""])
    more = ""
    if "peer" in found:
        peer = prefix_of(found["peer"])
        more = f" peer {peer.ip}/{peer.network.prefixlen}"
    broadcast = found.get("broadcast", "+")
    if broadcast == "-":
        more += f" broadcast {held.network.network_address}" if held.network.prefixlen < 31 else ""
    elif broadcast != "+" and not more:
        own = address_of(broadcast)
        more += f" broadcast {own}" if int(own) and own != held.network.broadcast_address else ""
    scope = found.get("scope", "host" if held.ip.is_loopback else "global")
    if scope not in ("global", "link", "host", "site"):
        raise ValueError(scope)
    more += f" scope {scope}" if scope != "global" else ""
    return held, more


def _route(kernel: Kernel, rest: list[str]) -> int:
    verb = _verb(rest, "add", "append", "change", "replace", "delete")
    metric = {"metric": "metric", "priority": "metric", "preference": "metric"}
    words = {"to": "", "via": "via", "dev": "dev", "src": "src", **metric}
    found = _pairs(rest, words, ("onlink",))
    to = _DEFAULT if found[""] in ("default", "any", "all") else prefix_of(found[""])
    network = to if isinstance(to, IPv4Network) else to.network
    if not isinstance(to, IPv4Network) and to.ip != network.network_address:
        return REFUSED
    cost = number(found.get("metric", "0"))
    same = [route for route in kernel.routes if (route.to, route.metric) == (network, cost)]
    if verb == "delete":
        gone = [route for route in kernel.routes if route.to == network and cost in (0, route.metric)][:1]
        kernel.routes = [route for route in kernel.routes if route not in gone]
        return DONE if gone else REFUSED
    via = address_of(found["via"]) if "via" in found else None
    device = _device(kernel, via, found)
    if device is None or (same and verb == "add"):
        return REFUSED
    if verb == "add" and not cost and via is None and network in [each for each, _name in kernel.connected()]:
        return REFUSED
    if verb == "change" and not same:
        return REFUSED
    kept = [route for route in kernel.routes if verb == "append" or route not in same]
    kernel.routes = [*kept, HeldRoute(network, via, device, cost)]
    return DONE


def _device(kernel: Kernel, via: IPv4Address | None, found: dict[str, str]) -> str | None:
    """Return the interface that a route leads out of; None when the kernel refuses it."""
    named = found.get("dev", "").partition(":")[0] or None
    if named is not None and (named not in kernel.links or not kernel.links[named].up):
        return None
    if via is None:
        return named
    if (
        named == "lo"
        or not int(via)
        or any(address.ip == via for link in kernel.links.values() for address, _more in link.addresses)
    ):
        return None
    if named is not None and "onlink" in found:
        return named
    near = (name for network, name in kernel.connected() if via in network and named in (None, name))
    return next(near, None)
