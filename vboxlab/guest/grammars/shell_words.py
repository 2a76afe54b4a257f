"""Words of the shell: their quotes and expansions (dash(1), "Quoting" and "Word Expansions"). Nothing is ever run.

What only running could tell (command substitution, arithmetic, patterns) is None.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from vboxlab.lazily import dataclass

NAME = re.compile(r"[A-Za-z_][A-Za-z_0-9]*", re.ASCII)
BLANKS = " \t"
ENDS = " \t\n;&|<>()"
SPECIAL = "@*#?$!-0123456789"
# What an init script inherits and a file may name; all others are unset until they are assigned.
INHERITED = frozenset({
    "HOME", "IFS", "INVOCATION_ID", "JOURNAL_STREAM", "LANG", "LANGUAGE", "LC_ALL", "LINENO", "LOGNAME", "OLDPWD",
    "OPTIND", "PATH", "PPID", "PS1", "PS2", "PS4", "PWD", "SHELL", "SYSTEMD_EXEC_PID", "TERM", "USER",
})  # fmt: skip
DEEPEST = 20
LONGEST = 65536  # characters of a value


class Refused(Exception):
    """The shell ends with an error where it reads this."""

    def __init__(self, line: int) -> None:
        """Say in which line."""
        super().__init__(line)
        self.line = line


class Beyond(Exception):
    """A construct that only running could tell the meaning of, or that this reader does not know."""

    def __init__(self, line: int) -> None:
        """Say in which line."""
        super().__init__(line)
        self.line = line


@dataclass(frozen=True)
class Parameter:
    """An expansion of a parameter: `${name}`, or with an operator and a word."""

    line: int
    name: str
    operator: str = ""
    word: tuple[Part, ...] = ()


Part = str | Parameter | None  # None: what cannot be told


@dataclass(frozen=True)
class Word:
    """A word as written, and its parts."""

    line: int
    text: str
    parts: tuple[Part, ...]
    is_plain: bool  # without quotes, so that it may be a reserved word

    @property
    def assigned_name(self) -> str | None:
        """Return the name that the word assigns to, None for any other word."""
        found = NAME.match(self.text)
        return found[0] if found and self.text[found.end() : found.end() + 1] == "=" else None


class Variables:
    """What the variables hold at a point of the file; None for what cannot be told."""

    def __init__(self, before: Mapping[str, str]) -> None:
        """Begin with what is set before the file is read."""
        self.values: dict[str, str | None] = dict(before)
        self.lines: dict[str, int] = {}
        self.constant: set[str] = set()

    def assign(self, name: str, value: str | None, line: int) -> None:
        """Set a variable; `Refused` for one that is read-only."""
        if name in self.constant:
            raise Refused(line)
        self.values[name] = value if value is None or len(value) <= LONGEST else None
        self.lines[name] = line

    def unset(self, name: str, line: int) -> None:
        """Remove a variable; `Refused` for one that is read-only."""
        if name in self.constant:
            raise Refused(line)
        self.values.pop(name, None)
        self.lines.pop(name, None)

    def expanded(self, parts: tuple[Part, ...]) -> str | None:
        """Return what parts of a word come to."""
        found: list[str] = []
        unclear, length = False, 0
        for part in parts:
            value = part if isinstance(part, str | None) else self._parameter(part)
            unclear = unclear or value is None
            length += len(value or "")
            if length > LONGEST:
                return None
            found.append(value or "")
        return None if unclear else "".join(found)

    def _parameter(self, part: Parameter) -> str | None:
        name, operator = part.name, part.operator
        if name not in self.values and name in INHERITED:
            # Whatever the word does then, it may or may not be done.
            return None
        value = self.values.get(name)
        if operator == "#length":
            return str(len(value.encode())) if value is not None else None if name in self.values else "0"
        missing = name not in self.values
        if value is None and not missing and operator != "":
            return self.expanded(part.word) if operator == "+" else None
        if operator.startswith(":") and value == "":
            missing = True
        match operator.removeprefix(":"):
            case "":
                return "" if missing else value
            case "-":
                return self.expanded(part.word) if missing else value
            case "+":
                return "" if missing else self.expanded(part.word)
            case "=":
                if missing:
                    value = self.expanded(part.word)
                    self.assign(name, value, part.line)
                return value
            case "?":
                if missing:
                    raise Refused(part.line)
                return value
            case _:
                return self._trimmed(operator, value or "", self.expanded(part.word))

    @staticmethod
    def _trimmed(operator: str, value: str, pattern: str | None) -> str | None:
        if pattern is None or re.search(r"[*?\[\]\\]", pattern):
            return None
        return value.removesuffix(pattern) if operator.startswith("%") else value.removeprefix(pattern)


class Reader:
    """The characters of a file, from which words are taken. A backslash before the end of a line joins it."""

    def __init__(self, text: str) -> None:
        """Begin at the first character."""
        self.text = text
        self.at = 0
        self.line = 1

    def peek(self, ahead: int = 0) -> str:
        """Return a character that is to come, "" at the end."""
        while self.text.startswith("\\\n", self.at):
            self.at += 2
            self.line += 1
        return self.text[self.at + ahead : self.at + ahead + 1]

    def take(self) -> str:
        """Return the next character and go on; lines that are joined are one."""
        return self._took(self.peek())

    def raw(self) -> str:
        """Return the next character as it stands and go on."""
        return self._took(self.text[self.at : self.at + 1])

    def _took(self, char: str) -> str:
        self.at += len(char)
        self.line += char == "\n"
        return char

    def blanks(self) -> None:
        """Go over blanks and a comment behind them."""
        while self.peek() and self.peek() in BLANKS:
            self.take()
        if self.peek() == "#":
            while self.text[self.at : self.at + 1] not in ("", "\n"):
                self.at += 1

    def word(self) -> Word | None:
        """Return the next word, None where there is none but an operator or an end."""
        start, line, plain = self.at, self.line, True
        parts: list[Part] = []
        while (char := self.peek()) and char not in ENDS:
            plain = plain and char not in "'\"\\$`"
            if char == "~" and (not parts or parts[-1] in ("=", ":")):
                self.take()
                parts.append(None)  # somebody's home
            else:
                self._one(parts, depth=0)
        if self.at == start:
            return None
        return Word(line, self.text[start : self.at].replace("\\\n", ""), tuple(parts), plain)

    def _one(self, parts: list[Part], depth: int) -> None:
        """Take a character or what begins with it, outside of quotes."""
        line = self.line
        match self.take():
            case "'":
                parts.append(self._single(line))
            case '"':
                self._double(parts, line, depth)
            case "\\":
                parts.append(self.raw() or "\\")
            case "$":
                parts.append(self._dollar(depth, quoted=False))
            case "`":
                self._backquotes(line)
                parts.append(None)
            case char:
                parts.append(char)

    def _single(self, line: int) -> str:
        end = self.text.find("'", self.at)
        if end < 0:
            raise Refused(line)
        found = self.text[self.at : end]
        self.line += found.count("\n")
        self.at = end + 1
        return found

    def _double(self, parts: list[Part], line: int, depth: int) -> None:
        while (char := self.take()) != '"':
            if char == "":
                raise Refused(line)
            if char == "\\":
                following = self.raw()
                parts.append(following if following and following in '$`"\\' else char + following)
            elif char == "$":
                parts.append(self._dollar(depth, quoted=True))
            elif char == "`":
                self._backquotes(line)
                parts.append(None)
            else:
                parts.append(char)

    def _dollar(self, depth: int, *, quoted: bool) -> Part:
        char = self.peek()
        if char == "(":
            self._substitution()
            return None
        if char == "{":
            self.take()
            return self._braces(depth + 1, quoted=quoted)
        if char and char in SPECIAL:
            self.take()
            return None
        line, name = self.line, self._name()
        return Parameter(line, name) if name else "$"

    def _name(self) -> str:
        found = ""
        while re.fullmatch(r"[A-Za-z_0-9]" if found else r"[A-Za-z_]", self.peek(), re.ASCII):
            found += self.take()
        return found

    def _braces(self, depth: int, *, quoted: bool) -> Part:
        """Take what stands behind `${`."""
        line = self.line
        if depth > DEEPEST:
            raise Beyond(line)
        counted = self.peek() == "#" and self.peek(1) not in ("", "}")
        if counted:
            self.take()
        name = self._name()
        if not name:
            raise Beyond(line)  # $?, $1 and others, or a mistake
        if counted:
            if self.take() != "}":
                raise Beyond(line)
            return Parameter(line, name, "#length")
        operator = ""
        while self.peek() and self.peek() in (":-=+?%#" if operator == "" else "-=+?" if operator == ":" else ""):
            operator += self.take()
        if operator and operator in "%#" and self.peek() == operator:
            operator += self.take()
        if operator == ":" or (not operator and self.peek() not in ("}", "")):
            raise Beyond(line)
        return Parameter(line, name, operator, self._until_brace(line, depth, quoted=quoted))

    def _until_brace(self, line: int, depth: int, *, quoted: bool) -> tuple[Part, ...]:
        parts: list[Part] = []
        while (char := self.peek()) != "}":
            if char == "":
                raise Refused(line)
            if quoted and char in "'\"\\":
                raise Beyond(line)  # quotes within quotes: shells differ
            if char == "~":
                raise Beyond(line)
            if char == "$":
                self.take()
                parts.append(self._dollar(depth, quoted=quoted))
            else:
                self._one(parts, depth)
        self.take()
        return tuple(parts)

    def _backquotes(self, line: int) -> None:
        while (char := self.raw()) != "`":
            if char == "":
                raise Refused(line)
            if char == "\\":
                self.raw()

    def _substitution(self) -> None:
        """Go over `$(…)` and `$((…))`: parentheses in quotes do not count."""
        line, depth = self.line, 0
        while char := self.raw():
            if char == "\\":
                self.raw()
            elif char == "'":
                self._single(line)
            elif char in '"`':
                # What a quoted part holds may nest; its end is all that counts here.
                self._quoted(char, line)
            elif char in "()":
                depth += 1 if char == "(" else -1
                if depth == 0:
                    return
            elif char == "#" and self.text[self.at - 2 : self.at - 1] in (" ", "\n", ";"):
                raise Beyond(line)
        raise Refused(line)

    def _quoted(self, quote: str, line: int) -> None:
        while (char := self.raw()) != quote:
            if char == "":
                raise Refused(line)
            if char == "\\":
                self.raw()
            elif char == "$" and self.text.startswith("(", self.at):
                raise Beyond(line)
