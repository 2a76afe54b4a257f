"""What is kept of a grading, what a teacher changes, and every report of it."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from vboxlab.errors import UsageError
from vboxlab.grading.evidence import Hinted
from vboxlab.grading.judge import Change, Criterion, Shown
from vboxlab.grading.record import Graded, change, changes_of, keep, kept
from vboxlab.grading.reports import write_reports
from vboxlab.grading.tables import Form
from vboxlab.language import speaking
from vboxlab.topology.grading import Rounding

HOSTILE = "=cmd|'/c calc'!A1 <script>alert(1)</script> \x1b[2J"


def shown(name: str, points: float, least: float, most: float | None = None, found: str = "") -> Shown:
    holds = Criterion(title="it holds", value="passed")
    other = Criterion(title="the page", value="failed", found=(found or "nothing",))
    return Shown(
        question=name, title={"en": "Names", "fr": "Noms"}, points=points, least=least,
        most=least if most is None else most, criteria=(holds,) if least == points else (holds, other),
        because="" if most is None else "no answer",
    )  # fmt: skip


def graded(name: str, *questions: Shown) -> Graded:
    return Graded(
        lab="ha", copy_name=name, topology="failover", digest="d1", scheme="s1", driver="qemu", vboxlab="0.1.0",
        graded_at="2026-11-30T10:00:00+00:00", seconds=12.5, total=sum(each.points for each in questions),
        rounding=Rounding(), questions=questions,
    )  # fmt: skip


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    keep(graded("alice", shown("names", 2, 2), shown("pages", 1.5, 1.25)), tmp_path)
    keep(graded("bob", shown("names", 2, 0, found=HOSTILE), shown("pages", 1.5, 0, 1.5)), tmp_path)
    write_reports(tmp_path, Form(";", ","), "Email address")
    return tmp_path


def rows(path: Path) -> list[list[str]]:
    return list(csv.reader(io.StringIO(path.read_text(encoding="utf-8-sig"), newline=""), delimiter=";"))


def test_what_is_kept_is_read_again_as_it_was(folder: Path) -> None:
    assert list(kept(folder)) == ["alice", "bob"]
    assert kept(folder)["bob"] == graded("bob", shown("names", 2, 0, found=HOSTILE), shown("pages", 1.5, 0, 1.5))


def test_a_damaged_file_is_named(folder: Path) -> None:
    (folder / "bob.json").write_text("{")
    with pytest.raises(UsageError, match=r"bob\.json cannot be read"):
        kept(folder)


def test_a_change_is_kept_apart_and_survives_grading_again(folder: Path) -> None:
    change(folder, "bob", "pages", Change(points=1, reason="by hand", at="now"))
    keep(graded("bob", shown("names", 2, 2), shown("pages", 1.5, 0)), folder)
    assert kept(folder)["bob"].marks(changes_of(folder, "bob")).least == 3.0
    change(folder, "bob", "pages", None)
    assert kept(folder)["bob"].marks(changes_of(folder, "bob")).least == 2.0


def test_the_table_of_the_class_leaves_open_what_nobody_can_tell(folder: Path) -> None:
    assert rows(folder / "class.csv") == [
        ["COPY", "names", "pages", "SUM", "SUM,", "AT MOST", "HINTS"],
        ["alice", "2", "1,25", "3,25", "3,25", "3,25", "0"],
        ["bob", "0", "", "0", "0", "1,5", "0"],
    ]


def test_moodle_gets_no_mark_that_is_not_settled_and_no_formula(folder: Path) -> None:
    heads, alice, bob = rows(folder / "moodle.csv")
    assert heads == ["Email address", "failover", "Feedback"]
    assert alice[:2] == ["alice", "3,25"]
    assert bob[:2] == ["bob", ""]
    assert not bob[2].startswith(("=", "+", "-", "@"))
    assert "\x1b" not in bob[2]


def test_the_page_of_a_student_is_his_own_and_harmless(folder: Path) -> None:
    page = (folder / "bob.html").read_text(encoding="utf-8")
    assert "alice" not in page
    assert "<script>" not in page
    assert "&lt;script&gt;" in page
    assert "0 to 1.5" in page
    assert "d1" in page
    assert "graded 2026-11-30 10:00 UTC" in page


def test_the_page_of_the_class_says_how_many_did_not_pass(folder: Path) -> None:
    page = (folder / "class.html").read_text(encoding="utf-8")
    assert '<td class="passed">+ 2' in page
    assert page.count("<thead>") == 1
    assert '<td class="unclear">? 0 to 1.5' in page
    assert "<td>did not pass<td>1<td>2" in page


def test_hints_are_told_with_what_they_cost_in_every_report(tmp_path: Path) -> None:
    helped = shown("names", 2, 2).model_copy(update={"hints": Hinted(count=2, cost=0.5)})
    keep(graded("alice", helped, shown("pages", 1.5, 1.5)), tmp_path)
    write_reports(tmp_path, Form(";", ","), "Email address")
    assert rows(tmp_path / "class.csv")[1] == ["alice", "1,5", "1,5", "3", "3", "3", "0,5"]
    told = "2 hints were asked for (cost: 0.5)"
    assert told in rows(tmp_path / "moodle.csv")[1][2]
    assert told in (tmp_path / "alice.html").read_text(encoding="utf-8")
    assert told in (tmp_path / "junit.xml").read_text(encoding="utf-8")


def test_junit_has_an_error_for_what_nobody_can_tell(folder: Path) -> None:
    suites = ET.fromstring((folder / "junit.xml").read_text(encoding="utf-8")).findall("testsuite")
    assert [(suite.get("tests"), suite.get("failures"), suite.get("errors")) for suite in suites] == [
        ("2", "1", "0"),
        ("2", "1", "1"),
    ]


def test_a_page_speaks_french_with_decimal_commas(folder: Path) -> None:
    with speaking("fr"):
        write_reports(folder, Form(), "ID number")
    page = (folder / "alice.html").read_text(encoding="utf-8")
    assert 'lang="fr"' in page
    assert "1,25" in page
    assert "Noms" in page
