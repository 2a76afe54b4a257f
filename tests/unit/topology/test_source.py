from __future__ import annotations

from pathlib import Path

import pytest

from vboxlab.errors import TopologyInvalid, UsageError
from vboxlab.topology.problems import Position
from vboxlab.topology.source import Source, parse_source, read_source

TEXT = """\
a: &anchor
  x: 1
  y: [p, {q: ~}]
b:
  <<: *anchor
  x: 2
c: *anchor
d:
  <<: [{x: 3, z: 4}, *anchor]
"""


@pytest.fixture
def source() -> Source:
    return parse_source(TEXT, "t.yaml")


def test_aliases_and_merges_are_followed(source: Source) -> None:
    assert source.data == {
        "a": {"x": "1", "y": ["p", {"q": None}]},
        "b": {"x": "2", "y": ["p", {"q": None}]},
        "c": {"x": "1", "y": ["p", {"q": None}]},
        "d": {"x": "3", "z": "4", "y": ["p", {"q": None}]},
    }
    assert source.problems == []


def test_every_key_and_value_has_its_position(source: Source) -> None:
    assert source.key(("a", "x")) == Position(2, 3)
    assert source.value(("a", "x")) == Position(2, 6)
    assert source.value(("a", "y", 1, "q")) == Position(3, 14)
    assert source.value(("a", "y", 1)) == Position(3, 10), "an element of a list stands where it begins"
    assert source.value(("a", "y")) == Position(3, 3), "a list or mapping is shown by its key"
    assert source.value(("a", "nothing")) == Position(1, 1), "what is not there, by what is around it"


def test_what_is_brought_in_knows_from_where(source: Source) -> None:
    assert source.value(("b", "y", 0)) == source.value(("a", "y", 0)) == Position(3, 7)
    assert source.spot(("b", "y", 0)).used == Position(5, 3)
    assert source.spot(("c", "x")).used == Position(7, 4)
    assert source.spot(("b", "x")).used is None
    assert source.spot(("d", "y")).used == Position(9, 3)


@pytest.mark.parametrize(
    "text", ["no", "on", "yes", "off", "007", "1.10", "1:30", "0x1F", "2024-01-01", "1_000", "true"]
)
def test_scalars_stay_text(text: str) -> None:
    assert parse_source(f"key: {text}", "t.yaml").data == {"key": text}


def test_null_is_null_unless_quoted() -> None:
    assert parse_source("[~, null, , '', 'null', !!str null, nULL]".replace(", ,", ","), "t.yaml").data == [
        None, None, "", "null", "null", "nULL",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "position", "code"),
    [
        ("a: [1\n", "2:1", "not-yaml"),
        ("a: *nowhere\n", "1:4", "not-yaml"),
        ('a: "\\U00110000"\n', "1:1", "not-yaml"),
        ("%YAML 1.1\n%YAML 1.1\n---\na\n", "2:1", "not-yaml"),
        ("a: 1\n--- \nb: 2\n", "2:1", "not-yaml"),
        ("a: \x00\n", "1:4", "not-yaml"),
        ("a:\n\tb: 1\n", "2:1", "not-yaml"),
    ],
)
def test_what_is_not_yaml_is_said_with_its_position(text: str, position: str, code: str) -> None:
    with pytest.raises(TopologyInvalid) as caught:
        parse_source(text, "t.yaml")
    assert [detail.split("] ")[0] for detail in caught.value.details] == [f"t.yaml:{position}: [{code}"]


def test_merges_that_explode_end_soon() -> None:
    lines = ["a0: &a0 {k: v}"]
    lines += [f"a{n}: &a{n} {{<<: [{', '.join([f'*a{n - 1}'] * 9)}]}}" for n in range(1, 9)]
    with pytest.raises(TopologyInvalid, match=r"t\.yaml: 1 problem") as caught:
        parse_source("\n".join(lines), "t.yaml")
    assert "[too-large]" in caught.value.details[0]


def test_a_file_that_cannot_be_read_is_wrong_usage(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"none\.yaml: cannot be read") as caught:
        read_source(tmp_path / "none.yaml")
    assert caught.value.details == ("No such file or directory",)


def test_a_byte_order_mark_and_windows_lines_are_read(tmp_path: Path) -> None:
    path = tmp_path / "windows.yaml"
    path.write_bytes("\ufeffa: é\r\nb: 2\r\n".encode())
    assert read_source(path).data == {"a": "é", "b": "2"}
    assert read_source(path).key(("b",)) == Position(2, 1)
