"""What a file of assignments leaves in the variables of the shell that reads it with `.` (dash(1); dash 0.5.12).

Files in /etc/default are such files. They are programs: what is more than assignments, and could be told only by
running it, is never run but said to be unclear.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field

from vboxlab.guest.grammars.shell_words import NAME, Beyond, Reader, Refused, Variables, Word
from vboxlab.lazily import dataclass

LONGEST_TEXT = 80
# Words that begin or end compound commands, where a command may begin.
_OPENING = frozenset({"if", "while", "until", "for", "case", "{", "!"})
_CLOSING = frozenset({"then", "else", "elif", "fi", "do", "done", "esac", "}"})
# Built-in commands that may change variables, or what is read, in ways of their own.
_DEEP = frozenset({
    ".", "eval", "exec", "set", "trap", "read", "getopts", "local", "alias", "unalias", "command", "cd", "shift",
    "break", "continue", "times", "hash", "umask", "ulimit", "wait", "jobs", "fg", "bg", "builtin", "chdir",
})  # fmt: skip
_HARMLESS = frozenset({"umask", "ulimit", "wait", "jobs", "fg", "bg", "hash", "cd", "chdir", "times"})


@dataclass(frozen=True)
class Assignment:
    """What a variable holds in the end, and in which line it got that; None for what cannot be told."""

    line: int
    value: str | None


@dataclass(frozen=True)
class CommandLine:
    """A command of the file, as it is written: it sets no variable."""

    line: int
    text: str
    prefix: tuple[str, ...] = ()  # names that are set for this command alone


@dataclass(frozen=True)
class ShellFile:
    """What a file means to the shell that reads it."""

    variables: Mapping[str, Assignment] = field(default_factory=dict)
    commands: tuple[CommandLine, ...] = ()
    refused: int | None = None
    """The line where the shell ends with an error, and its script with it."""
    unclear: int | None = None
    """The first line from which on only running the file could tell."""


def read_shell_file(data: bytes, before: Mapping[str, str] | None = None) -> ShellFile:
    """Read a file as `.` of dash does, with the variables that are set before. Bytes that are no UTF-8 are U+FFFD."""
    # Dash leaves NUL out.
    text = data.replace(b"\0", b"").decode(errors="replace")
    reading = _Reading(Reader(text), Variables(before or {}))
    refused = unclear = None
    try:
        reading.all()
    except Refused as error:
        refused = error.line
    except Beyond as error:
        unclear = error.line
    except RecursionError:
        unclear = reading.reader.line
    variables = reading.variables
    found = {name: Assignment(line, variables.values.get(name)) for name, line in variables.lines.items()}
    return ShellFile(found, tuple(reading.commands), refused, unclear)


class _Returned(Exception):
    """The file is left."""


@dataclass(frozen=True)
class _Simple:
    """A simple command: assignments, words, and what it is joined to the one before with."""

    line: int
    words: tuple[Word, ...]
    joined: str
    is_redirected: bool
    text: str


class _Reading:
    def __init__(self, reader: Reader, variables: Variables) -> None:
        self.reader = reader
        self.variables = variables
        self.commands: list[CommandLine] = []
        self.status: bool | None = True

    def all(self) -> None:
        """Read lines until the end, each wholly before anything of it is done, as the shell does."""
        try:
            while self.reader.peek():
                for chain, is_apart in self._line():
                    self._do(chain, is_apart=is_apart)
        except _Returned:
            return

    def _line(self) -> list[tuple[list[_Simple], bool]]:
        """Return the lists of a complete line, each with whether it runs in a shell of its own."""
        reader, chain, found = self.reader, list[_Simple](), list[tuple[list[_Simple], bool]]()
        joined, is_apart = "", False
        while True:
            reader.blanks()
            if joined in ("&&", "||", "|"):
                while reader.peek() == "\n":
                    reader.take()
                    reader.blanks()
            simple = self._simple(joined)
            if simple is not None:
                chain.append(simple)
            operator = self._operator()
            if operator in ("&&", "||", "|"):
                if simple is None:
                    raise Refused(reader.line)
                is_apart = is_apart or operator == "|"
                joined = operator
                continue
            if simple is None and (joined or operator in (";", "&")):
                raise Refused(reader.line)
            if chain:
                found.append((chain, is_apart or operator == "&"))
            chain, joined, is_apart = [], "", False
            if operator in ("\n", ""):
                return found
            reader.blanks()
            if reader.peek() in ("\n", ""):
                reader.take()
                return found

    def _operator(self) -> str:
        """Take an operator that ends a command."""
        reader, line = self.reader, self.reader.line
        char = reader.take()
        if char in ("", "\n"):
            return char
        following = reader.peek()
        if char in "&|" and following == char:
            return char + reader.take()
        if char in "()" or (char == ";" and following == ";"):
            raise Refused(line)
        return char

    def _simple(self, joined: str) -> _Simple | None:
        reader = self.reader
        line, start, words, redirected = reader.line, reader.at, list[Word](), False
        while True:
            reader.blanks()
            if reader.peek() and reader.peek() in "<>":
                self._redirection()
                redirected = True
                continue
            if reader.peek() == "(":
                self._parenthesis(words)
            word = reader.word()
            if word is None:
                break
            is_first = all(each.assigned_name is not None for each in words) and not redirected
            if is_first and not words and word.is_plain and word.text in _OPENING:
                raise Beyond(word.line)
            if is_first and not words and word.is_plain and word.text in _CLOSING:
                raise Refused(word.line)
            if word.text.isdecimal() and reader.peek() in ("<", ">"):
                continue  # the number of a file that is redirected
            words.append(word)
        if not words and not redirected:
            return None
        text = reader.text[start : reader.at].strip()
        return _Simple(words[0].line if words else line, tuple(words), joined, redirected, text)

    def _parenthesis(self, words: list[Word]) -> None:
        line = self.reader.line
        if not words or (len(words) == 1 and NAME.fullmatch(words[0].text)):
            raise Beyond(line)  # a shell of its own, or a function
        raise Refused(line)

    def _redirection(self) -> None:
        reader, line = self.reader, self.reader.line
        operator = reader.take()
        if reader.peek() == operator == "<":
            raise Beyond(line)  # a here-document
        if reader.peek() and reader.peek() in ("&|>" if operator == ">" else "&>"):
            reader.take()
        reader.blanks()
        if reader.word() is None:
            raise Refused(line)
        if operator == "<":
            raise Beyond(line)  # the file may not be there

    def _do(self, chain: list[_Simple], *, is_apart: bool) -> None:
        if is_apart:
            # What a pipeline or a command in the background sets, it sets for itself.
            self.commands += [CommandLine(each.line, each.text[:LONGEST_TEXT]) for each in chain]
            if any(each.joined in ("&&", "||") for each in chain):
                raise Beyond(chain[0].line)
            self.status = None
            return
        for simple in chain:
            wanted = {"&&": True, "||": False}.get(simple.joined)
            if wanted is not None and self.status is (not wanted):
                continue
            if wanted is not None and self.status is None:
                raise Beyond(simple.line)
            self.status = self._run(simple)

    def _run(self, simple: _Simple) -> bool | None:
        """Do what a simple command does to the variables, and return whether it succeeds, None if unknown."""
        prefix = []
        rest = list(simple.words)
        while rest and (name := rest[0].assigned_name) is not None:
            prefix.append((name, rest.pop(0)))
        name = self.variables.expanded(rest[0].parts) if rest else None
        if rest and not name:
            raise Beyond(simple.line)
        if not rest:
            for target, word in prefix:
                self._assign(target, word)
            # A substitution's own outcome is that of an assignment.
            return None if any(None in word.parts for _target, word in prefix) or simple.is_redirected else True
        if name == "exit":
            raise Refused(simple.line)
        if name == "return":
            raise _Returned
        if name in (":", "export", "readonly", "unset"):
            for target, word in prefix:
                self._assign(target, word)
            return self._declared(name, rest[1:], simple.line)
        if name in _DEEP - _HARMLESS:
            raise Beyond(simple.line)
        for word in (*(word for _target, word in prefix), *rest[1:]):
            self.variables.expanded(word.parts)  # `${name:=word}` sets a variable wherever it stands
        names = tuple(target for target, _word in prefix)
        self.commands.append(CommandLine(simple.line, simple.text[:LONGEST_TEXT], names))
        return {"true": True, "false": False}.get(name or "")

    def _assign(self, name: str, word: Word) -> None:
        value = self.variables.expanded(word.parts)
        self.variables.assign(name, None if value is None else value.partition("=")[2], word.line)

    def _declared(self, command: str, words: list[Word], line: int) -> bool | None:  # noqa: C901
        for word in words:
            value = self.variables.expanded(word.parts)
            if command == ":":
                continue
            if value is None and word.assigned_name is None:
                raise Beyond(line)
            if (value or "").startswith("-"):
                raise Beyond(line)
            if word.assigned_name is None and not word.is_plain:
                if value == "" and not set("'\"\\").intersection(word.text):
                    continue  # such a word is none
                if value == "" or set(" \t\n*?[").intersection(value or ""):
                    raise Beyond(line)
            name = word.assigned_name or (value or "").partition("=")[0]
            if NAME.fullmatch(name) is None:
                raise Refused(line)
            if command == "unset":
                if name != value:
                    raise Beyond(line)
                self.variables.unset(name, line)
                continue
            if word.assigned_name is not None:
                self._assign(name, word)
            elif "=" in (value or ""):
                raise Beyond(line)
            if command == "readonly":
                self.variables.constant.add(name)
        return True
