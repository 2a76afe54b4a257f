"""Read /etc/network/interfaces as ifup, ifdown and ifquery do: interfaces(5), and config.c of ifupdown 0.8.41.

What the man page does not say: an option given twice is one with two lines; an error in the main file makes the whole
file be refused, one in a file that is included only ends that file; errors in names of files are passed over.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import field
from typing import Literal

from vboxlab.guest.grammars.interfaces_text import folder_of, lines_of, named_by, next_word, plain, words_of
from vboxlab.lazily import dataclass

INTERFACES = "/etc/network/interfaces"
COMMANDS = ("pre-up", "up", "down", "post-down")
LARGEST = 64  # files; a file can include itself under other names without end
LONGEST = 4096  # lines with something in them, of all files, and options inherited
_SAME_AS = {"post-up": "up", "pre-down": "down"}
_METHODS: Mapping[str, tuple[str, ...]] = {
    "inet": ("loopback", "static", "manual", "dhcp", "bootp", "tunnel", "ppp", "wvdial", "ipv4ll"),
    "inet6": ("auto", "loopback", "static", "manual", "dhcp", "tunnel", "v4tunnel", "6to4"),
    "ipx": ("static", "dynamic"),
    "can": ("static",),
    "meta": ("none",),
}
Fault = Literal[
    "no-name", "family", "method", "inherits-nothing", "inherits-unknown", "no-value", "misplaced", "two-scripts"
]


@dataclass(frozen=True)
class At:
    """A line of a file."""

    path: str
    line: int


@dataclass(frozen=True)
class Option:
    """An option or a command of a stanza; `value` has a line for each time that it is given, the last one at `last`."""

    name: str
    value: str
    at: At
    last: At


@dataclass
class Stanza:
    """One `iface` stanza, with the options that it inherits in front."""

    name: str
    family: str
    method: str
    at: At
    options: list[Option] = field(default_factory=list)

    def option(self, name: str) -> Option | None:
        """Return an option that it has."""
        return next((option for option in self.options if option.name == name), None)


@dataclass(frozen=True)
class Named:
    """An interface, or a pattern of some, in a line such as `auto`."""

    name: str
    at: At


@dataclass
class Mapped:
    """One `mapping` stanza."""

    patterns: tuple[str, ...]
    at: At
    script: str | None = None


@dataclass(frozen=True)
class Refusal:
    """Why a file is not read to its end, and the word that is the reason."""

    fault: Fault
    word: str
    at: At


@dataclass
class Reading:
    """What ifupdown understood. `refused` is of the main file: then nothing of it counts."""

    stanzas: list[Stanza] = field(default_factory=list)
    classes: dict[str, list[Named]] = field(default_factory=dict)
    mappings: list[Mapped] = field(default_factory=list)
    renamed: list[Named] = field(default_factory=list)
    refused: Refusal | None = None
    passed_over: list[Refusal] = field(default_factory=list)  # what is wrong besides, where all was to be read
    broken: list[Refusal] = field(default_factory=list)  # of files that are included
    unread: list[Named] = field(default_factory=list)  # files that are included, but are not among those given
    is_cut: bool = False  # there is more of it than is read here
    files: list[str] = field(default_factory=list)  # in the order read, as they are spelt

    def stanzas_of(self, name: str) -> list[Stanza]:
        """Return the stanzas of a logical interface."""
        return [stanza for stanza in self.stanzas if stanza.name == name]


class _Refused(Exception):
    def __init__(self, fault: Fault, word: str, at: At) -> None:
        super().__init__(fault)
        self.refusal = Refusal(fault, word, at)


def read_interfaces(files: Mapping[str, bytes], path: str = INTERFACES, *, wholly: bool = False) -> Reading:
    """Read the main file and what it includes.

    `files` are the contents of all files that may be included, by their paths; what is not among them is in `unread`
    when the file names it, and is taken for missing when a wildcard might. A file that is missing is read as empty.
    `wholly` goes on in the main file after what makes ifupdown refuse it, without the lines that are wrong, so that
    all that is wrong can be told.
    """
    reader = _Reader(files, path if wholly else None)
    try:
        reader.read(path)
    except _Refused as error:
        reader.reading.refused = error.refusal
    if reader.reading.passed_over:
        reader.reading.refused = reader.reading.passed_over.pop(0)
    return reader.reading


class _Reader:
    """The state that is kept from file to file."""

    def __init__(self, files: Mapping[str, bytes], wholly: str | None) -> None:
        self.files, self.wholly = files, wholly
        self.left = LONGEST
        self.named: set[tuple[str, str]] = set()
        self.reading = Reading()

    def read(self, path: str) -> None:
        data = self.files.get(plain(path))
        if path in self.reading.files or data is None:
            return
        if len(self.reading.files) == LARGEST:
            self.reading.is_cut = True
            return
        self.reading.files.append(path)
        current: Stanza | Mapped | None = None
        misplaced = False
        for number, text in lines_of(data):
            word, rest = next_word(text)
            if rest is None:
                continue
            self.left -= 1
            if self.left < 0 or self.reading.is_cut:
                self.reading.is_cut = True
                return
            try:
                current = self._line(word, rest, At(plain(path), number), current)
                misplaced = False
            except _Refused as error:
                if path != self.wholly:
                    raise
                if error.refusal.fault != "misplaced" or not misplaced:  # of lines in a row, the first
                    self.reading.passed_over.append(error.refusal)
                misplaced = error.refusal.fault == "misplaced"
                if word == "iface":  # what follows belongs to a stanza that does not count
                    current = Stanza(next_word(rest)[0], "", "", error.refusal.at)

    def _line(self, word: str, rest: str, at: At, current: Stanza | Mapped | None) -> Stanza | Mapped | None:
        """Read one line; return the stanza that the next line belongs to."""
        if word == "mapping":
            self.reading.mappings.append(Mapped(tuple(words_of(rest)), at))
            return self.reading.mappings[-1]
        if word == "source" or word.startswith("source-dir"):
            self._include(word, rest, at)
            return None
        if word == "iface":
            self.reading.stanzas.append(self._stanza(rest, at))
            return self.reading.stanzas[-1]
        if word in ("auto", "no-auto-down", "no-scripts") or (word.startswith("allow-") and len(word) > len("allow-")):
            names = [Named(name, at) for name in words_of(rest)]
            within = isinstance(current, Stanza) and not names
            if isinstance(current, Stanza) and not names:
                names = [Named(current.name, at)]
            if not word.startswith("no-"):
                self._add_to_class(word.removeprefix("allow-"), names)
            return current if within else None
        if word == "rename":
            self.reading.renamed += [Named(name, at) for name in words_of(rest)]
            return None
        if isinstance(current, Stanza):
            _add_option(current, word, rest, at)
        elif isinstance(current, Mapped) and word == "script":
            if current.script is not None:
                raise _Refused("two-scripts", rest, at)
            current.script = rest
        elif not (isinstance(current, Mapped) and word == "map"):
            raise _Refused("misplaced", word, at)
        return current

    def _add_to_class(self, kind: str, names: list[Named]) -> None:
        known = self.reading.classes.setdefault(kind, [])
        for named in names:
            if (kind, named.name) not in self.named:
                self.named.add((kind, named.name))
                known.append(named)

    def _stanza(self, rest: str, at: At) -> Stanza:
        """Read what follows `iface`."""
        words = list(words_of(rest))
        if not words:
            raise _Refused("no-name", "iface", at)
        name, after = words[0], words[1:]
        family = after.pop(0) if after and after[0] in _METHODS else ""
        method = after.pop(0) if family and after and after[0] in _METHODS[family] else ""
        if not method and (not after or after[0] != "inherits"):
            fault: Fault = "method" if family else "family"
            raise _Refused(fault, after[0] if after else "", at)
        options: list[Option] = []
        if after and after[0] == "inherits":
            if len(after) == 1:
                raise _Refused("inherits-nothing", name, at)
            parent = next((s for s in self.reading.stanzas if s.name == after[1] and family in ("", s.family)), None)
            if parent is None:
                raise _Refused("inherits-unknown", after[1], at)
            family, method = family or parent.family, method or parent.method
            options = list(parent.options)
            self.left -= len(options)
        return Stanza(name, family, method, at, options)

    def _include(self, word: str, rest: str, at: At) -> None:
        for path in self._included(word, rest, at):
            try:
                self.read(path)
            except _Refused as error:
                self.reading.broken.append(error.refusal)

    def _included(self, word: str, rest: str, at: At) -> Iterator[str]:
        within = folder_of(at.path)
        if word == "source":
            for path in named_by(rest, within, self.files):
                if plain(path) not in self.files and path.startswith("/"):
                    self.reading.unread.append(Named(path, at))
                yield path
            return
        folders = {folder_of(path) for path in self.files}
        for folder in named_by(rest, within, folders):
            if plain(folder) not in folders:
                self.reading.unread.append(Named(folder, at))
            for path in sorted(self.files):
                name = path.rpartition("/")[2]
                is_plain = name.isascii() and name.replace("_", "").replace("-", "").isalnum()
                if folder_of(path) == plain(folder) and is_plain:
                    yield f"{folder}/{name}"


def _add_option(stanza: Stanza, word: str, rest: str, at: At) -> None:
    """Add an option to a stanza, or a line to one that it has; `NAME?` counts only where there is none."""
    word = _SAME_AS.get(word, word)
    if not rest:
        raise _Refused("no-value", word, at)
    name = word.removesuffix("?")
    index = next((i for i, option in enumerate(stanza.options) if option.name == name), None)
    if word in COMMANDS or index is None:
        stanza.options.append(Option(name, rest, at, at))
    elif name == word:
        old = stanza.options[index]
        stanza.options[index] = Option(name, f"{old.value}\n{rest}", old.at, at)
