"""What a report looks like in each format."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from html.parser import HTMLParser
from xml.etree import ElementTree as ET

from vboxlab.verification.render import amount, render_csv, render_samples_csv, render_text
from vboxlab.verification.render_html import render_html
from vboxlab.verification.render_junit import render_junit
from vboxlab.verification.report import Evidence, Measurement, Report, StepReport, render_json
from vboxlab.verification.samples import Sample

PING = StepReport(1, "check", "ping", "the servers reach each other", "passed", "2 of 2 answered", seconds=0.4)
ADDRESS = StepReport(
    2,
    "check",
    "address",
    "the master holds the address",
    "failed",
    "srv-web does not hold 192.168.200.5; it holds 192.168.200.51/24 on enp0s3",
    seconds=15.2,
    attempts=12,
    evidence=(Evidence("srv-web", "ip -o -4 addr show", "2: enp0s3 <inet>\x1b", 0),),
)
FAILOVER = StepReport(
    3,
    "measure",
    "interruption",
    "the master is powered off brutally",
    "passed",
    "interruption 12.2 s, detection 4.5 s, takeover 7.6 s, 87 requests lost",
    seconds=20.0,
    note="deadtime 5",
    measurements=(
        Measurement("detection", "cause -> srv-web-bis says that srv-web is dead", "s", 4.34, 4.46, 6, 12, "passed"),
        Measurement("takeover", "said to be dead -> page served again", "s", 7.41, 7.61),
        Measurement("interruption", "gone -> served steadily", "s", 12.2, 12.2, 15, 30, "passed"),
        Measurement("failed", "requests of 160 without a good answer", "requests", 87, 87),
    ),
    facts={"served by": "srv-web 21, srv-web-bis 30"},
    samples=(Sample(100.0, 0.01, "ok", 200, "<h1>Srv-Web</h1>\n"), Sample(100.1, 2.0, "timeout")),
    served=("srv-web", ""),
)
REPORT = Report(
    run="0123abcd",
    lab="ha",
    copy="alice",
    topology="failover",
    digest="ce91df5acaac7219",
    parameters={"student": "théodore", "tuning": "practical"},
    driver="qemu",
    driver_version="7.2",
    vboxlab="0.1.0",
    started_at="2026-11-25T04:00:00+00:00",
    seconds=36.0,
    time_scale=2.0,
    steps=(PING, ADDRESS, FAILOVER),
)

TEXT = """\
Verification of failover (lab ha/alice, digest ce91df5acaac7219), run 0123abcd at 2026-11-25T04:00:00+00:00
Driver qemu 7.2, vboxlab 0.1.0, time scale 2 (limits and waits are stretched)
Parameters: student=théodore, tuning=practical

      ok   1 the servers reach each other (0.4 s)
             2 of 2 answered
  FAILED   2 the master holds the address (15.2 s, 12 attempts)
             srv-web does not hold 192.168.200.5; it holds 192.168.200.51/24 on enp0s3
             srv-web$ ip -o -4 addr show
             | 2: enp0s3 <inet>\ufffd
      ok   3 the master is powered off brutally (20.0 s)
             interruption 12.2 s, detection 4.5 s, takeover 7.6 s, 87 requests lost
             detection       4.34 to 4.46 s  ok, limit 12 (of 6)      cause -> srv-web-bis says that srv-web is dead
             takeover        7.41 to 7.61 s                           said to be dead -> page served again
             interruption           12.20 s  ok, limit 30 (of 15)     gone -> served steadily
             failed                      87                           requests of 160 without a good answer
             served by: srv-web 21, srv-web-bis 30
             note: deadtime 5

