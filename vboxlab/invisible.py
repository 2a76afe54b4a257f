"""Characters that are not what they look like: found in a text with their place and name, and what was meant. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import islice

from vboxlab.language import N_, _
from vboxlab.lazily import dataclass

MOST = 3  # of one kind in a text

# By their character, the name (Unicode's own, in words of the language) and what was meant. As a word processor, a page
# or a keyboard of a Mac puts them there.
_NONE: Mapping[str, str] = {
    "\u200b": N_("a zero-width space"),
    "\u200c": N_("a zero-width non-joiner"),
    "\u200d": N_("a zero-width joiner"),
    "\u200e": N_("a left-to-right mark"),
    "\u200f": N_("a right-to-left mark"),
    "\u2060": N_("a word joiner"),
    "\ufeff": N_("a byte order mark"),
    "\u00ad": N_("a soft hyphen"),
}
_SPACES: Mapping[str, str] = {
    "\u00a0": N_("a no-break space"),
    "\u2003": N_("an em space"),
    "\u2002": N_("an en space"),
    "\u2007": N_("a figure space"),
    "\u2009": N_("a thin space"),
    "\u202f": N_("a narrow no-break space"),
    "\u3000": N_("an ideographic space"),
}
_SIGNS: Mapping[str, tuple[str, str]] = {
    "\u2010": (N_("a hyphen of typography"), "-"),
    "\u2011": (N_("a no-break hyphen"), "-"),
    "\u2013": (N_("an en dash"), "-"),
    "\u2014": (N_("an em dash"), "-"),
    "\u2212": (N_("a minus sign of mathematics"), "-"),
    "\u2018": (N_("a curly quote"), "'"),
    "\u2019": (N_("a curly quote"), "'"),
    "\u201c": (N_("a curly quote"), '"'),
    "\u201d": (N_("a curly quote"), '"'),
}
_CYRILLIC = dict(zip("асеорхуіјѕАВСЕНІЈКМОРЅТХ", "aceopxyijsABCEHIJKMOPSTX", strict=True))
_GREEK = dict(zip("οΑΒΕΖΗΙΚΜΝΟΡΤΥΧ", "oABEZHIKMNOPTYX", strict=True))
_CARRIAGE_RETURN = N_("a carriage return (the line end of Windows)")
_FULLWIDTH, _OF_CYRILLIC, _OF_GREEK = (
    N_("a fullwidth character"),
    N_("a Cyrillic letter"),
    N_("a Greek letter"),
)


@dataclass(frozen=True)
class Stray:
    """A character that is not what it looks like. `name` is a msgid; `meant` may be empty."""

    line: int
    column: int
    character: str
    name: str
    meant: str

    @property
    def point(self) -> str:
        """Return its code point as Unicode writes it."""
        return f"U+{ord(self.character):04X}"

    @property
    def is_typography(self) -> bool:
        """Tell whether it is a sign that belongs into a text, as in a comment."""
        return self.character in _SIGNS

    @property
    def shown(self) -> str:
        """Return its name in the language spoken, with its code point."""
        return f"{_(self.name)} ({self.point})"


def _known() -> dict[str, tuple[str, str]]:
    return {
        "\r": (_CARRIAGE_RETURN, ""),
        **{character: (name, "") for character, name in _NONE.items()},
        **{character: (name, " ") for character, name in _SPACES.items()},
        **_SIGNS,
        **{chr(point): (_FULLWIDTH, chr(point - 0xFEE0)) for point in range(0xFF01, 0xFF5F)},
        **{character: (_OF_CYRILLIC, latin) for character, latin in _CYRILLIC.items()},
        **{character: (_OF_GREEK, latin) for character, latin in _GREEK.items()},
    }


_KNOWN = _known()
_STRAY = re.compile(f"[{''.join(map(re.escape, _KNOWN))}]")
_LETTERS = {*_CYRILLIC, *_GREEK}


def strays(text: str, *, apart: str = "") -> Iterator[Stray]:
    """Yield the characters of a text that are not what they look like, the first of each, in order of their places.

    A letter of another script counts in a word with Latin ones alone. `apart` are characters that the text may hold.
    Lines and columns are counted from 1.
    """
    count: dict[str, int] = {}
    for number, line in enumerate(text.split("\n"), 1):
        for match in _STRAY.finditer(line):
            character = match[0]
            if character in apart or count.get(character, 0) >= MOST:
                continue
            if character in _LETTERS and not _is_among_latin(line, match.start()):
                continue
            count[character] = count.get(character, 0) + 1
            yield Stray(number, match.start() + 1, character, *_KNOWN[character])


def _is_among_latin(line: str, place: int) -> bool:
    """Tell whether a letter of another script touches Latin ones: within 40 characters, without others between."""
    before, after = line[max(0, place - 40) : place], line[place + 1 : place + 41]
    near = (_word(reversed(before)), _word(after))
    return any(character.isascii() and character.isalpha() for word in near for character in word)


def _word(characters: Iterable[str]) -> Iterator[str]:
    for character in characters:
        if not (character.isalnum() or character in "_-."):
            return
        yield character


def as_meant(text: str, character: str) -> str:
    """Return a text with what was meant in place of one character that is not what it looks like."""
    return text.replace(character, _KNOWN[character][1])


def hurts(data: bytes, stray: Stray, meaning: Callable[[bytes], object]) -> bool:
    """Tell whether a program reads something else in a file because of such characters."""
    text = data.decode(errors="surrogateescape")
    return meaning(data) != meaning(as_meant(text, stray.character).encode(errors="surrogateescape"))


def strays_of_lines(text: str, lines: Iterable[int]) -> Iterator[Stray]:
    """Yield such characters of some lines of a text, by their numbers; the ends of lines apart."""
    rows = text.split("\n")
    for number in sorted(set(lines)):
        if 0 < number <= len(rows):
            for found in islice(strays(rows[number - 1].removesuffix("\r")), MOST):
                yield Stray(number, found.column, found.character, found.name, found.meant)
