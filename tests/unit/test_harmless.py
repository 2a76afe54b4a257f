"""Text of guests and files, wherever it is shown: it is seen, and does nothing else."""

from __future__ import annotations

import csv
import io
import json
import re
import unicodedata
from collections.abc import Callable
from html.parser import HTMLParser
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.verification.test_render import ADDRESS, FAILOVER, REPORT
from vboxlab.harmless import (
    for_csv,
    for_dot,
    for_html,
    for_json,
    for_line,
    for_markdown,
    for_mermaid,
    for_svg,
    for_terminal,
    for_xml,
)
from vboxlab.verification.render import render_csv, render_samples_csv, render_text
from vboxlab.verification.render_html import render_html
from vboxlab.verification.render_junit import render_junit
from vboxlab.verification.report import Evidence, Report, render_json
from vboxlab.verification.samples import Sample

NASTY = [
    "\x1b]0;owned\x07", "\x9b31m", "a\rb", "\u202egpj.exe", "\u2066x\u2069", "<script>alert(1)</script>",
    '"><img src=x>',
    '=HYPERLINK("http://x")', "+1+1", "-1", "@SUM(1)", "\t=1", "\uff1d1", "[x](http://y)", "`a`", 'x" ]; y [label="',
    "]]>", "&lt;", "\ufffe", "\ud800", "line\nline", "\u2028",
]  # fmt: skip
anything = st.one_of(st.text(), st.sampled_from(NASTY))


def drives(text: str) -> bool:
    """Tell whether something in a text can steer what shows it."""
    return any(
        (unicodedata.category(one) in ("Cc", "Cs") and one not in "\n\t")
        or unicodedata.bidirectional(one) in ("LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI")
        for one in text
    )


@given(anything)
def test_what_is_shown_drives_nothing(text: str) -> None:
    for shown in (for_terminal(text), for_xml(text), for_html(text), for_svg(text), for_markdown(text)):
        assert not drives(shown)
    assert not drives(for_dot(text, text))
    assert "\n" not in for_line(text) + for_svg(text) + for_markdown(text) + for_dot(text)


@given(st.text(alphabet=st.characters(categories=("L", "N", "Zs"), max_codepoint=0x24F)))
def test_what_is_harmless_stays_as_it_is(text: str) -> None:
    assert for_terminal(text) == for_xml(text) == for_html(text) == for_csv(text) == text


@given(anything)
def test_in_markup_it_is_text(text: str) -> None:
    root = ET.fromstring(f'<svg a="{for_svg(text)}"><t>{for_html(text)}</t></svg>')
    assert [child.tag for child in root] == ["t"]
    assert list(root[0]) == []


@given(anything)
def test_no_spreadsheet_takes_it_for_a_formula(text: str) -> None:
    cell = for_csv(text)
    assert isinstance(cell, str)
    assert not re.match(r"\s*[=+\-@]", cell)
    assert for_csv(-3.5) == -3.5


@given(anything)
def test_in_dot_it_is_one_string(text: str) -> None:
    shown = for_dot(text)
    assert re.fullmatch(r'"(?:[^"\\]|\\.)*"', shown)


@given(anything)
def test_in_mermaid_it_has_no_markup(text: str) -> None:
    assert not set(for_mermaid(text)) & set('<>"[]{}|`\\')


@given(anything)
def test_json_says_the_same_and_drives_nothing(text: str) -> None:
    document = for_json(json.dumps({"text": text}, ensure_ascii=False))
    assert not drives(document)
    assert json.loads(document) == {"text": text}


@given(anything)
def test_in_markdown_it_makes_nothing(text: str) -> None:
    assert not re.search(r"(?<!\\)(?:\\\\)*[`*_\[\]<>|]", for_markdown(text))


class _Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        assert not [key for key, _value in attrs if key.startswith("on")]


def report_with(text: str) -> Report:
    """Return a report in which all that a guest or a file may say is this."""
    from dataclasses import replace

    evidence = (Evidence("srv-web", text, text, 1),)
    step = replace(ADDRESS, title=text, message=text, details=(text,), note=text, evidence=evidence)
    sample = (Sample(0.0, 0.1, "ok", 200, text),)
    return replace(
        REPORT,
        parameters={"student": text},
        steps=(step, replace(FAILOVER, title=text, samples=sample, served=(text,), facts={"served by": text})),
        doubts=(text,),
    )


@pytest.mark.parametrize("text", NASTY)
def test_reports_of_hostile_guests(text: str) -> None:
    report = report_with(text)
    renderers: list[Callable[[Report], str]] = [render_text, render_html, render_junit, render_csv, render_json]
    for render in (*renderers, render_samples_csv):
        shown = render(report)
        assert not drives(shown)
        shown.encode("utf-8")
    ET.fromstring(render_junit(report))
    parser = _Tags()
    parser.feed(render_html(report))
    assert not parser.tags & {"script", "img", "a"}
    for row in csv.reader(io.StringIO(render_csv(report))):
        assert not [cell for cell in row if re.match(r"\s*[=+\-@]", cell)]
