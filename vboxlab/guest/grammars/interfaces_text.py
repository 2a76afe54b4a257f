"""How ifupdown 0.8.41 reads lines and names files in /etc/network/interfaces (its config.c, and wordexp(3))."""

from __future__ import annotations

import fnmatch
import posixpath
import re
from collections.abc import Iterable, Iterator

BLANKS = " \t\n\v\f\r"  # isspace(3) in the C locale: a carriage return is one, a no-break space is none
LONGEST_WORD = 79  # bytes; what is more of a word is dropped
# What is none of these is refused by wordexp(3): |, &, ;, <, >, brackets, braces, substitutions, an open quotation.
_PART = re.compile(
    r"""(?P<quoted>'(?P<single>[^']*)'|"(?P<double>(?:[^"\\`]|\\.)*)"|\\(?P<escaped>.))"""
    r"""|(?P<variable>\$\w*)|(?P<blank>[ \t]+)|(?P<plain>[^'"\\$ \t|&;<>(){}`]+)""",
    re.DOTALL,
)
_GLOB = re.compile(r"[*?\[]")


def lines_of(data: bytes) -> Iterator[tuple[int, str]]:
    """Yield the lines that are no comments, each with the number of its last line in the file, and continued.

    A backslash at the very end joins the next line, be it a comment; a comment cannot be continued; a NUL ends a line.
    """
    lines = data.decode(errors="replace").split("\n")
    if lines[-1] == "":
        lines.pop()
    number = 0
    while number < len(lines):
        text = _cut(lines[number]).lstrip(BLANKS)
        number += 1
        if text.startswith("#"):
            continue
        while text.endswith("\\"):
            text = text[:-1]
            if number == len(lines):
                text = text.rstrip("\\")
                break
            text += _cut(lines[number])
            number += 1
        yield number, text.rstrip(BLANKS)


def _cut(line: str) -> str:
    return line.partition("\0")[0]


def next_word(text: str) -> tuple[str, str | None]:
    """Return the first word, and what follows it: None when there was no word."""
    if not text:
        return "", None
    end = next((at for at, character in enumerate(text) if character in BLANKS), len(text))
    word = text[:end]
    if len(word) > LONGEST_WORD // 4:
        word = word.encode()[:LONGEST_WORD].decode(errors="ignore")
    return word, text[end:].lstrip(BLANKS)


def words_of(text: str | None) -> Iterator[str]:
    """Yield all words."""
    word, rest = next_word(text or "")
    while rest is not None:
        yield word
        word, rest = next_word(rest)


def named_by(pattern: str, within: str, known: Iterable[str]) -> list[str]:
    """Return the paths that `source` or `source-directory` names, in the spelling that ifupdown has for them.

    `within` is the folder of the file that says so, `known` are the paths that exist. wordexp(3) with WRDE_NOCMD: what
    it refuses names nothing; variables are taken for unset; a pattern that matches nothing stays as it is.
    """
    expanded = _expanded(pattern if pattern.startswith("/") else f"{within}/{pattern}")
    found: list[str] = []
    for word, is_pattern in expanded or ():
        matched = sorted(path for path in known if _matches(path, plain(word))) if is_pattern else []
        folder = word.rpartition("/")[0]
        if not _GLOB.search(folder):
            matched = [f"{folder}/{path.rpartition('/')[2]}" for path in matched]
        found += matched or [_unescaped(word)]
    return found


def plain(path: str) -> str:
    """Return a path without what says nothing: slashes in a row, and dots."""
    return posixpath.normpath(path).replace("//", "/")


def _expanded(text: str) -> list[tuple[str, bool]] | None:
    """Return the words that a shell makes of a text, each with whether it is a pattern; None when it is refused."""
    words: list[str | None] = [None]
    at = 0
    while at < len(text):
        part = _PART.match(text, at)
        if part is None:
            return None
        at = part.end()
        if part["blank"]:
            words.append(None)
        elif not part["variable"]:
            inside = part["single"] or re.sub(r'\\(["\\$`])', r"\1", part["double"] or "") or part["escaped"] or ""
            words[-1] = (words[-1] or "") + (part["plain"] or "".join(map(_escaped, inside)))
    return [(each, bool(_GLOB.search(re.sub(r"\\.", "", each)))) for each in words if each is not None]


def _escaped(character: str) -> str:
    return f"\\{character}" if character in "*?[]\\" else character


def _unescaped(word: str) -> str:
    return re.sub(r"\\(.)", r"\1", word)


def _matches(path: str, pattern: str) -> bool:
    """Tell whether a path matches, part by part; a wildcard matches no dot at the beginning (glob(7))."""
    parts, wanted = path.split("/"), pattern.split("/")
    if len(parts) != len(wanted):
        return False
    return all(
        fnmatch.fnmatchcase(part, re.sub(r"\\(.)", r"[\1]", want).replace("[^", "[!"))
        and not (part.startswith(".") and not want.startswith("."))
        for part, want in zip(parts, wanted, strict=True)
    )


def folder_of(path: str) -> str:
    """Return the folder that a file is in, as dirname(3) does."""
    return posixpath.dirname(path) or "/"
