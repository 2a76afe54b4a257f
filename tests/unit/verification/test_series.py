"""Several runs as one report: how figures spread, in each form."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from tests.prove_failover import finished
from tests.unit.verification.histories import failover, interruption, measured
from tests.unit.verification.test_history import written
from vboxlab.verification.judgements import judge
from vboxlab.verification.report import Report
from vboxlab.verification.series import (
    exit_code,
    series_csv,
    series_html,
    series_json,
    series_junit,
    series_text,
    spreads,
)

LIMITED = interruption(limits={"interruption": 15})


def run(back: float, name: str) -> Report:
    return judge(measured(failover(3.0, back), step=LIMITED, run={"run": name}))


REPORTS = [run(13.0, "a"), run(15.0, "b"), run(14.0, "c")]


def test_the_spread_of_a_figure_over_runs() -> None:
    found = next(one for one in spreads(REPORTS) if one.name == "interruption")
    assert (found.seen, found.runs) == (3, 3)
    assert (found.least, found.median, found.p95, found.most) == (10.01, 11.01, 12.01, 12.01)
    two = next(one for one in spreads(REPORTS[:2]) if one.name == "interruption")
    assert (two.least, two.median, two.most) == (10.01, 11.01, 12.01)


def test_of_twenty_runs_one_may_lie_beyond_p95() -> None:
    many = [run(13.0 + number / 10, str(number)) for number in range(20)]
    found = next(one for one in spreads(many) if one.name == "interruption")
    assert found.p95 == pytest.approx(11.81)
    assert found.most == pytest.approx(11.91)


def test_a_run_in_which_nothing_was_seen_is_counted_as_one() -> None:
    never = run(99.0, "d")
    found = next(one for one in spreads([*REPORTS, never]) if one.name == "interruption")
    assert (found.seen, found.runs, found.most) == (3, 4, 12.01)
    assert exit_code([*REPORTS, never]) == 1
    assert "3 of 4 runs proved" in series_text([*REPORTS, never])
    assert "FAILED" in series_text([*REPORTS, never])


def test_text() -> None:
    lines = series_text(REPORTS).splitlines()
    assert lines[0] == "run a at 2026-11-30T01:00:00+00:00: 1 passed"
    assert lines[4].split() == ["step", "figure", "seen", "min", "median", "p95", "max"]
    assert "1     interruption   3/3  10.01 s  11.01 s  12.01 s  12.01 s" in lines
    assert lines[-1] == "3 of 3 runs proved"


def test_json_csv_and_junit_hold_all_runs() -> None:
    data = json.loads(series_json(REPORTS))
    assert ([one["run"] for one in data["runs"]], data["passed"], data["exit_code"]) == (["a", "b", "c"], True, 0)
    rows = list(csv.DictReader(io.StringIO(series_csv(REPORTS))))
    assert [row["most"] for row in rows if row["name"] == "interruption"] == ["10.01", "12.01", "11.01"]
    suites = ET.fromstring(series_junit(REPORTS))
    assert [suite.tag for suite in suites] == ["testsuite"] * 3


def test_html_shows_all_runs_in_one_picture() -> None:
    page = series_html(REPORTS)
    assert page.count('class="picture runs"') == 1
    assert page.count("<details><summary>run ") == 3
    assert "<title>failover: 3 of 3 runs proved</title>" in page
    (picture,) = (part.split("</svg>")[0] for part in page.split('<svg class="picture runs"')[1:])
    widths = [float(part.split('"')[0]) for part in picture.split('width="')[1:]]
    assert widths[1] > widths[2] > widths[0]


def test_runs_that_did_not_end_are_made_anew(tmp_path: Path) -> None:
    whole = measured(failover(3.0, 15.0), step=LIMITED).records
    written(tmp_path / "a.jsonl", *whole)
    written(tmp_path / "b.jsonl", *whole[:-1])
    (tmp_path / "c.jsonl").write_text("")
    assert finished(tmp_path) == [tmp_path / "a.jsonl"]
