"""What files of sshd_config(5) set for one connection, as sshd of OpenSSH 9.2 reads them (its servconf.c and misc.c).

The first value wins, in the order in which files are included; a Match block that fits wins over what is outside of
all, and ends with its file.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Mapping
from dataclasses import field
from fnmatch import fnmatchcase
from ipaddress import ip_address, ip_network

from vboxlab.guest.grammars.sshd_keywords import GLOBAL, KEYWORDS
from vboxlab.lazily import dataclass

MAIN = "/etc/ssh/sshd_config"
FOLDER = "/etc/ssh/sshd_config.d"

_ALL_COUNT = frozenset({"allowusers", "denyusers", "allowgroups", "denygroups"})  # each line adds to those before
_CHOICES = {
    "permitrootlogin": ("yes", "no", "without-password", "prohibit-password", "forced-commands-only"),
    "passwordauthentication": ("yes", "no"),
}
_MANY_WORDS = frozenset({*_ALL_COUNT, "authenticationmethods", "forcecommand", "match", "include"})
_DEPTH = 16  # SERVCONF_MAX_DEPTH
_MOST_INCLUDED = 1000  # sshd would read for ever what includes others often enough
_CRITERIA = frozenset({"user", "group", "host", "address", "localaddress", "localport", "rdomain"})


@dataclass(frozen=True)
class Connection:
    """Who comes from where to which address of the server."""

    user: str
    address: str
    local_address: str
    port: int = 22

    def value_of(self, criterion: str) -> str:
        """Return what a criterion of Match is compared with; a host is named by its address without UseDNS."""
        return {"user": self.user, "localaddress": self.local_address, "localport": str(self.port)}.get(
            criterion, self.address
        )


@dataclass(frozen=True)
class Setting:
    """What a keyword is set to, and where."""

    file: str
    line: int
    text: str
    values: tuple[str, ...]


@dataclass(frozen=True)
class Refusal:
    """A line for which sshd refuses to start; `word` is what it stumbles over."""

    file: str
    line: int
    text: str
    word: str


@dataclass(frozen=True)
class Configuration:
    """What is set for a connection by keyword in small letters, and the lines that sshd refuses."""

    settings: Mapping[str, tuple[Setting, ...]] = field(default_factory=dict)
    refused: tuple[Refusal, ...] = ()

    def first(self, keyword: str) -> Setting | None:
        """Return the setting that counts of a keyword for which the first one does."""
        return next(iter(self.settings.get(keyword, ())), None)

    def values(self, keyword: str) -> tuple[str, ...]:
        """Return the words of all lines that count of a keyword."""
        return tuple(value for each in self.settings.get(keyword, ()) for value in each.values)


class _RefusedError(Exception):
    """A line that sshd refuses, by the word that it stumbles over."""


@dataclass(frozen=True)
class _Line:
    setting: Setting
    keyword: str
    outside: bool  # of all Match blocks, or in one with `all`
    inside: bool  # of a Match block that fits


def read(files: Mapping[str, bytes], connection: Connection) -> Configuration:
    """Return what the files set for a connection, from MAIN on. Files that are included and not given set nothing."""
    refused: list[Refusal] = []
    reader = _Reader(files, connection, refused, itertools.count())
    lines = list(reader.lines(MAIN, outside=True, inside=False, depth=0))
    settings = {}
    for keyword in dict.fromkeys(line.keyword for line in lines):
        those = [line for line in lines if line.keyword == keyword]
        found = [each.setting for each in those if each.inside] or [each.setting for each in those if each.outside]
        if found:
            settings[keyword] = tuple(found if keyword in _ALL_COUNT else found[:1])
    return Configuration(settings, tuple(refused))


@dataclass(frozen=True)
class _Reader:
    files: Mapping[str, bytes]
    connection: Connection
    refused: list[Refusal]
    counted: Iterator[int]

    def lines(self, path: str, *, outside: bool, inside: bool, depth: int) -> Iterator[_Line]:
        """Yield the lines of a file and of those that it includes, which begin as the line that includes them."""
        never = not outside and not inside and depth > 0
        text = self.files.get(path, b"").decode(errors="replace")
        for number, whole in enumerate(text.split("\n"), 1):
            line = whole.rstrip(" \t\r\n\f").strip(" \t\r")
            try:
                keyword, words = _parsed(line)
                match keyword:
                    case "":
                        pass
                    case "match":
                        fits, everybody = self._fits(words)
                        outside, inside = everybody and not never, fits and not never
                    case "include":
                        for included in self._included(words):
                            if depth == _DEPTH or next(self.counted) > _MOST_INCLUDED or self._is_too_deep:
                                raise _RefusedError("Include")  # noqa: TRY301
                            yield from self.lines(included, outside=outside, inside=inside, depth=depth + 1)
                    case _:
                        if not outside and keyword in GLOBAL:
                            raise _RefusedError(line.split()[0])  # noqa: TRY301
                        values = tuple(words)
                        yield _Line(Setting(path, number, line, values), keyword, outside and not inside, inside)
            except _RefusedError as refusal:
                self.refused.append(Refusal(path, number, line, str(refusal)))

    @property
    def _is_too_deep(self) -> bool:
        return bool(self.refused) and self.refused[-1].word == "Include"

    def _included(self, patterns: list[str]) -> Iterator[str]:
        for pattern in patterns:
            whole = pattern if pattern.startswith("/") else f"/etc/ssh/{pattern}"
            yield from sorted(path for path in self.files if _globbed(path, whole))

    def _fits(self, words: list[str]) -> tuple[bool, bool]:
        """Return whether a Match block fits the connection, and whether it is one for everybody."""
        pairs = [part for word in words for part in (word.split("=", 1) if "=" in word else [word])]
        if not pairs:
            raise _RefusedError("Match")
        if pairs[0].lower() == "all":
            if len(pairs) > 1:
                raise _RefusedError(pairs[0])
            return True, True
        fits = True
        for criterion, wanted in zip(pairs[::2], [*pairs[1::2], ""], strict=False):
            name = criterion.lower()
            if name not in _CRITERIA or not wanted:
                raise _RefusedError(criterion)
            fits &= _listed(name, self.connection.value_of(name), wanted)
        return fits, False


def _globbed(path: str, pattern: str) -> bool:
    parts, patterns = path.split("/"), re.sub("/+", "/", pattern).split("/")
    return len(parts) == len(patterns) and all(
        fnmatchcase(part, wanted) and (not part.startswith(".") or wanted.startswith("."))
        for part, wanted in zip(parts, patterns, strict=True)
    )


def _listed(criterion: str, value: str, patterns: str) -> bool:
    """Tell whether a value is in a list of patterns: one with `!` that fits forbids it (ssh_config(5), PATTERNS)."""
    found = False
    for pattern in patterns.split(","):
        negated, plain = pattern.startswith("!"), pattern.removeprefix("!")
        if _in_network(criterion, value, plain) or re.fullmatch(_pattern(plain), value):
            if negated:
                return False
            found = True
    return found


def _in_network(criterion: str, value: str, pattern: str) -> bool:
    if criterion not in ("address", "localaddress") or "/" not in pattern:
        return False
    try:
        return ip_address(value) in ip_network(pattern)
    except ValueError:
        raise _RefusedError(pattern) from None


def _pattern(text: str) -> str:
    return re.sub(r"(?:\\\*)+", ".*", re.escape(text)).replace(r"\?", ".")


def _parsed(line: str) -> tuple[str, list[str]]:
    """Return keyword and arguments of a line; the keyword is "" where it says nothing."""
    quoted = re.match(r'"([^"]*)"[ \t\r]*(.*)', line, re.DOTALL)
    plain = re.match(r'([^ \t\r"=]*)(?:[ \t\r]*=|[ \t\r]*)[ \t\r]*(.*)', line, re.DOTALL)
    found = quoted or plain
    if not line or line[0] == "#" or found is None:
        return "", []
    name, rest = found[1], found[2]
    keyword = name.lower()
    if not rest or (keyword not in KEYWORDS):
        raise _RefusedError(name)
    words = _words(rest, name)
    if keyword in _CHOICES or keyword in _MANY_WORDS:
        if not words:
            raise _RefusedError(name)
        if keyword in _CHOICES and words[0].lower() not in _CHOICES[keyword]:
            raise _RefusedError(words[0])
        if keyword not in _MANY_WORDS and len(words) > 1:
            raise _RefusedError(words[1])
    return keyword, words


def _words(text: str, name: str) -> list[str]:
    """Return the words of a line as argv_split does: a quote may stand within a word, `#` at a word's start ends it."""
    words, position = [], 0
    while position < len(text):
        if text[position] in " \t":
            position += 1
            continue
        if text[position] == "#":
            break
        word, quote = "", ""
        while position < len(text) and (quote or text[position] not in " \t"):
            letter, following = text[position], text[position + 1 : position + 2]
            if letter == "\\" and following and (following in "'\"\\" or (not quote and following == " ")):
                word += following
                position += 1
            elif letter == quote:
                quote = ""
            elif not quote and letter in "'\"":
                quote = letter
            else:
                word += letter
            position += 1
        if quote:
            raise _RefusedError(name)
        words.append(word)
    return words
