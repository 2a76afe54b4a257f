"""Every line that differs is told, whatever stands before it."""

from __future__ import annotations

import time

from hypothesis import given
from hypothesis import strategies as st

from vboxlab.guest.differing_lines import MOST, Difference, Lines, differences_of, differing_lines

LINES = st.lists(st.sampled_from(["a", "b", "c", "", "d"]), max_size=12).map(tuple)


def told(found: str, wanted: str) -> list[tuple[str, int | None, object]]:
    findings = differing_lines("m", "/etc/x", found, wanted, "error")
    return [(each.code, each.where.line, each.values.get("expected")) for each in findings]


def test_a_real_difference_below_is_told_as_well() -> None:
    assert told("# mine\na=1\nb=2\nc=3\n", "a=1\nb=20\nc=3\nd=4\n") == [
        ("file-more", 1, "-"),
        ("file-line", 3, "`b=20`"),
        ("file-less", 5, "`d=4`"),
    ]
    assert told("a\nc\n", "a\nb\nc\n") == [("file-lacks", 2, "`b`")]
    assert told("", "a\nb\n") == [("file-less", 1, "`a`"), ("file-less", 1, "`b`")]


def test_of_many_lines_the_first_are_told() -> None:
    findings = list(differing_lines("m", "/etc/x", "x\n" * 90, "y\n" * 90, "error"))
    assert [each.code for each in findings] == [*["file-line"] * MOST["error"], "file-differs-more"]
    assert findings[-1].values == {"count": "70"}
    assert findings[-1].where.line == 21


def test_a_long_file_is_compared_at_once() -> None:
    begun = time.monotonic()
    assert len(list(differing_lines("m", "/etc/x", "\n" * 65536, "a\n" * 1999, "error"))) == MOST["error"] + 1
    assert len(list(differing_lines("m", "/etc/x", "a\nb\n" * 150, "a\nc\n" * 150, "error"))) == MOST["error"] + 1
    assert time.monotonic() - begun < 10


@given(found=LINES, wanted=LINES)
def test_the_differences_make_the_one_of_the_other(found: Lines, wanted: Lines) -> None:
    assert remade(found, list(differences_of(found, wanted))) == wanted


def remade(found: Lines, differences: list[Difference]) -> Lines:
    made: list[str] = []
    for number in range(1, len(found) + 2):
        here = [each for each in differences if each.line == number]
        lacking = [each.want for each in here if each.have is None and each.want is not None]
        of_line = [each for each in here if each.have is not None]
        made += lacking
        if number <= len(found):
            made += [found[number - 1]] if not of_line else [each.want for each in of_line if each.want is not None]
    return tuple(made)
