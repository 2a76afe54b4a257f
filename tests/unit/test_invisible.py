"""Characters that are not what they look like are found, named and told from those that belong there."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vboxlab.errors import TopologyInvalid, UsageError
from vboxlab.invisible import MOST, as_meant, hurts, strays
from vboxlab.lab.copies import parse_csv
from vboxlab.topology.loader import load_topology


def found(text: str) -> list[tuple[int, int, str, str]]:
    return [(each.line, each.column, each.point, each.meant) for each in strays(text)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a=1\r\n", [(1, 4, "U+000D", "")]),
        ("x\na\u00a0=\u202f1\n", [(2, 2, "U+00A0", " "), (2, 4, "U+202F", " ")]),
        ("\ufeffa\u200b=\u00ad1", [(1, 1, "U+FEFF", ""), (1, 3, "U+200B", ""), (1, 5, "U+00AD", "")]),
        ("a\uff1d1 \u2013m \u201cx\u201d", [
            (1, 2, "U+FF1D", "="), (1, 5, "U+2013", "-"), (1, 8, "U+201C", '"'), (1, 10, "U+201D", '"'),
        ]),
        ("ip_forw\u0430rd", [(1, 8, "U+0430", "a")]),
        ("страница и сеть, caf\u00e9, 日本", []),
        ("plain text\twith tabs\n", []),
    ],
)  # fmt: skip
def test_each_is_found_with_its_place(text: str, expected: list[tuple[int, int, str, str]]) -> None:
    assert found(text) == expected


def test_of_one_kind_the_first_are_told_and_those_that_belong_there_are_not() -> None:
    assert len(found("\u00a0" * 50 + "\u200b" * 50)) == 2 * MOST
    assert list(strays("l\u2019image", apart="\u2019")) == []


@given(st.text())
def test_what_was_meant_has_no_such_character(text: str) -> None:
    for each in list(strays(text)):
        text = as_meant(text, each.character)
    assert list(strays(text)) == []


def test_whether_it_hurts_is_the_program_s_to_say() -> None:
    (stray,) = strays("a\u00a0b")
    assert hurts("a\u00a0b".encode(), stray, lambda data: data.split())
    assert not hurts("a\u00a0b".encode(), stray, lambda data: len(data.decode()))


TOPOLOGY = """\
lab: one
base: debian12
networks:
  lan: {kind: internal, subnet: 192.168.7.0/24}
machines:
  host: {hostname: host, adapters: [{network: lan, address: 192.168.7.1/24}]}
"""


@pytest.mark.parametrize(
    ("old", "new", "place", "name"),
    [
        ("kind: int", "kind:\u00a0int", "4:14", "a no-break space (U+00A0)"),
        ("subnet:", "subn\u0435t:", "4:29", "a Cyrillic letter (U+0435)"),
        ("    ", "", "", ""),
        ("  host:", "\u00a0\u00a0host:", "6:1", "a no-break space (U+00A0)"),
        ("machines:", "machines\uff1a", "5:9", "a fullwidth character (U+FF1A)"),
        ("base:", "ba\u200bse:", "2:3", "a zero-width space (U+200B)"),
    ],
)
def test_a_problem_of_a_topology_names_it(old: str, new: str, place: str, name: str, tmp_path: Path) -> None:
    path = tmp_path / "one.yaml"
    path.write_text(TOPOLOGY.replace(old, new), encoding="utf-8")
    if not name:
        assert load_topology(path).name == "one"
        return
    with pytest.raises(TopologyInvalid) as caught:
        load_topology(path)
    said = f"{path}:{place}: [invisible-character] here stands {name}; expected a character of the keyboard"
    assert said in caught.value.details


def test_a_problem_of_a_class_names_it() -> None:
    with pytest.raises(UsageError) as caught:
        parse_csv("copy;student\r\nali\u200bce;alice\r\nbob;bob\r\n", "class.csv")
    assert caught.value.details[1:] == (
        "class.csv:2: here stands a zero-width space (U+200B); expected a character of the keyboard",
    )
    assert [each.name for each in parse_csv("copy\u00a0;student\r\nalice;al\u00a0\r\n", "class.csv").copies] == [
        "alice"
    ]
