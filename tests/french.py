"""How French is set, and how a translation goes with its sentence: `python -m tests.french FILES` checks JSON files."""

from __future__ import annotations

import re
import string
import sys
from pathlib import Path
from typing import NamedTuple

from tests.catalogues import translations, wanted


class Pair(NamedTuple):
    """A sentence, in one form or two, with one of its forms in French."""

    english: tuple[str, ...]
    french: str

    def __str__(self) -> str:
        return f"{self.french!r} for {self.english[0]!r}"


def code_of(text: str) -> list[str]:
    """Return what stands between backticks, where words in capitals stand for values and may be translated."""
    return sorted(re.sub(r"\b[A-Z]{2,}\b", "X", each) for each in re.findall(r"`([^`]+)`", text))


def prose_of(text: str) -> str:
    """Return text without code, fields and what click puts between straight quotes."""
    return re.sub(r"`[^`]*`|\{[^{}]*\}|'[^' ]+ [^']*'", "x", text)


def fields_of(text: str) -> set[str]:
    """Return the fields that values are put into, by str.format or by `%`."""
    percent = set(re.findall(r"%\((\w+)\)", text))
    try:
        return percent | {name for _, name, _, _ in string.Formatter().parse(text) if name is not None}
    except ValueError:  # a sentence that is not formatted may have single braces
        return percent | set(re.findall(r"\{(\w+)", text))


def faults(pair: Pair) -> list[str]:
    """Return what is wrong with a translation."""
    prose = prose_of(pair.french)
    found = []
    allowed = set().union(*map(fields_of, pair.english))
    missing = set() if len(pair.english) > 1 else allowed - fields_of(pair.french)
    if fields_of(pair.french) - allowed or missing:
        found.append(f"its fields are {sorted(fields_of(pair.french))}, the sentence's {sorted(allowed)}")
    if code_of(pair.french) not in [code_of(each) for each in pair.english]:
        found.append(f"its code is {code_of(pair.french)}")
    if re.search(r"[^\u00a0!?][;!?]|[^\u00a0]:(?=\s|$)|\u202f", prose):
        found.append("a no-break space (U+00A0) goes before : ; ! and ?")
    if re.search(r"«[^\u00a0]|[^\u00a0]»", prose):
        found.append("a no-break space (U+00A0) goes inside « and »")
    if re.search(r"\w'\w", prose):
        found.append("the apostrophe is ’")
    if re.search(r"\w\.\.\.", prose):
        found.append("the ellipsis is …")
    stops = [bool(re.search(r"(?<!\.\.)\.$", each)) for each in (pair.english[0], pair.french)]
    if stops[0] != stops[1] and len(pair.english) == 1:
        found.append("a full stop stands in one of both")
    return found


def main() -> int:
    """Check files of translations against the sentences that the code has now."""
    known = {each.key: each for found in wanted().values() for each in found}
    told = []
    for key, given in translations(map(Path, sys.argv[1:])).items():
        sentence = known.get(key)
        if sentence is None:
            told.append(f"no sentence of the code: {key!r}")
            continue
        english = (sentence.text, sentence.many) if sentence.many else (sentence.text,)
        for pair in (Pair(english, each) for each in ([given] if isinstance(given, str) else given)):
            told += [f"{pair}: {fault}" for fault in faults(pair)]
    sys.stdout.write("".join(f"{each}\n" for each in told))
    return bool(told)


if __name__ == "__main__":
    sys.exit(main())
