"""The file that a verification leaves: what was recorded is read again, and nothing else is taken for it."""

from __future__ import annotations

import json
import stat
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.verification.histories import failover, interruption, measured, run_begun
from vboxlab.verification.history import (
    AnyRecord,
    History,
    HistoryInvalid,
    Request,
    RunEnded,
    Shown,
    StepBegun,
    Tried,
    read_history,
)
from vboxlab.verification.judgements import judge
from vboxlab.verification.recorder import Recorder


def written(path: Path, *records: AnyRecord) -> Path:
    recorder = Recorder(path)
    for record in records:
        recorder.add(record)
    recorder.close()
    return path


def test_what_was_recorded_is_read_again_and_judged_alike(tmp_path: Path) -> None:
    history = measured(failover(3.0, 15.0), step=interruption(limits={"interruption": 15}))
    read = read_history(written(tmp_path / "h.jsonl", *history.records))
    assert read.records == history.records
    assert judge(read) == judge(history)
    assert judge(read).steps[0].outcome == "passed"


@pytest.mark.skipif(sys.platform == "win32", reason="no such rights there")
def test_only_its_owner_reads_it(tmp_path: Path) -> None:
    path = written(tmp_path / "new" / "h.jsonl", run_begun())
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_each_record_is_there_as_soon_as_it_happened(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path / "h.jsonl")
    recorder.add(run_begun())
    recorder.add(StepBegun(at=1.0, step=1))
    lines = (tmp_path / "h.jsonl").read_text().splitlines()
    assert [json.loads(line)["kind"] for line in lines] == ["run", "step"]
    recorder.close()


def test_the_last_line_may_be_cut_short(tmp_path: Path) -> None:
    path = written(
        tmp_path / "h.jsonl", run_begun([{"check": "ping", "from": "a", "to": "b"}]), StepBegun(at=1.0, step=1)
    )
    whole = path.read_text()
    path.write_text(whole + '{"at": 2.0, "kind": "tri')
    report = judge(read_history(path))
    assert (report.exit_code, report.doubts) == (7, ("the run did not come to its end",))
    assert (report.steps[0].outcome, report.steps[0].message) == (
        "unclear",
        "the run ended while this step was carried out",
    )


def test_a_file_is_never_written_over(tmp_path: Path) -> None:
    written(tmp_path / "h.jsonl", run_begun())
    with pytest.raises(FileExistsError):
        Recorder(tmp_path / "h.jsonl")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", ":1: not a record of a verification"),
        ("[]\n", ":1: not a record of a verification"),
        ('{"at": 1.0, "kind": "step", "step": 1}\n', " is not the history of a verification"),
        ('{"at": NaN, "kind": "step", "step": 1}\n', ":1: not a record of a verification"),
    ],
)
def test_another_file_is_refused_with_its_line(tmp_path: Path, text: str, told: str) -> None:
    path = tmp_path / "h.jsonl"
    path.write_text(text)
    with pytest.raises(HistoryInvalid) as caught:
        read_history(path)
    assert caught.value.brief == f"{path}{told}"
    assert caught.value.exit_code == 3


def test_a_wrong_line_is_named(tmp_path: Path) -> None:
    path = written(tmp_path / "h.jsonl", run_begun(), StepBegun(at=1.0, step=1), RunEnded(at=2.0))
    lines = path.read_text().splitlines()
    lines[1] = lines[1].replace('"step":1', '"step":"one"')
    path.write_text("\n".join(lines) + "\n")
    with pytest.raises(HistoryInvalid, match=":2: not a record"):
        read_history(path)


def test_a_history_of_a_newer_vboxlab_is_refused(tmp_path: Path) -> None:
    path = written(tmp_path / "h.jsonl", run_begun(format=2, vboxlab="9.1"))
    with pytest.raises(HistoryInvalid, match=r"was written by a newer vboxlab \(9\.1\)"):
        read_history(path)


def test_a_step_that_is_not_known_is_refused(tmp_path: Path) -> None:
    history = History([run_begun().model_copy(update={"steps": ({"check": "telepathy"},)})])
    with pytest.raises(HistoryInvalid, match="does not know"):
        judge(history)


@given(page=st.text(), output=st.text())
def test_whatever_a_guest_says_comes_back_unchanged(page: str, output: str) -> None:
    surrogates = (page + output).encode("utf-8", "replace").decode() != page + output
    if surrogates:
        return
    for record in (
        Request(at=1.0, step=1, start=0.0, duration=0.1, outcome="ok", status=200, page=page),
        Tried(at=1.0, step=1, problems=(output,), evidence=(Shown(machine="m", command="c", output=output),)),
    ):
        assert "\n" not in record.model_dump_json()
        assert type(record).model_validate_json(record.model_dump_json()) == record


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
def test_a_full_disk_ends_the_file_and_not_the_run(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path / "h.jsonl")
    assert recorder._file is not None
    recorder._file.close()
    recorder._file = Path("/dev/full").open("w", encoding="utf-8")  # noqa: SIM115 -- the recorder closes it
    recorder.add(run_begun())
    recorder.add(StepBegun(at=1.0, step=1))
    assert recorder.trouble is not None
    assert len(recorder.history().records) == 2
    recorder.close()
