"""Naming copies on the command line and in CSV files, and one operation on many of them."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest

from vboxlab.errors import CopyStopped, DriverError, UsageError
from vboxlab.events import ActionFailed, ActionStarted, Event, EventSink, Note, discard
from vboxlab.lab.copies import Copy, name_fault, parse_copies, parse_csv, read_copies
from vboxlab.operations.run_copies import exit_code, run_copies, shares
from vboxlab.topology.addressing import LabName


def names(text: str) -> list[str]:
    return [copy.name for copy in parse_copies(text).copies]


def test_lists_and_ranges() -> None:
    assert names("alice,bob") == ["alice", "bob"]
    assert names("1-3") == ["1", "2", "3"]
    assert names("08-11, guest,") == ["08", "09", "10", "11", "guest"]
    assert names("b-2") == ["b-2"]


@pytest.mark.parametrize(
    ("text", "brief"),
    [
        ("", "--copies : no list of copies"),
        ("3-1", "--copies 3-1: `3-1` is no range: expected FIRST-LAST of at most 1000, such as 1-30"),
        (
            "1-5000",
            "--copies 1-5000: `1-5000` is no range: expected FIRST-LAST of at most 1000, such as 1-30",
        ),
        ("a,b,a", "--copies a,b,a: `a` comes twice"),
        (
            "Théo",
            "--copies Théo: `Théo` is no name for a copy; expected up to 30 of a-z, 0-9 and `-`, such as `theo`",
        ),
    ],
)
def test_bad_lists(text: str, brief: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_copies(text)
    assert caught.value.brief == brief


def test_several_faults_are_all_listed() -> None:
    with pytest.raises(UsageError) as caught:
        parse_copies("a--b,-c,ok")
    assert len(caught.value.details) == 2


@pytest.mark.parametrize("name", ["A", "a_b", "a--b", "-a", "a-", "a.b", "x" * 31, "", "é"])
def test_names_that_no_host_could_have(name: str) -> None:
    assert name_fault(name)


CSV = "copy,student,tuning\nalice,alice,fast\nbob,,\n\n"


@pytest.mark.parametrize(
    "text", [CSV, CSV.replace(",", ";"), CSV.replace("\n", "\r\n"), CSV.replace("alice,alice", '"alice"," alice "')]
)
def test_csv_of_any_spreadsheet(text: str) -> None:
    roll = parse_csv(text, "class.csv")
    assert roll.copies == (Copy("alice", {"student": "alice", "tuning": "fast"}), Copy("bob", {}))
    assert roll.columns == ("student", "tuning")


def test_a_file_with_byte_order_mark(tmp_path: Path) -> None:
    file = tmp_path / "class.csv"
    file.write_bytes(b"\xef\xbb\xbf" + CSV.encode())
    assert [copy.name for copy in read_copies(str(file)).copies] == ["alice", "bob"]


def test_csv_problems_are_reported_with_their_lines() -> None:
    text = "copy;student\nalice;a\nalice;b\nBob;b\n;c\ncarol\n"
    with pytest.raises(UsageError) as caught:
        parse_csv(text, "class.csv")
    assert caught.value.brief == "class.csv: 4 problems"
    assert caught.value.details == (
        "class.csv:3: copy `alice` is in line 2 already",
        "class.csv:4: `Bob` is no name for a copy; expected up to 30 of a-z, 0-9 and `-`, such as `bob`",
        "class.csv:5: the copy has no name",
        "class.csv:6: has 1 cells, expected 2 as the heading",
    )


@pytest.mark.parametrize(
    ("text", "brief"),
    [
        ("", "class.csv: is empty"),
        ("name,student\na,b\n", "class.csv:1: there is no column `copy`; the columns are `name`, `student`"),
        ("copy,a,a\nx,1,2\n", "class.csv:1: column `a` comes twice"),
        ("copy,\nx,1\n", "class.csv:1: column 2 has no name"),
        ("copy,student\n", "class.csv: names no copy"),
        ('copy\n"a\n', "class.csv:2: is no CSV: unexpected end of data"),
    ],
)
def test_bad_csv(text: str, brief: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_csv(text, "class.csv")
    assert caught.value.brief == brief


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot be read: No such file"):
        read_copies(str(tmp_path / "none.csv"))
    latin = tmp_path / "latin.csv"
    latin.write_bytes("copy,student\nx,Théo\n".encode("latin-1"))
    with pytest.raises(UsageError) as caught:
        read_copies(str(latin))
    assert caught.value.brief == f"{latin}:2: is not UTF-8"


def test_a_column_that_is_no_parameter() -> None:
    roll = parse_csv("copy,studend\na,b\n", "class.csv")
    with pytest.raises(UsageError) as caught:
        roll.check_columns(["student", "tuning"], "failover")
    assert caught.value.brief == "class.csv:1: `studend`: no parameter of failover"
    assert caught.value.details == ("expected one of copy, student, tuning; did you mean `student`?",)


LABS = [LabName("ha", name) for name in ("a", "b", "c", "d")]


def test_a_copy_that_fails_does_not_stop_the_others_and_says_where() -> None:
    seen: list[Event] = []

    def do(lab: LabName, events: EventSink) -> str:
        events(ActionStarted("01", "srv-web", "create"))
        if lab.copy == "b":
            events(ActionFailed("01", "srv-web", "create", 0.1, "disk full"))
            events(ActionStarted("02", "dns", "create"))
            raise DriverError("disk full")
        return f"made {lab.copy}"

    results = run_copies(LABS, do, width=2, events=seen.append, stop=threading.Event())
    assert [(r.outcome, r.value) for r in results if r.lab.copy != "b"] == [
        ("done", "made a"), ("done", "made c"), ("done", "made d"),
    ]  # fmt: skip
    failed = results[1]
    assert (failed.outcome, failed.step, failed.why) == ("failed", "srv-web: create", "disk full")
    assert exit_code(results) == 8
    assert {event.machine for event in seen if isinstance(event, ActionStarted)} == {
        "a/srv-web", "b/srv-web", "c/srv-web", "d/srv-web", "b/dns",
    }  # fmt: skip
    assert [event.text for event in seen if isinstance(event, Note)] == ["ha/b: FAILED: disk full"]


def test_no_more_copies_at_once_than_wanted() -> None:
    now, most = [0], [0]
    lock = threading.Lock()

    def do(_lab: LabName, _events: EventSink) -> None:
        with lock:
            now[0] += 1
            most[0] = max(most[0], now[0])
        time.sleep(0.02)
        with lock:
            now[0] -= 1

    results = run_copies(LABS, do, width=2, events=discard, stop=threading.Event())
    assert most[0] == 2
    assert exit_code(results) == 0


def test_after_a_stop_no_copy_begins() -> None:
    stop = threading.Event()

    def do(lab: LabName, _events: EventSink) -> None:
        stop.set()
        raise CopyStopped("stopped")

    results = run_copies(LABS, do, width=1, events=discard, stop=stop)
    assert [result.outcome for result in results] == ["stopped", "not begun", "not begun", "not begun"]
    assert exit_code(results) == 130


def test_a_bug_is_raised_when_the_others_have_ended() -> None:
    ended: list[str | None] = []

    def do(lab: LabName, _events: EventSink) -> None:
        if lab.copy == "a":
            raise ZeroDivisionError
        ended.append(lab.copy)

    with pytest.raises(ZeroDivisionError):
        run_copies(LABS, do, width=1, events=discard, stop=threading.Event())
    assert ended == ["b", "c", "d"]


@pytest.mark.parametrize(("jobs", "copies", "found"), [(8, 2, (2, 4)), (2, 30, (2, 1)), (1, 3, (1, 1)), (3, 2, (2, 1))])
def test_jobs_are_shared_between_copies(jobs: int, copies: int, found: tuple[int, int]) -> None:
    assert shares(jobs, copies) == found
