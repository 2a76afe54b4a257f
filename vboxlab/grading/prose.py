"""What teachers write for students, in Markdown, as HTML: paragraphs, lists, code, and what is stressed. Pure.

As much of CommonMark 0.31 as sheets need; whatever else is in a text is shown as it is written.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from vboxlab.harmless import for_html

_INLINE = re.compile(
    r"(?P<ticks>`+) ?(?P<code>.+?) ?(?P=ticks)(?!`)|\*\*(?P<strong>[^*]+)\*\*|\*(?P<em>[^*\s][^*]*)\*", re.S
)
_ITEM = re.compile(r"(?:[-*+]|(?P<number>\d{1,9})[.)])\s+(?P<text>.*)")


def prose(text: str) -> str:
    """Return a text as HTML. Nothing in it is markup but what is made here."""
    return "".join(_blocks(text.splitlines()))


def inline(text: str) -> str:
    """Return a line, or several, as HTML: code and what is stressed."""
    parts, place = [], 0
    for found in _INLINE.finditer(text):
        parts.append(for_html(text[place : found.start()]))
        tag = next(name for name in ("code", "strong", "em") if found[name] is not None)
        content = for_html(found[tag]) if tag == "code" else inline(found[tag])
        parts.append(f"<{tag}>{content}</{tag}>")
        place = found.end()
    return "".join([*parts, for_html(text[place:])])


def _blocks(lines: list[str]) -> Iterator[str]:
    place = 0
    while place < len(lines):
        line = lines[place].strip()
        if not line:
            place += 1
        elif line.startswith("```"):
            end = next((n for n in range(place + 1, len(lines)) if lines[n].strip() == "```"), len(lines))
            content = for_html("\n".join(lines[place + 1 : end]))
            yield f"<pre>{content}</pre>"
            place = end + 1
        else:
            end = next((n for n in range(place + 1, len(lines)) if _ends(lines[n])), len(lines))
            block = lines[place:end]
            yield _list(block) if _ITEM.match(line) else _paragraph(block)
            place = end


def _ends(line: str) -> bool:
    return not line.strip() or line.strip().startswith("```")


def _paragraph(lines: list[str]) -> str:
    text = "\n".join(line.strip() for line in lines)
    return f"<p>{inline(text)}</p>"


def _list(lines: list[str]) -> str:
    items: list[str] = []
    for line in lines:
        found = _ITEM.match(line.strip())
        if found:
            items.append(found["text"])
        else:
            items[-1] += f"\n{line.strip()}"
    first = _ITEM.match(lines[0].strip())
    tag = "ol" if first and first["number"] else "ul"
    return f"<{tag}>{''.join(f'<li>{inline(item)}</li>' for item in items)}</{tag}>"