interruption: interruption 12.2 s, detection 4.5 s, takeover 7.6 s, 87 requests lost
NOT PROVED in 36 s: 2 passed, 1 failed
"""


def test_text() -> None:
    assert render_text(REPORT) == TEXT


def test_a_number_of_requests_that_is_in_doubt_has_two_ends() -> None:
    assert amount(Measurement("failed", "", "requests", 1, 3)) == "1 to 3"
    assert amount(Measurement("failed", "", "requests", 3, 3)) == "3"


def test_a_figure_whose_end_was_not_seen_says_how_long_it_was_at_least() -> None:
    assert amount(Measurement("interruption", "", "s", 16.9, None)) == "more than 16.90 s"
    assert amount(Measurement("interruption", "", "s", None, None)) == "not seen"
    assert amount(Measurement("loss", "", "%", 1.5, 50.0)) == "1.5 to 50 %"


def test_verdicts_and_exit_codes() -> None:
    fine = replace(REPORT, steps=(PING, replace(PING, outcome="warning"), replace(PING, outcome="skipped")))
    assert (fine.exit_code, render_text(fine).splitlines()[-1]) == (
        0,
        "PROVED in 36 s: 1 passed, 1 warning, 1 skipped",
    )
    trouble = replace(REPORT, steps=(ADDRESS, replace(PING, outcome="error")))
    assert trouble.exit_code == 7
    assert render_text(trouble).splitlines()[-1] == (
        "CANNOT TELL: nothing is proved either way in 36 s: 1 failed, 1 error"
    )


def test_a_step_that_cannot_be_told_proves_nothing() -> None:
    doubtful = replace(REPORT, steps=(PING, replace(PING, outcome="unclear", message="the clock may be wrong")))
    assert doubtful.exit_code == 7
    assert render_text(doubtful).splitlines()[-1] == (
        "CANNOT TELL: nothing is proved either way in 36 s: 1 passed, 1 unclear"
    )
    suite = ET.fromstring(render_junit(doubtful))
    assert (suite.attrib["failures"], suite.attrib["errors"]) == ("0", "1")


def test_a_report_without_a_step_proves_nothing_and_says_why() -> None:
    empty = replace(REPORT, steps=(), doubts=("no step applies under these parameters",))
    assert (empty.exit_code, empty.passed) == (7, False)
    assert render_text(empty).splitlines()[-2:] == [
        "no step applies under these parameters",
        "CANNOT TELL: nothing is proved either way in 36 s: no step",
    ]
    suite = ET.fromstring(render_junit(empty))
    assert (suite.attrib["tests"], suite.attrib["errors"]) == ("1", "1")
    assert "no step applies under these parameters" in render_html(empty)
    assert replace(REPORT, steps=(replace(PING, outcome="skipped"),)).exit_code == 7


def test_json_holds_everything_but_the_single_samples() -> None:
    data = json.loads(render_json(REPORT))
    assert (data["passed"], data["exit_code"], data["counts"]) == (False, 1, {"passed": 2, "failed": 1})
    assert data["time_scale"] == 2.0
    assert data["steps"][2]["measurements"][0] == {
        "name": "detection",
        "meaning": "cause -> srv-web-bis says that srv-web is dead",
        "unit": "s",
        "least": 4.34,
        "most": 4.46,
        "limit": 6,
        "scaled_limit": 12,
        "outcome": "passed",
    }
    assert data["steps"][2]["sample_count"] == 2
    assert "samples" not in data["steps"][2]


def test_junit() -> None:
    suite = ET.fromstring(render_junit(REPORT))
    assert suite.attrib["tests"] == "3"
    assert (suite.attrib["failures"], suite.attrib["errors"], suite.attrib["skipped"]) == ("1", "0", "0")
    cases = suite.findall("testcase")
    assert cases[0].attrib["name"] == "01 the servers reach each other"
    failure = cases[1].find("failure")
    assert failure is not None
    assert failure.attrib["message"] == ADDRESS.message
    assert "2: enp0s3 <inet>\ufffd" in (cases[1].findtext("system-out") or "")
    assert "interruption: 12.20 s" in (cases[2].findtext("system-out") or "")
    properties = {item.attrib["name"]: item.attrib["value"] for item in suite.iter("property")}
    assert (properties["parameter.student"], properties["time_scale"]) == ("théodore", "2")


def test_csv() -> None:
    rows = list(csv.DictReader(render_csv(REPORT).splitlines()))
    assert [row["name"] for row in rows] == ["detection", "takeover", "interruption", "failed"]
    assert rows[0]["run"] == "0123abcd"
    assert (rows[0]["least"], rows[0]["most"], rows[0]["scaled_limit"]) == ("4.34", "4.46", "12")
    assert (rows[1]["limit"], rows[2]["title"]) == ("", "the master is powered off brutally")


def test_samples_csv() -> None:
    rows = list(csv.DictReader(render_samples_csv(REPORT).splitlines()))
    assert [(row["start"], row["duration"], row["outcome"], row["page"]) for row in rows] == [
        ("0.000", "0.010", "ok", "<h1>Srv-Web</h1>"),
        ("0.100", "2.000", "timeout", ""),
    ]


class _Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.links: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.links += [value or "" for key, value in attrs if key in ("src", "href")]


def test_html_is_self_contained_and_escapes_what_guests_say() -> None:
    nasty = replace(ADDRESS, message="<script>alert(1)</script>")
    page = render_html(replace(REPORT, steps=(PING, nasty, FAILOVER)))
    parser = _Tags()
    parser.feed(page)
    assert "script" not in parser.tags
    assert parser.links == []
    assert parser.tags.count("section") == 3
    assert "<title>failover: not proved</title>" in page
    assert "<td>12.20 s" in page
