"""Addresses as the C library reads them from text: inet_aton(3) and inet_pton(3)."""

from __future__ import annotations

import re
from ipaddress import AddressValueError, IPv4Address, IPv6Address

# strtoul(3) with base 0, a number that is not over 32 bits.
_NUMBER = re.compile(rb"0[xX]0{0,64}[0-9a-fA-F]{1,8}|0{1,64}[0-7]{0,11}|[1-9][0-9]{0,9}")


def aton(text: bytes) -> IPv4Address | None:
    """Return an IPv4 address of one to four numbers, each decimal, octal (`010`) or hexadecimal (`0xa`): inet_aton(3).

    The last number fills what is left of the 32 bits. None for what is no such address.
    """
    parts = text.split(b".")
    if len(parts) > 4 or not all(_NUMBER.fullmatch(part) for part in parts):
        return None
    *bytes_before, last = [_value(part) for part in parts]
    rest = 8 * (4 - len(bytes_before))
    if last >= 1 << rest or any(value > 0xFF for value in bytes_before):
        return None
    value = last
    for position, byte in enumerate(bytes_before):
        value |= byte << (24 - 8 * position)
    return IPv4Address(value)


def _value(number: bytes) -> int:
    if number[:2] in (b"0x", b"0X"):
        return int(number, 16)
    return int(number, 8 if number.startswith(b"0") else 10)


def pton(text: bytes) -> IPv4Address | None:
    """Return an IPv4 address of four decimal numbers without leading zeros: inet_pton(3). None for what is none."""
    try:
        return IPv4Address(text.decode("ascii"))
    except (AddressValueError, UnicodeDecodeError):
        return None


def pton6(text: bytes) -> IPv6Address | None:
    """Return an IPv6 address without a scope: inet_pton(3). None for what is none."""
    try:
        return None if b"%" in text else IPv6Address(text.decode("ascii"))
    except (AddressValueError, UnicodeDecodeError):
        return None
