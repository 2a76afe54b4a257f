"""What vboxlab tells students is told in their language: tables of texts, English and French side by side."""

from __future__ import annotations

from collections.abc import Mapping

from vboxlab.language import Language

Texts = Mapping[str, tuple[str, str]]
"""Key -> (English, French); `{name}` stands for a value."""


def say(texts: Texts, key: str, language: Language, **values: object) -> str:
    """Return a text in a language with its values in their places. Raises KeyError for an unknown key or value."""
    english, french = texts[key]
    return (french if language == "fr" else english).format_map(values)


def printable(text: str) -> str:
    """Return text with a mark in the place of control characters: what a guest says must not steer a terminal."""
    return "".join(character if character.isprintable() or character == "\t" else "\N{REPLACEMENT CHARACTER}"
                   for character in text)  # fmt: skip


def code(content: str) -> str:
    """Return text as Markdown code within a line, whatever backticks it holds (CommonMark, "Code spans")."""
    longest = _longest_run(content, "`")
    fence = "`" * (longest + 1)
    padding = " " if content.startswith("`") or content.endswith("`") else ""
    return f"{fence}{padding}{content}{padding}{fence}"


def block(content: str, language: str) -> list[str]:
    """Return text as the lines of a fenced Markdown code block, whatever fences it holds."""
    fence = "`" * max(3, _longest_run(content, "`") + 1)
    return [f"{fence}{language}", *content.removesuffix("\n").split("\n"), fence]


def _longest_run(content: str, character: str) -> int:
    longest = run = 0
    for found in content:
        run = run + 1 if found == character else 0
        longest = max(longest, run)
    return longest
