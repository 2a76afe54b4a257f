"""Heartbeat's authkeys, as Heartbeat 3.0.6 reads it (its parse_authfile, and what it was seen to refuse).

    auth 1
    1 md5 SECRET

Lines are read in turn: a key is the one that signs when its number is the one that the last `auth` before it has named.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import field
from typing import Literal

from vboxlab.lazily import dataclass

METHODS: dict[bytes, bool] = {b"md5": True, b"sha1": True, b"crc": False}
"""The methods that there are, each with whether it needs a secret."""
NUMBERS = range(16)
READ_BY_OTHERS = 0o044
"""The bits of the mode that make Heartbeat refuse the file; who it belongs to does not matter to it."""
_LONGEST = 5119  # bytes of a line: what is longer is read on as a line of its own
_BLANK = b" \t\n\v\f\r"
_AUTH = re.compile(rb"auth[ \t\n\v\f\r]*([+-]?[0-9]+)")
_NUMBER = re.compile(rb"[+-]?[0-9]+")

Refusal = Literal["auth", "line", "number", "method", "secret", "no-secret", "no-auth", "no-key", "late-auth"]


@dataclass(frozen=True)
class Refused:
    """Why Heartbeat does not start; `line` is None where none is to blame."""

    kind: Refusal
    line: int | None = None


@dataclass(frozen=True)
class Key:
    """A key: its number, method, and secret ("" for crc), in line `line`."""

    number: int
    method: str
    secret: bytes
    line: int


@dataclass(frozen=True)
class AuthKeys:
    """What is in the file: the key that signs, everything that makes Heartbeat refuse it, and the keys by number.

    What another node has signed is believed when the key of its number is the same here, used or not.
    """

    used: Key | None
    refused: tuple[Refused, ...]
    known: Mapping[int, Key] = field(default_factory=dict)


def read_authkeys(data: bytes) -> AuthKeys:
    """Return the key that Heartbeat signs its packets with, None with the reasons when it does not start."""
    refused: list[Refused] = []
    chosen: int | None = None
    used: Key | None = None
    known: dict[int, Key] = {}
    last_auth: int | None = None
    for line, text in _lines(data):
        if text.startswith(b"a"):
            found = _AUTH.match(text)
            if found is None:
                refused.append(Refused("auth", line))
            else:
                chosen, last_auth = int(found[1]), line
            continue
        key = _key(line, text)
        if isinstance(key, Refused):
            refused.append(key)
            continue
        known[key.number] = key
        if key.number == chosen:
            used = key
    if used is None and not refused:
        if chosen is None:
            refused.append(Refused("no-auth"))
        else:
            refused.append(Refused("late-auth" if chosen in known else "no-key", last_auth))
    return AuthKeys(None if refused else used, tuple(refused), known)


def _lines(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield what says something, with its line's number: without comments, and up to a NUL, where C's texts end."""
    for number, whole in enumerate(data.split(b"\n"), 1):
        for start in range(0, max(len(whole), 1), _LONGEST):
            text = whole[start : start + _LONGEST].partition(b"\0")[0].lstrip(_BLANK)
            if text and not text.startswith(b"#"):
                yield number, text


def _key(line: int, text: bytes) -> Key | Refused:
    found = _NUMBER.match(text)
    if found is None:
        return Refused("line", line)
    words = text[found.end() :].split(maxsplit=2)
    method = words[0] if words else b""
    if int(found[0]) not in NUMBERS:
        return Refused("number", line)
    if method not in METHODS:
        return Refused("method", line)
    secret = words[1] if len(words) > 1 else b""
    if METHODS[method] and not secret:
        return Refused("secret", line)
    if secret and not METHODS[method]:
        return Refused("no-secret", line)
    return Key(int(found[0]), method.decode(), secret, line)
