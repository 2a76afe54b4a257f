"""resolv.conf(5) as the resolver of the GNU C library 2.36 reads it (`resolv/res_init.c`).

A word counts at the beginning of its line only, and a space or a tab must follow. `domain` and `search` set the same
list: the last one wins. Of a `nameserver` line only the first address counts, and it must be nothing but an address; of
the name servers, the first three. What it does not understand it passes over without a word.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import field

from vboxlab.guest.grammars.internet_addresses import aton, pton6
from vboxlab.lazily import dataclass

MAX_SERVERS = 3  # MAXNS of <resolv.h>
NOBODY = "127.0.0.1"
"""Whom the resolver asks where no name server is given."""
_WORDS = (b"domain", b"search", b"nameserver", b"sortlist", b"options")
# What stands on a line whose writer meant one of the words.
_MEANT = re.compile(rb"\W{0,40}?(domain|search|name[- ]?servers?|options?)\b", re.IGNORECASE)
# By their beginnings, the first one that fits.
_FLAGS = {
    b"rotate": "rotate", b"edns0": "edns0", b"single-request-reopen": "single-request-reopen",
    b"single-request": "single-request", b"no_tld_query": "no-tld-query", b"no-tld-query": "no-tld-query",
    b"no-reload": "no-reload", b"use-vc": "use-vc", b"trust-ad": "trust-ad", b"no-aaaa": "no-aaaa",
}  # fmt: skip
_NUMBERS = {"ndots": (1, 15), "timeout": (5, 30), "attempts": (2, 5)}  # as without a file, and at most
_INTEGER = re.compile(rb"[ \t\n\v\f\r]*([+-]?)0*([0-9]*)")


@dataclass(frozen=True)
class Resolver:
    """Whom a computer asks for names, and how.

    `servers` are the addresses with their lines, each once; `unused` those that are one too many. `search` is empty
    where the domain of the host name is searched. `options` are those that differ from what holds without a file, with
    line and value (1 for what has none). `ignored` are the lines that mean nothing although their writer meant
    something.
    """

    servers: tuple[tuple[int, str], ...] = ()
    unused: tuple[tuple[int, str], ...] = ()
    search: tuple[str, ...] = ()
    search_line: int | None = None
    options: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    ignored: tuple[tuple[int, str], ...] = ()

    @property
    def asked(self) -> tuple[str, ...]:
        """Return the addresses that are asked, in order."""
        return tuple(address for _line, address in self.servers) or (NOBODY,)


def read(data: bytes) -> Resolver:
    """Return what the resolver understands of a file."""
    servers: list[tuple[int, str]] = []
    search: tuple[bytes, ...] = ()
    search_line: int | None = None
    options: dict[str, tuple[int, int]] = {}
    ignored: list[tuple[int, str]] = []
    for number, whole in enumerate(data.split(b"\n"), 1):
        line = whole.partition(b"\0")[0]
        word, rest = _word(line)
        names = [name for name in re.split(rb"[ \t]+", rest) if name]
        if word == b"nameserver":
            address = _address(names[0]) if names else None
            if address is not None:
                servers.append((number, address))
            elif names:
                ignored.append((number, _text(whole)))
        elif word in (b"domain", b"search"):
            if names:
                search = tuple(names[:1]) if word == b"domain" else tuple(names)
                search_line = number
        elif word == b"options":
            for name, value in _options(rest).items():
                options[name] = (number, value)
        elif word == b"sortlist":
            options["sortlist"] = (number, _networks(rest) + options.get("sortlist", (0, 0))[1])
        elif line[:1] not in (b"#", b";") and _MEANT.match(line):
            ignored.append((number, _text(whole)))
    return Resolver(
        _each_once(servers[:MAX_SERVERS]),
        tuple(servers[MAX_SERVERS:]),
        tuple(dict.fromkeys(map(_name, search))),
        search_line,
        {name: (line, value) for name, (line, value) in options.items() if value != _usual(name)},
        tuple(ignored),
    )


def _word(line: bytes) -> tuple[bytes, bytes]:
    """Return the word that a line begins with and what follows it; nothing for a line that does not count."""
    for word in _WORDS:
        if line.startswith(word) and line[len(word) : len(word) + 1] in (b" ", b"\t"):
            return word, line[len(word) :]
    return b"", b""


def _address(text: bytes) -> str | None:
    found = aton(text) or pton6(text.partition(b"%")[0])
    return None if found is None else str(found)


def _each_once(servers: list[tuple[int, str]]) -> tuple[tuple[int, str], ...]:
    first: dict[str, int] = {}
    for line, address in servers:
        first.setdefault(address, line)
    return tuple((line, address) for address, line in first.items())


def _name(name: bytes) -> str:
    """Return a name as DNS compares it."""
    return name.removesuffix(b".").lower().decode(errors="replace")


def _text(line: bytes) -> str:
    return line.decode(errors="replace")


def _usual(name: str) -> int:
    return _NUMBERS[name][0] if name in _NUMBERS else 0


def _options(rest: bytes) -> dict[str, int]:
    found: dict[str, int] = {}
    for token in re.finditer(rb"[^ \t]+", rest):
        name, colon, _value = token[0].partition(b":")
        if colon and name.decode(errors="replace") in _NUMBERS:
            usual = name.decode()
            # atoi(3) skips blanks: `ndots: 2` has the value too.
            number = _atoi(rest, token.start() + len(name) + 1)
            found[usual] = min(number, _NUMBERS[usual][1])
            if usual == "ndots":
                found[usual] &= 15  # it has four bits
        else:
            flag = next((said for beginning, said in _FLAGS.items() if token[0].startswith(beginning)), None)
            if flag is not None:
                found[flag] = 1
    return found


def _atoi(text: bytes, start: int) -> int:
    """Return the number that atoi(3) finds, which is strtol(3) cut to 32 bits."""
    match = _INTEGER.match(text, start)
    if match is None or not match[2]:
        return 0
    digits = match[2][:20]  # more are out of range anyway
    value = int(digits) * (-1 if match[1] == b"-" else 1)
    value = max(-(1 << 63), min(value, (1 << 63) - 1)) & 0xFFFFFFFF
    return value - (1 << 32) if value >> 31 else value


def _networks(rest: bytes) -> int:
    """Return how many networks a sort list names."""
    named = re.split(rb"[ \t]+", rest.partition(b";")[0].strip(b" \t"))
    return sum(1 for each in named if aton(re.split(rb"[/&]", each, maxsplit=1)[0]) is not None)
