"""What is true in a guest, as far as slips can be told from it: what the facts script printed, as values.

What secret files hold never leaves the guest.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable, Mapping
from dataclasses import field

from vboxlab.lazily import dataclass

HOSTNAME = "/etc/hostname"
NSSWITCH = "/etc/nsswitch.conf"
LONGEST = 65536
"""Bytes of a file that are looked at; the script reads one more, which tells of those that are longer."""


@dataclass(frozen=True)
class FileFact:
    """A regular file that exists."""

    path: str
    mode: int
    owner: str  # USER:GROUP
    data: bytes

    @property
    def is_cut(self) -> bool:
        """Tell whether it is longer than what is looked at."""
        return len(self.data) > LONGEST

    @property
    def content(self) -> str:
        """Return its text; bytes that are no UTF-8 are U+FFFD."""
        return self.data.decode(errors="replace")

    @property
    def lines(self) -> list[tuple[int, str]]:
        """Return its lines with their numbers, without comments, surrounding spaces and empty ones."""
        stripped = ((number, line.strip()) for number, line in enumerate(self.content.splitlines(), 1))
        return [(number, line) for number, line in stripped if line and not line.startswith("#")]


@dataclass(frozen=True)
class Answer:
    """What a program of the guest said when it was asked."""

    exit_code: int
    output: str
    complaint: str  # its standard error


@dataclass(frozen=True)
class Facts:
    """What one guest said. Files that were asked for and are not among them do not exist."""

    hostname: str = ""
    files: Mapping[str, FileFact] = field(default_factory=dict)
    interfaces: tuple[str, ...] = ()
    addresses: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  # by interface, with prefix lengths
    gateways: tuple[tuple[str, str], ...] = ()  # (address, interface)
    settings: Mapping[str, str] = field(default_factory=dict)  # kernel settings now
    enabled: frozenset[str] = frozenset()  # services that start at boot
    said: Mapping[str, tuple[tuple[str, ...], ...]] = field(default_factory=dict)  # a role's facts: fields, by a word
    answers: Mapping[str, Answer] = field(default_factory=dict)  # of programs, by a word

    def files_in(self, folder: str) -> list[FileFact]:
        """Return the files that stand in a folder, by name as the C locale sorts them."""
        return sorted((f for p, f in self.files.items() if p.rpartition("/")[0] == folder), key=lambda f: f.path)


def parse_facts(lines: Iterable[str]) -> Facts:
    """Put together what the script printed; lines of another form are not ours and are left out."""
    hostname, interfaces, gateways, enabled = "", [], [], set()
    found: dict[str, FileFact] = {}
    said: dict[str, tuple[tuple[str, ...], ...]] = {}
    addresses: dict[str, tuple[str, ...]] = {}
    settings: dict[str, str] = {}
    answers: dict[str, Answer] = {}
    for line in lines:
        match line.split("\t"):
            case ["hostname", hostname]:
                pass
            case ["interface", name]:
                interfaces.append(name)
            case ["addresses", name, those]:
                addresses[name] = tuple(those.split())
            case ["gateway", via, device]:
                gateways.append((via, device))
            case ["setting", name, value]:
                settings[name] = value
            case ["enabled", name]:
                enabled.add(name)
            case ["file", path, rights, content]:
                found[path] = FileFact(path, *rights_of(rights), _decoded(content))
            case ["answer", word, code, output, complaint]:
                answers[word] = Answer(int(code), _decoded(output).decode(errors="replace"),
                                       _decoded(complaint).decode(errors="replace"))  # fmt: skip
            case ["said", word, *values]:
                said[word] = (*said.get(word, ()), tuple(values))
            case _:
                pass
    return Facts(
        hostname, found, tuple(interfaces), addresses, tuple(gateways), settings, frozenset(enabled), said, answers
    )


def rights_of(text: str) -> tuple[int, str]:
    """Return mode and owner from what the script's `rights` printed."""
    mode, _blank, owner = text.partition(" ")
    return int(mode or "0", 8), owner


def _decoded(content: str) -> bytes:
    try:
        return base64.b64decode(content, validate=True)
    except binascii.Error:
        return b""
