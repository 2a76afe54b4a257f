"""The verbs on whole classes, from the command line, over the memory driver."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.unit.base_on_disk import put_base, put_layers
from tests.unit.lab_world import ROOT
from vboxlab.cli.main import run
from vboxlab.events import discard
from vboxlab.hypervisor.memory import MemoryDriver, MemoryStore, store_of
from vboxlab.lab.directory import LabDirectory
from vboxlab.topology.addressing import LabName
from vboxlab.topology.loader import load_topology

MEMBERS: dict[str, tuple[str, ...]] = {"apache-base": ("srv-web", "srv-web-bis")}


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("VBOXLAB_HOME", str(tmp_path))
    monkeypatch.setenv("VBOXLAB_SETTINGS", str(tmp_path / "none.yaml"))
    monkeypatch.setenv("VBOXLAB_DRIVER", "memory")
    monkeypatch.setenv("VBOXLAB_JOBS", "4")
    monkeypatch.chdir(ROOT)
    base = put_base(tmp_path)
    for tuning in ("practical", "fast"):
        put_layers(base, load_topology(ROOT / "topologies" / "failover.yaml", {"tuning": tuning}), MEMBERS)
    return tmp_path


@pytest.fixture
def store(home: Path) -> MemoryStore:
    return store_of(home)


def labs(store: MemoryStore) -> dict[str, int]:
    counts: dict[str, int] = {}
    for machine in store.machines.values():
        counts[str(machine.lab)] = counts.get(str(machine.lab), 0) + 1
    return counts


def make(which: str, *more: str) -> int:
    return run(["up", "failover", "--copies", which, "--until", "created", *more])


def test_a_class_from_a_csv_file(
    home: Path, store: MemoryStore, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    roll = tmp_path / "class.csv"
    roll.write_text("copy;student;tuning\nalice;alice;fast\nbob;;\n", encoding="utf-8-sig")
    assert make(str(roll)) == 0
    out = capsys.readouterr().out.splitlines()
    assert out[0].split() == ["COPY", "OUTCOME", "SECONDS", "AT", "STEP", "RESULT"]
    assert [line.split()[:2] for line in out[1:3]] == [["ha/alice", "done"], ["ha/bob", "done"]]
    assert out[-1] == "2 of 2 copies done"
    assert labs(store) == {"ha/alice": 5, "ha/bob": 5}
    assert {machine.name for machine in store.machines.values()} >= {"alice-srv-web", "bob-srv-web"}
    assert run(["plan", "failover", "--copies", str(roll), "--until", "created"]) == 0


def test_values_that_are_wrong_stop_only_their_copy(
    store: MemoryStore, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    roll = tmp_path / "class.csv"
    roll.write_text("copy,tuning\nalice,fast\nbob,turbo\n")
    assert make(str(roll)) == 8
    out = capsys.readouterr().out
    assert "ha/bob    FAILED" in out
    assert "read the topology" in out
    assert labs(store) == {"ha/alice": 5}
    roll.write_text("copy,tuned\nalice,fast\n")
    assert make(str(roll)) == 64
    assert "class.csv:1: `tuned`: no parameter of failover" in capsys.readouterr().err


def test_one_copy_in_use_is_reported_and_the_others_are_done(
    home: Path, store: MemoryStore, capsys: pytest.CaptureFixture[str]
) -> None:
    foreign = store.add_foreign("teacher")
    assert make("1-30") == 0
    assert run(["snapshot", "take", "fresh", "--copies", "1-30"]) == 0
    with LabDirectory(home, LabName("ha", "7")).locked(discard, patience=0):
        assert run(["reset", "--copies", "1-30", "--to", "fresh", "--yes", "--wait", "0", "--json"]) == 8
    out = capsys.readouterr().out
    results = json.loads(out[out.index("\n[\n") :])
    failed = [result for result in results if result["outcome"] != "done"]
    assert [(result["copy"], result["outcome"]) for result in failed] == [("7", "failed")]
    assert failed[0]["why"].startswith("lab ha/7 is in use by `vboxlab")
    assert len(results) == 30
    assert run(["destroy", "failover", "--all", "--yes"]) == 0
    assert list(store.machines.values()) == [foreign]


def test_what_does_not_fit_is_refused_before_anything_is_made(
    store: MemoryStore, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["up", "failover", "--copies", "1-100"]) == 4
    error = capsys.readouterr().err
    assert "100 labs are more than this computer has room for; nothing was changed" in error
    assert "memory: 288000 MiB wanted" in error
    assert store.machines == {}


def test_a_class_in_waves_is_off_again(store: MemoryStore) -> None:
    assert make("a,b,c", "--at-most-running", "1", "--force") == 0
    assert {machine.power.value for machine in store.machines.values()} == {"off"}


def test_down_and_status_of_a_class(store: MemoryStore, capsys: pytest.CaptureFixture[str]) -> None:
    assert make("a,b") == 0
    driver = MemoryDriver(store)
    for machine in driver.machines():
        driver.start(machine.handle)
    capsys.readouterr()
    assert run(["status", "--all", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert [(row["copy"], row["running"], row["verified"]) for row in rows] == [("a", 5, None), ("b", 5, None)]
    assert run(["down", "--copies", "a,nobody"]) == 0
    assert "5 machines powered off" in capsys.readouterr().out
    assert make("10,2") == 0
    capsys.readouterr()
    assert run(["status", "--all", "--json"]) == 0
    assert [row["copy"] for row in json.loads(capsys.readouterr().out)] == ["2", "10", "a", "b"]
    assert run(["status", "--copies", "a,b,nobody"]) == 0
    out = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in out] == ["LAB", "ha/a", "ha/b", "ha/nobody"]
    assert "0 of 5" in out[1]
    assert "5 of 5" in out[2]
    assert "absent" in out[3]


def test_what_throws_work_away_asks_first(store: MemoryStore, capsys: pytest.CaptureFixture[str]) -> None:
    assert make("a") == 0
    for command in (["reset", "--all"], ["destroy", "ha", "--all"], ["reset", "--copy", "a"]):
        assert run(command) == 64
        assert "without asking" in capsys.readouterr().err
    assert len(store.machines) == 5


def test_reset_without_the_snapshot_changes_nothing(store: MemoryStore, capsys: pytest.CaptureFixture[str]) -> None:
    assert make("a,b") == 0
    before = dict(store.machines)
    assert run(["reset", "--all", "--yes"]) == 8
    out = capsys.readouterr().out
    assert "lab ha/a: srv-web, srv-web-bis cannot go back to apache-base; nothing was changed" in out
    assert store.machines == before
    assert run(["reset", "--copy", "a", "--yes"]) == 4


def test_labs_are_removed_by_lab_and_topology_name_whatever_became_of_the_file(
    home: Path, store: MemoryStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    project = tmp_path / "project"
    (project / "topologies").mkdir(parents=True)
    (project / "snapshots").mkdir()
    monkeypatch.chdir(project)
    text = (ROOT / "topologies" / "failover.yaml").read_text()
    file = project / "topologies" / "mine.yaml"
    for name, damage in (("mine", "lab: [broken"), ("ha", ""), ("ha", "lab: ha\nmachines: 5\n")):
        file.write_text(text)
        assert run(["up", "mine", "--until", "created"]) == 0
        for machine in MemoryDriver(store).machines():
            MemoryDriver(store).set_marks(machine.handle, {"topology": "mine"})
        if damage:
            file.write_text(damage)
        else:
            file.unlink()
        assert run(["down", name]) == 0
        assert run(["status", name]) == 0
        assert run(["destroy", name, "--yes"]) == 0, capsys.readouterr().err
        assert store.machines == {}


def test_gc_shows_and_removes_what_no_lab_needs(
    home: Path, store: MemoryStore, capsys: pytest.CaptureFixture[str]
) -> None:
    assert make("a,b") == 0
    assert run(["destroy", "ha", "--copies", "a", "--yes"]) == 0
    capsys.readouterr()
    assert run(["gc"]) == 64
    out = capsys.readouterr().out
    assert "folder of lab ha/a, which has no machines" in out
    assert "package layer" not in out
    assert run(["destroy", "ha", "--copies", "b", "--yes"]) == 0
    with LabDirectory(home, LabName("ha", "a")).locked(discard, patience=0):
        assert run(["gc", "--yes", "--keep-layers"]) == 0
    out, err = capsys.readouterr()
    assert "1 folders, 0 package layers" in out
    assert "ha--a: lab ha/a is in use by" in err
    (home / "labs" / "ha--b" / "secrets").mkdir(parents=True)
    assert run(["gc", "--yes"]) == 0
    assert "2 folders, 4 package layers and 0 leftovers removed" in capsys.readouterr().out
    assert list((home / "labs").iterdir()) == []
    assert [name for name in store.images if "+" in name or name.count("-") > 1] == []


def test_gc_removes_what_is_not_vboxlabs_only_by_name(
    home: Path, store: MemoryStore, capsys: pytest.CaptureFixture[str]
) -> None:
    assert make("a") == 0
    machine = next(machine for machine in store.machines.values() if machine.machine == "srv-web")
    raid, notes = store.put_stray(machine, "raid.vdi", 3 << 20), store.put_stray(machine, "my notes.txt", 2048)
    store.leftovers.append(("unfinished machine x", None))
    capsys.readouterr()
    assert run(["gc"]) == 64
    out, err = capsys.readouterr()
    assert "left by an interrupted run: unfinished machine x" in out
    assert f"kept {raid.path} (3.0 MiB), in the folder of {machine.name}: it is not vboxlab's" in err
    assert f"vboxlab gc --stray '{notes.path}'" in err
    assert len(store.leftovers) == 1
    assert run(["gc", "--yes"]) == 0
    assert [stray for stray, _ in store.strays] == [raid, notes]
    assert store.leftovers == []
    assert run(["gc", "--stray", "/etc/passwd", "--yes"]) == 64
    assert str(raid.path) in capsys.readouterr().err
    assert run(["gc", "--stray", str(raid.path)]) == 64
    assert len(store.strays) == 2
    assert run(["gc", "--stray", str(raid.path), "--yes"]) == 0
    assert "1 files of others removed" in capsys.readouterr().out
    assert [stray for stray, _ in store.strays] == [notes]
    assert run(["destroy", "ha", "--copies", "a", "--yes"]) == 0
    assert f"left: {notes.path}" in "".join(capsys.readouterr())
    assert [stray for stray, _ in store.strays] == [notes]


def test_snapshots_of_a_class(store: MemoryStore, capsys: pytest.CaptureFixture[str]) -> None:
    assert make("a,b") == 0
    assert run(["snapshot", "take", "one", "--copies", "a,b"]) == 0
    assert run(["snapshot", "take", "one", "--copies", "a,b"]) == 8
    assert run(["snapshot", "restore", "one", "--copies", "a,b"]) == 0
    capsys.readouterr()
    assert run(["snapshot", "list", "--all"]) == 0
    assert [line.split()[:2] for line in capsys.readouterr().out.splitlines()[1:]] == [["ha/a", "one"], ["ha/b", "one"]]
    assert run(["snapshot", "tree", "--copy", "a"]) == 0
    assert capsys.readouterr().out.splitlines()[:2] == ["lab ha/a", "client, dns, firewall, srv-web, srv-web-bis"]
    assert run(["snapshot", "diff", "one", "--copy", "a"]) == 0
    assert "client: what was done in its guest since" in capsys.readouterr().out
    assert run(["snapshot", "delete", "one", "--copies", "a,b", "--yes"]) == 0


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["--copy", "a", "--all"], "--copy, --copies and --all exclude each other"),
        (["--copy", "A"], "`A` is no name for a copy"),
        (["--copies", "3-1"], "is no range"),
        (["--all"], "no lab of failover exists on this computer"),
    ],
)
def test_wrong_usage(home: Path, arguments: list[str], text: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["down", "failover", *arguments]) == 64
    assert text in capsys.readouterr().err
