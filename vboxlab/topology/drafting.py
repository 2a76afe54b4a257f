"""A topology in the making, and the text of its file: commented, to be gone on with by hand. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

from vboxlab.lazily import dataclass
from vboxlab.topology.model import NetworkKind

# Texts that stand in YAML as they are, wherever they stand; all others are quoted.
_PLAIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9_./-]*( [A-Za-z0-9_./-]+)*")
_NULLS = ("null", "Null", "NULL")
LONGEST = 120


@dataclass(frozen=True)
class DraftNetwork:
    """A network of the draft; `host_name` where the host calls it otherwise. A remark is a comment above it."""

    name: str
    kind: NetworkKind = "internal"
    subnet: str = ""
    host_name: str = ""
    remarks: tuple[str, ...] = ()

    def lines(self) -> Iterator[str]:
        """Yield its lines."""
        keys = {"kind": self.kind, "subnet": self.subnet, "host_name": self.host_name}
        said = ", ".join(f"{key}: {scalar(value)}" for key, value in keys.items() if value)
        yield from _comments(self.remarks, 2)
        yield f"  {scalar(self.name)}: {{{said}}}"


@dataclass(frozen=True)
class DraftAdapter:
    """An adapter of a machine of the draft."""

    network: str
    slot: int = 0  # 0: its place in the list
    address: str = ""
    cable: bool = True
    remarks: tuple[str, ...] = ()

    def lines(self) -> Iterator[str]:
        """Yield its lines."""
        slot, cable = str(self.slot or ""), "" if self.cable else "false"
        keys = {"slot": slot, "network": self.network, "address": self.address, "cable": cable}
        said = ", ".join(f"{key}: {scalar(value)}" for key, value in keys.items() if value)
        yield from _comments(self.remarks, 6)
        yield f"      - {{{said}}}"


@dataclass(frozen=True)
class DraftMachine:
    """A machine of the draft. `keys` are those of one line each; `more` are whole lines below its adapters."""

    name: str
    keys: tuple[tuple[str, str], ...]
    adapters: tuple[DraftAdapter, ...] = ()
    more: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()

    def lines(self) -> Iterator[str]:
        """Yield its lines."""
        yield from _comments(self.remarks, 2)
        yield f"  {scalar(self.name)}:"
        yield from (f"    {key}: {scalar(value)}" for key, value in self.keys if value)
        if self.adapters:
            yield "    adapters:"
            yield from (line for adapter in self.adapters for line in adapter.lines())
        else:
            yield "    adapters: []"
        yield from (f"    {line}" for line in self.more)


@dataclass(frozen=True)
class Draft:
    """A topology in the making. `head` and `tail` are comments; `verify` are the lines of its steps."""

    lab: str
    title: str
    base: str
    networks: tuple[DraftNetwork, ...]
    machines: tuple[DraftMachine, ...]
    head: tuple[str, ...] = ()
    about_base: tuple[str, ...] = ()
    about_networks: tuple[str, ...] = ()
    about_machines: tuple[str, ...] = ()
    about_verify: tuple[str, ...] = ()
    verify: tuple[str, ...] = ()
    tail: tuple[str, ...] = ()

    def text(self) -> str:
        """Return the file."""
        lines = [
            *_comments(self.head, 0),
            f"lab: {scalar(self.lab)}",
            *([f"title: {scalar(self.title)}"] if self.title else []),
            *_comments(self.about_base, 0),
            f"base: {scalar(self.base)}",
            "",
            *_comments(self.about_networks, 0),
            "networks:" if self.networks else "networks: {}",
            *(line for network in self.networks for line in network.lines()),
            "",
            *_comments(self.about_machines, 0),
            "machines:",
            *_between(machine.lines() for machine in self.machines),
        ]
        if self.verify or self.about_verify:
            lines += ["", *_comments(self.about_verify, 0)]
        if self.verify:
            lines += ["verify:", *(f"  {line}" for line in self.verify)]
        if self.tail:
            lines += ["", *_comments(self.tail, 0)]
        return "\n".join(lines) + "\n"


def scalar(text: str) -> str:
    """Return a text as a scalar of YAML that is read as that text, holes of parameters included."""
    if _PLAIN.fullmatch(text) and text not in _NULLS:
        return text
    escaped = "".join(_escaped(character) for character in text.replace("{", "{{"))
    return f'"{escaped}"'


def _escaped(character: str) -> str:
    if character in '"\\':
        return f"\\{character}"
    return character if character.isprintable() else f"\\U{ord(character):08x}"


def harmless_comment(text: str) -> str:
    """Return a text as what may stand in a comment: one line, and nothing that cannot be printed."""
    return "".join(character if character.isprintable() else " " for character in text).strip()


def _comments(texts: Sequence[str], indent: int) -> Iterator[str]:
    margin = " " * indent
    for text in texts:
        yield from (f"{margin}# {line}".rstrip() for line in _wrapped(harmless_comment(text), LONGEST - indent - 2))


def _wrapped(text: str, width: int) -> list[str]:
    """Return the words of a text in lines, but a command to type in one."""
    if text.startswith("vboxlab "):
        return [text]
    lines = [""]
    for word in text.split(" "):
        if lines[-1] and len(lines[-1]) + 1 + len(word) > width:
            lines.append(word)
        else:
            lines[-1] = f"{lines[-1]} {word}" if lines[-1] else word
    return lines


def _between(machines: Iterable[Iterator[str]]) -> Iterator[str]:
    """Yield the lines of machines with an empty one between them."""
    for number, lines in enumerate(machines):
        if number:
            yield ""
        yield from lines


def fit_name(text: str, taken: Iterable[str] = (), *, default: str = "machine") -> str:
    """Return a name fit for a machine and its host name, made of any text, that none of the others has (RFC 1123)."""
    made = re.sub(r"[^A-Za-z0-9]+", "-", text).strip("-")[:60].strip("-") or default
    known = {name.lower() for name in taken}
    if made.lower() not in known:
        return made
    return next(other for number in range(2, len(known) + 3) if (other := f"{made}-{number}").lower() not in known)
