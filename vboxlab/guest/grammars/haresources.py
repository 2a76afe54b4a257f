"""haresources as Heartbeat 3.0.6 reads it, twice and each time otherwise: what matters is what a node then has.

At its start the daemon (parse_ha_resources of heartbeat/config.c) looks at the first word of each line, which must be a
node, and passes over lines that another one ends with a backslash before. When resources are taken, the shell script
ResourceManager reads the file: comments go first, then lines are joined (so a `#` in a continued line is a word), and
the first resource of a line of the node is its key. All lines that have a key as a word are one group: what follows a
second node's name is taken for resources as well. One resource that fails, and all of the group are given up.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Set
from dataclasses import field
from ipaddress import AddressValueError, IPv4Address, IPv4Interface, NetmaskValueError

from vboxlab.lazily import dataclass

MOST = 5118  # bytes of a line, as the daemon reads it
ADDRESS_SCRIPTS = ("IPaddr", "IPaddr2", "FloatingAddress")
BLANKS = " \t\n\r\f"
_BARE = re.compile(r"[0-9][^.]*\..*[0-9].*\..*[0-9].*\..*[0-9]", re.DOTALL)


@dataclass(frozen=True)
class FloatingAddress:
    """What an address script is told: all that it must know, and nothing that it cannot read."""

    script: str
    address: str
    length: int  # of the prefix
    interface: str
    broadcast: str

    def __str__(self) -> str:
        return f"{self.address}/{self.length}/{self.interface}"


@dataclass(frozen=True)
class Word:
    """A resource as it is written: its script and arguments, and the line that it stands in."""

    text: str
    line: int
    script: str
    arguments: tuple[str, ...] = ()

    @property
    def is_address(self) -> bool:
        """Tell whether it is meant as a floating address."""
        return self.script in ADDRESS_SCRIPTS

    def floating(self) -> FloatingAddress | None:
        """Return the address that the script makes of its argument; None where it fails.

        ADDRESS/MASK/INTERFACE[/BROADCAST]: without mask and interface IPaddr does not find its interface.
        """
        if len(self.arguments) != 1:
            return None
        address, _slash, rest = self.arguments[0].partition("/")
        mask, _slash, rest = rest.lstrip("/").partition("/")
        interface, _slash, rest = rest.lstrip("/").partition("/")
        interface = interface.partition(":")[0]
        if not interface or interface[0].isdigit():
            return None
        try:
            own = IPv4Interface(f"{IPv4Address(address)}/{mask}")
            broadcast = str(IPv4Address(rest.lstrip("/").partition("/")[0] or own.network.broadcast_address))
        except (AddressValueError, NetmaskValueError):
            return None
        return FloatingAddress(self.script, str(own.ip), own.network.prefixlen, interface, broadcast)


@dataclass(frozen=True)
class Line:
    """A line as ResourceManager has it: the node in small letters, and its resources."""

    number: int
    node: str
    words: tuple[Word, ...]


@dataclass(frozen=True)
class Taken:
    """What a node has that took its resources, in the order in which it got them."""

    addresses: tuple[FloatingAddress, ...] = ()
    services: tuple[str, ...] = ()
    address_first: bool = True  # before each service
    failed: tuple[Word, ...] = ()  # for each of these a group was given up


@dataclass(frozen=True)
class Haresources:
    """What is read from a file."""

    lines: tuple[Line, ...]
    bad_nodes: tuple[tuple[str, int], ...] = field(default=())  # for which the daemon refuses to start

    def taken(self, node: str, scripts: Set[str], interfaces: Set[str]) -> Taken:
        """Return what a node gets that takes the resources of its lines.

        It has these interfaces; of scripts there are those that these names have.
        """
        addresses: list[FloatingAddress] = []
        services: list[str] = []
        failed: list[Word] = []
        address_first = True
        for line in self.lines:
            if line.node != node or not line.words:
                continue
            group = self._group(line.words[0])
            for word in group:
                floating = word.floating() if word.is_address else None
                fine = word.script in scripts and (
                    not word.is_address or (floating is not None and floating.interface in interfaces)
                )
                if not fine:
                    failed.append(word)
                    gone = [each.floating() for each in group if each.is_address]
                    addresses = [each for each in addresses if each not in gone]
                    services = [each for each in services if each not in [other.script for other in group]]
                    break
                if floating is not None and floating.address not in [each.address for each in addresses]:
                    address_first = address_first and not services
                    addresses.append(floating)
                elif not word.is_address and word.script not in services:
                    services.append(word.script)
        return Taken(tuple(addresses), tuple(services), address_first, tuple(failed))

    def _group(self, key: Word) -> list[Word]:
        """Return what is taken with a key: the rest of the first line that has it, and all words of further ones."""
        found: list[Word] = []
        for line in self.lines:
            if any(word.text == key.text for word in line.words):
                found += [Word(line.node, line.number, line.node)] if found else []
                found += line.words
        return found


def read_haresources(data: bytes, nodes: Set[str]) -> Haresources:
    """Return what Heartbeat reads; `nodes` are those of ha.cf, in small letters."""
    return Haresources(tuple(_lines(data)), tuple(_bad_nodes(data, nodes)))


def _bad_nodes(data: bytes, nodes: Set[str]) -> Iterator[tuple[str, int]]:
    pieces = [
        (number, (line + b"\n")[start : start + MOST].partition(b"\0")[0].decode(errors="surrogateescape"))
        for number, line in enumerate(data.removesuffix(b"\n").split(b"\n"), 1)
        for start in range(0, len(line) + 1, MOST)
    ]
    is_continued = False
    for number, piece in pieces:
        text = piece.lstrip(BLANKS)
        if not is_continued:
            if not text or text.startswith("#"):
                continue
            token = re.split(r"[ \t\n\r\f]", text, maxsplit=1)[0]
            if _small(token) not in nodes:
                yield token, number
                return
        is_continued = piece[-2:-1] == "\\"


def _lines(data: bytes) -> Iterator[Line]:
    rows = data.decode(errors="surrogateescape").removesuffix("\n").split("\n") if data else []
    number = 0
    while number < len(rows):
        first, text = number + 1, rows[number].partition("#")[0]
        starts = [(0, first)]
        number += 1
        while text.endswith("\\") and number < len(rows):
            text = text[:-1]
            starts.append((len(text), number + 1))
            text += rows[number]
            number += 1
        words = [
            (found[0], next(line for start, line in reversed(starts) if start <= found.start()))
            for found in re.finditer(r"[^ \t]+", text)
        ]
        if words:
            resources = tuple(_word(word, line) for word, line in words[1:])
            yield Line(first, _small(words[0][0]), resources)


def _word(text: str, line: int) -> Word:
    if _BARE.match(text):
        return Word(text, line, "IPaddr", tuple(text.split("::")))
    script, *arguments = text.split("::")
    return Word(text, line, script, tuple(arguments))


def _small(text: str) -> str:
    return re.sub(r"[A-Z]+", lambda found: found[0].lower(), text)
