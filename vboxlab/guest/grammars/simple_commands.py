"""The simple commands of a text that sh(1) runs: words, and what joins them. POSIX.1-2017, XCU 2.2, 2.3 and 2.9."""

from __future__ import annotations

import re
from collections.abc import Mapping

from vboxlab.lazily import dataclass

_NAME = re.compile(r"\$(?:(\w+)|\{(\w+)\})", re.ASCII)
_REDIRECTION = re.compile(r"[0-9]*(>>|>&|<&|>\||>|<)")
LONGEST = 4096  # characters of a text


class NotSimple(Exception):
    """Raised for what is more than simple commands: it takes a shell to tell what it does."""


class NotEnded(Exception):
    """Raised for a quotation without an end, which the shell refuses."""


@dataclass(frozen=True)
class Simple:
    """One simple command, without its redirections, and what joins it to the one before: `;`, `&&` or `||`."""

    joined: str
    words: tuple[str, ...]


def simple_commands(text: str, variables: Mapping[str, str]) -> list[Simple]:
    """Return the commands of a text.

    Raises NotSimple for pipes, groups, substitutions and unknown variables, NotEnded for what no shell takes.
    """
    if len(text) > LONGEST:
        raise NotSimple
    return _Scanner(text, variables).commands()


class _Scanner:
    """Goes through the text once."""

    def __init__(self, text: str, variables: Mapping[str, str]) -> None:
        self.text, self.variables, self.at = text, variables, 0
        self.found: list[Simple] = []
        self.words: list[str] = []
        self.joined = ";"

    def commands(self) -> list[Simple]:
        while self.at < len(self.text):
            character = self.text[self.at]
            redirection = _REDIRECTION.match(self.text, self.at)
            if character in " \t\r\v\f":
                self.at += 1
            elif character == "#":
                self.at = self.text.find("\n", self.at) if "\n" in self.text[self.at :] else len(self.text)
            elif character in ";\n":
                self._end(";", 1)
            elif self.text.startswith(("&&", "||"), self.at):
                self._end(self.text[self.at : self.at + 2], 2)
            elif redirection is not None:
                self.at = redirection.end()
                while self.text[self.at : self.at + 1] in (" ", "\t"):
                    self.at += 1
                self._word()
            elif character in "|&(){}`":
                raise NotSimple
            else:
                self.words.append(self._word())
        self._end(";", 0)
        return self.found

    def _end(self, joined: str, length: int) -> None:
        if self.words:
            self.found.append(Simple(self.joined, tuple(self.words)))
            self.joined, self.words = joined, []
        self.at += length

    def _word(self) -> str:
        word, quote = "", ""
        while self.at < len(self.text):
            character = self.text[self.at]
            if not quote and (character in " \t\n;&|<>()`" or character in "\r\v\f"):
                break
            if character == "`":
                raise NotSimple
            if character == quote:
                quote = ""
            elif not quote and character in "'\"":
                quote = character
            elif character == "$" and quote != "'":
                word += self._variable()
                continue
            elif character == "\\" and quote != "'":
                self.at += 1
                word += self.text[self.at : self.at + 1]
            else:
                word += character
            self.at += 1
        if quote:
            raise NotEnded
        return word

    def _variable(self) -> str:
        match = _NAME.match(self.text, self.at)
        name = (match[1] or match[2]) if match else ""
        if match is None or name not in self.variables:
            raise NotSimple
        self.at = match.end()
        return self.variables[name]
