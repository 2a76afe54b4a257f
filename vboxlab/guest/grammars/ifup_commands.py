"""What ifup makes of a stanza: inet.defn, inet6.defn, archcommon.c and execute.c of ifupdown 0.8.41 (Linux)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from ipaddress import IPv4Address

from vboxlab.guest.grammars.interfaces import Stanza
from vboxlab.lazily import dataclass

_BUFFER = 33  # characters of an address that are looked at
_INET6_STATIC = (("autoconf", "0"), ("preferred-lifetime", ""), ("dad-attempts", "60"), ("dad-interval", "0.1"))
_DEFAULTS: dict[tuple[str, str], tuple[tuple[str, str], ...]] = {
    ("inet", "static"): (("broadcast", "+"),),
    ("inet6", "auto"): (("accept_ra", "2"), ("request_prefix", "0"), ("ll-attempts", "60"), ("ll-interval", "0.1")),
    ("inet6", "static"): _INET6_STATIC,
}


@dataclass(frozen=True)
class Call:
    """A command that ifup gives to the shell. `option` is the number of the option that it stands in, None: ifup's."""

    text: str
    option: int | None = None


def options_of(stanza: Stanza) -> list[tuple[str, str]]:
    """Return the options as ifquery prints them: with defaults, and converted to what the commands take."""
    found = [(option.name, option.value) for option in stanza.options]
    kind = (stanza.family, stanza.method)
    names = {name for name, _value in found}
    found += [(name, value) for name, value in _DEFAULTS.get(kind, ()) if name not in names]
    if stanza.method in ("static", "manual", "dhcp"):
        found = [(name, _hardware(value) if name == "hwaddress" else value) for name, value in found]
    if kind == ("inet", "static"):
        return _static(found)
    if kind == ("inet6", "static"):
        return _static6(found)
    return found


def _static(found: list[tuple[str, str]]) -> list[tuple[str, str]]:
    values = dict(found)
    if "address" in values:
        if "netmask" not in values:
            found.append(("netmask", _mask(values["address"])))
        token = _first(values["address"])
        found = [(name, token or value) if name == "address" else (name, value) for name, value in found]
    values = dict(found)
    if values.get("broadcast") in ("+", "-"):
        broadcast = _broadcast(values.get("address", ""), values.get("netmask", ""), values["broadcast"])
        found = [(name, broadcast) if name == "broadcast" else (name, value) for name, value in found]
    return found


def _static6(found: list[tuple[str, str]]) -> list[tuple[str, str]]:
    values = dict(found)
    if "address" in values:
        parts = [part for part in values["address"].split("/") if part]
        if "netmask" not in values:
            found.append(("netmask", parts[1] if len(parts) > 1 else ""))
        found = [(n, parts[0] if parts else v) if n == "address" else (n, v) for n, v in found]
    if "gateway" in values and "accept_ra" not in values:
        found.append(("accept_ra", "0"))
    return found


def _first(text: str) -> str:
    """Return what strtok(3) finds first in an address."""
    return next((part for part in text[:_BUFFER].split("/") if part), "")


def dotted_quad(text: str) -> IPv4Address | None:
    """Return an address as inet_pton(3) reads it: four decimal numbers without zeros in front."""
    if not re.fullmatch(r"(0|[1-9][0-9]{0,2})(\.(0|[1-9][0-9]{0,2})){3}", text, re.ASCII):
        return None
    return IPv4Address(text) if all(int(part) < 256 for part in text.split(".")) else None


def _mask(text: str) -> str:
    """Return the netmask of an address: its prefix, or that of its class; the text itself where that is not plain."""
    parts = [part for part in text[:_BUFFER].split("/") if part]
    address = dotted_quad(parts[0]) if parts else None
    if address is None:
        return text
    if len(parts) == 1:
        first = int(address) >> 24
        width = 8 if first <= 127 else 16 if first <= 191 else 24 if first <= 223 else 32
    elif (mask := dotted_quad(parts[1])) is not None:
        return str(mask)
    else:
        number = re.match(r"[ \t\n\v\f\r]*([+-]?[0-9]{1,9})", parts[1], re.ASCII)
        if number is None:
            return text
        width = int(number[1])
        if width == -1:
            return text
    return str(IPv4Address(~((1 << ((32 - width) & 63)) - 1) & 0xFFFFFFFF))


def _broadcast(address: str, mask: str, sign: str) -> str:
    own, bits = dotted_quad(address), dotted_quad(mask)
    if own is None or bits is None:
        return sign
    inverse = ~int(bits) & 0xFFFFFFFF
    if inverse == 1:
        return "255.255.255.255" if sign == "+" else str(IPv4Address(0))
    return str(IPv4Address(int(own) | inverse if sign == "+" else int(own) & int(bits)))


def _hardware(value: str) -> str:
    kind, blank, rest = value.partition(" ")
    return rest if blank and kind.lower() in ("ether", "ax25", "arcnet", "netrom") else value


def calls_of(stanza: Stanza, interface: str) -> Iterator[Call] | None:
    """Return the commands that ifup runs for a stanza, in order; None when an option that it needs is missing.

    Methods that need a program which is no part of the base run a command that fails.
    """
    options = options_of(stanza)
    if stanza.method in ("static", "tunnel", "v4tunnel", "6to4") and not dict(options).get("address"):
        return None
    return _calls(stanza, options, interface)


def _calls(stanza: Stanza, options: list[tuple[str, str]], interface: str) -> Iterator[Call]:
    numbered = [(at, name, value) for at, (name, value) in enumerate(options)]
    yield from (Call(value, at) for at, name, value in numbered if name == "pre-up")
    yield from map(Call, _of_method(stanza, dict(reversed(options)), interface))
    yield from (Call(value, at) for at, name, value in numbered if name == "up")


def _of_method(stanza: Stanza, values: dict[str, str], name: str) -> Iterator[str]:
    def given(word: str, option: str) -> str:
        return f" {word}{values[option]}" if values.get(option) else ""

    match stanza.family, stanza.method:
        case ("inet", "static"):
            mask = f"/{values['netmask']}" if values.get("netmask") else ""
            more = given("broadcast ", "broadcast") + given("peer ", "pointopoint") + given("scope ", "scope")
            yield f"ip addr add {values['address']}{mask}{more} dev {name} label {name}"
            yield f"ip link set dev {name}{given('mtu ', 'mtu')}{given('address ', 'hwaddress')} up"
            if values.get("gateway"):
                yield f"ip route add default via {values['gateway']}{given('metric ', 'metric')} dev {name} onlink"
        case ("inet", "manual"):
            for word, option in (("mtu", "mtu"), ("address", "hwaddress")):
                if values.get(option):
                    yield f"ip link set dev {name} {word} {values[option]}"
            yield f"ip link set dev {name} up 2>/dev/null || true"
        case ("inet", "dhcp"):
            if values.get("hwaddress"):
                yield f"ip link set dev {name} address {values['hwaddress']}"
            yield f"dhclient {name}"
        case ("inet6", "static" | "dhcp" | "manual" | "auto"):
            hardware = given("address ", "hwaddress") if stanza.method != "auto" else ""
            yield f"ip link set dev {name}{hardware} up"
            if stanza.method == "static":
                yield f"ip -6 addr add {values['address']} dev {name}"
        case (_, "loopback"):
            yield f"ip link set dev {name} up"
        case _:
            yield "false"
