"""Reports of `verify` as files, and made again from a history: never those of an earlier run."""

from __future__ import annotations

import json
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from tests.unit.base_on_disk import put_base, put_layers
from tests.unit.lab_world import ROOT
from tests.unit.verification.histories import failover, interruption, measured
from tests.unit.verification.test_history import written
from vboxlab.cli.main import run
from vboxlab.lab.directory import LabDirectory
from vboxlab.topology.addressing import LabName
from vboxlab.topology.faults import fault_of
from vboxlab.topology.loader import load_topology
from vboxlab.verification.live import keeping

OLD = "yesterday's"


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the folder of a vboxlab on the memory driver."""
    monkeypatch.setenv("VBOXLAB_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("VBOXLAB_SETTINGS", str(tmp_path / "none.yaml"))
    monkeypatch.setenv("VBOXLAB_DRIVER", "memory")
    monkeypatch.chdir(ROOT)
    return tmp_path


def files(folder: Path) -> list[str]:
    """Return the options for all files, which hold those of yesterday."""
    for name in ("r.xml", "r.html", "r.csv"):
        (folder / name).write_text(OLD)
    return ["--junit", str(folder / "r.xml"), "--html", str(folder / "r.html"), "--csv", str(folder / "r.csv")]


def expect_nothing_verified(folder: Path, reason: str) -> None:
    for name in ("r.xml", "r.html", "r.csv"):
        assert OLD not in (folder / name).read_text(encoding="utf-8")
    suite = ET.parse(folder / "r.xml").getroot()
    assert suite is not None
    assert suite.attrib["tests"] == str(len(suite.findall("testcase")))
    assert int(suite.attrib["errors"]) >= 1
    assert reason in ET.tostring(suite, encoding="unicode")
    assert reason in (folder / "r.html").read_text(encoding="utf-8")


def test_a_lab_that_is_not_there_has_a_report_that_says_so(home: Path) -> None:
    assert run(["verify", "failover", *files(home)]) == 7
    expect_nothing_verified(home, "failover")


def test_a_topology_that_is_not_there_has_one_too(home: Path) -> None:
    assert run(["verify", "nowhere", *files(home)]) == 64
    expect_nothing_verified(home, "nowhere")


def test_a_lab_that_is_off_has_one_of_each_copy(home: Path) -> None:
    members: dict[str, tuple[str, ...]] = {"apache-base": ("srv-web", "srv-web-bis")}
    put_layers(put_base(home / "home"), load_topology(ROOT / "topologies" / "failover.yaml"), members)
    assert run(["up", "failover", "--copies", "alice,bob", "--until", "created"]) == 0
    for copy in ("alice", "bob"):
        (home / f"r-{copy}.xml").write_text(OLD)
    assert run(["verify", "failover", "--copies", "alice,bob", "--junit", str(home / "r.xml")]) == 8
    for copy in ("alice", "bob"):
        suite = ET.parse(home / f"r-{copy}.xml").getroot()
        assert suite is not None
        assert suite.attrib["errors"] != "0"
        assert f'value="{copy}"' in (home / f"r-{copy}.xml").read_text(encoding="utf-8")


def test_a_history_becomes_all_reports_again(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    history = measured(failover(3.0, 15.0), step=interruption(limits={"interruption": 15}))
    path = written(home / "h.jsonl", *history.records)
    assert run(["report", str(path), *files(home)]) == 0
    text = capsys.readouterr().out
    assert "PROVED in" in text
    assert "11.89 to 12.01 s  ok, limit 15" in text
    for name in ("r.xml", "r.html", "r.csv"):
        assert OLD not in (home / name).read_text(encoding="utf-8")
    assert run(["report", str(path), "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert (report["passed"], report["steps"][0]["measurements"][0]["most"]) == (True, 12.01)
    assert run(["report", str(path), "--lang", "fr"]) == 0
    assert "PROUVÉ en" in capsys.readouterr().out


def test_another_file_is_no_history(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (home / "h.jsonl").write_text("hello\n")
    assert run(["report", str(home / "h.jsonl")]) == 3
    assert "not a record of a verification" in capsys.readouterr().err


def test_what_a_killed_verification_left_is_shown_and_undone(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    members: dict[str, tuple[str, ...]] = {"apache-base": ("srv-web", "srv-web-bis")}
    put_layers(put_base(home / "home"), load_topology(ROOT / "topologies" / "failover.yaml"), members)
    assert run(["up", "failover", "--until", "created"]) == 0
    record = LabDirectory(home / "home", LabName("ha")).faults
    step = fault_of({"fault": "unplug", "machine": "client", "slot": 1})
    keeping(record)([step])
    assert run(["plan", "failover"]) == 2
    assert "adapter 1 of client is unplugged; `vboxlab up failover` undoes it" in capsys.readouterr().out
    assert run(["status", "ha"]) == 0
    assert "this is still in force: adapter 1 of client is unplugged; " in capsys.readouterr().out
    assert run(["status", "ha", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["faults_in_force"] == ["adapter 1 of client is unplugged"]
    assert run(["status", "--all"]) == 0
    assert "a fault is in force: adapter 1 of client is unplugged" in capsys.readouterr().out
    written = record.read_text(encoding="utf-8")
    record.write_text("damaged", encoding="utf-8")
    unread = f"{record}: the faults of a verification cannot be read"
    for verb, code in ((["status", "ha"], 0), (["status", "--all"], 0), (["plan", "failover"], 4)):
        assert run(verb) == code
        assert unread in capsys.readouterr().out
    assert run(["up", "failover", "--yes"]) == 4
    assert unread in capsys.readouterr().err
    record.write_text(written, encoding="utf-8")
    assert run(["verify", "failover", "--undo"]) == 0
    said = capsys.readouterr()
    assert "left by a verification that was broken off, and undone: adapter 1 of client is unplugged" in said.err
    assert said.out == "nothing that a verification has done is in force\n"
    assert not record.exists()
