"""Making text from guests, files and other programs harmless where it is shown: one function for each way to show it.

Such text may hold what drives a terminal, ends an element of a page, is a formula in a spreadsheet, or reorders what is
read (Unicode's bidirectional controls, UAX #9). What cannot be shown becomes U+FFFD, so that it is seen to have been.
"""

from __future__ import annotations

import html
import re

_BIDIRECTIONAL = "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"
# C0 but tab and line feed, DEL, C1 (ECMA-48), bidirectional controls, line separators, and halves of pairs.
_DRIVING = re.compile(f"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029{_BIDIRECTIONAL}\ud800-\udfff]")
# What XML 1.0 has no place for beside them, escaped or not (section 2.2).
_NOT_IN_XML = re.compile("[\ufffe\uffff]")
_FORMULA = re.compile(r"[\s\x00]*[=+\-@\uff0b\uff0d\uff1d\uff20]")
_MARKDOWN = re.compile(r"([\\`*_{}\[\]()<>#+\-.!|~$&])")
SHOWN = "\N{REPLACEMENT CHARACTER}"


def for_terminal(text: str) -> str:
    """Return text that drives no terminal: only what can be seen, blanks, tabs and line ends."""
    return _DRIVING.sub(SHOWN, text)


def for_line(text: str) -> str:
    """Return text that drives no terminal, and is one line of it."""
    return for_terminal(text).replace("\n", SHOWN)


def for_xml(text: str) -> str:
    """Return text that XML can hold; markup is the XML library's to escape."""
    return _NOT_IN_XML.sub(SHOWN, _DRIVING.sub(SHOWN, text))


def for_html(text: str) -> str:
    """Return text as the content of an element or a quoted attribute of HTML."""
    return html.escape(for_xml(text), quote=True)


def for_svg(text: str) -> str:
    """Return text as the content of an element or a quoted attribute of SVG, on one line."""
    return html.escape(" ".join(for_xml(text).split()), quote=True)


def for_csv(cell: object) -> object:
    """Return a cell that no spreadsheet takes for a formula; numbers stay what they are.

    A text whose first character would make it one gets an apostrophe before it (OWASP, "CSV Injection").
    """
    if not isinstance(cell, str):
        return cell
    shown = for_terminal(cell)
    return f"'{shown}" if _FORMULA.match(cell) else shown


def for_markdown(text: str) -> str:
    """Return text that is only text in Markdown, on one line (CommonMark 0.31, section 2.4)."""
    return _MARKDOWN.sub(r"\\\1", " ".join(for_terminal(text).split()))


def for_dot(*lines: str) -> str:
    r"""Return a quoted string of DOT with these lines; only `"` and `\` are special in one (graphviz.org)."""
    shown = (" ".join(for_xml(line).split()) for line in lines)
    return '"' + "\\n".join(line.replace("\\", "\\\\").replace('"', '\\"') for line in shown if line) + '"'


def for_mermaid(text: str) -> str:
    """Return text with what Mermaid or HTML would read as markup in the form of entity codes."""
    return re.sub(r"[^\w .,:/()+-]", lambda found: f"#{ord(found[0])};", " ".join(for_xml(text).split()))


def for_json(document: str) -> str:
    """Return a JSON document with what drives a terminal as escapes: such characters stand in strings only."""
    return _DRIVING.sub(lambda found: f"\\u{ord(found[0]):04x}", document)
