"""What is asked before work is thrown away, and how an interrupted restore is ended, from the command line."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from tests.unit.base_on_disk import put_base, put_layers
from tests.unit.lab_world import ROOT
from tests.unit.operations.doors import RecordingDoor
from vboxlab.cli.main import run
from vboxlab.errors import DriverError, LabError
from vboxlab.hypervisor.memory import MemoryDriver, MemoryStore, store_of
from vboxlab.operations.questions import ask_for_all
from vboxlab.planning.observed import PowerState
from vboxlab.topology.addressing import LabName
from vboxlab.topology.loader import load_topology

MEMBERS: dict[str, tuple[str, ...]] = {"apache-base": ("srv-web", "srv-web-bis")}


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> MemoryStore:
    """Return the host of a lab with a snapshot `monday`, on which all machines stand."""
    monkeypatch.setenv("VBOXLAB_HOME", str(tmp_path))
    monkeypatch.setenv("VBOXLAB_SETTINGS", str(tmp_path / "none.yaml"))
    monkeypatch.setenv("VBOXLAB_DRIVER", "memory")
    monkeypatch.chdir(ROOT)
    put_layers(put_base(tmp_path), load_topology(ROOT / "topologies" / "failover.yaml"), MEMBERS)
    assert run(["up", "failover", "--until", "created"]) == 0
    assert run(["snapshot", "take", "monday"]) == 0
    return store_of(tmp_path)


def handle(store: MemoryStore, name: str) -> str:
    return next(machine.handle for machine in store.machines.values() if machine.name == name)


def work(store: MemoryStore, name: str) -> None:
    """Let somebody work on a machine, and switch it off again."""
    driver = MemoryDriver(store)
    driver.start(handle(store, name))
    driver.power_off(handle(store, name), "graceful")


def interrupt(store: MemoryStore, capsys: pytest.CaptureFixture[str]) -> None:
    """Let a restore of all machines, on which somebody has worked, fail on the one that comes first."""
    for machine in list(store.machines.values()):
        work(store, machine.name)
    store.fail("restore_snapshot", error=DriverError("the disk is locked"))
    capsys.readouterr()
    assert run(["snapshot", "restore", "monday", "--yes"]) == 4
    assert "`vboxlab snapshot restore --finish` ends it" in capsys.readouterr().err


def test_work_is_not_thrown_away_where_nobody_can_be_asked(
    store: MemoryStore, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["snapshot", "restore", "monday"]) == 0  # nothing is lost by it
    work(store, "srv-web")
    before = dict(store.machines)
    for words, question in (
        (["snapshot", "restore", "monday"], "throw away what was done on srv-web of lab ha"),
        (["snapshot", "delete", "monday"], "throw away what snapshot monday of "),
        (["reset", "--to", "monday"], "throw away what was done in lab ha (srv-web)"),
        (["destroy", "ha"], "remove 5 machines of lab ha"),
    ):
        capsys.readouterr()
        assert run(words) == 64
        said = capsys.readouterr().err
        assert f"error: will not {question}" in said
        assert "-> add --yes" in said
    assert store.machines == before
    assert run(["snapshot", "restore", "monday", "--yes"]) == 0
    assert all(machine.untouched for machine in store.machines.values())


def test_an_interrupted_restore_is_shown_and_finished(store: MemoryStore, capsys: pytest.CaptureFixture[str]) -> None:
    interrupt(store, capsys)
    (first,) = [machine for machine in store.machines.values() if not machine.untouched]
    assert run(["status"]) == 0
    assert "the restore of monday, begun 2" in capsys.readouterr().out
    assert run(["status", "--json"]) == 0
    pending = json.loads(capsys.readouterr().out)["pending_restore"]
    assert (pending["snapshot"], pending["used"]) == ("monday", [])
    assert run(["status", "--all"]) == 0
    assert "the restore of monday" in capsys.readouterr().out
    assert run(["plan", "failover"]) == 2
    assert "finish restore of monday" in capsys.readouterr().out
    work(store, first.name)
    assert run(["plan", "failover"]) == 4
    assert f"{first.name} was started since" in capsys.readouterr().out
    assert run(["snapshot", "take", "my-two-days"]) == 4
    assert run(["snapshot", "restore", "--finish"]) == 64
    assert f"will not throw away what was done on {first.name} of lab ha since 2" in capsys.readouterr().err
    assert run(["snapshot", "restore", "--finish", "--yes"]) == 0
    assert f"snapshot monday restored on {first.name} too" in capsys.readouterr().out
    assert run(["snapshot", "restore", "--finish"]) == 0
    assert "no restore is unfinished" in capsys.readouterr().out
    assert run(["snapshot", "take", "later"]) == 0


def test_an_interrupted_restore_is_dropped(store: MemoryStore, capsys: pytest.CaptureFixture[str]) -> None:
    interrupt(store, capsys)
    before = dict(store.machines)
    assert run(["snapshot", "restore", "--drop"]) == 0
    assert "the machines stay as they are" in capsys.readouterr().out
    assert store.machines == before
    assert run(["snapshot", "take", "later"]) == 0


@pytest.mark.parametrize("words", [[], ["x", "--drop"], ["--drop", "--finish"], ["--drop", "--no-start"]])
def test_a_restore_is_told_what_to_do(store: MemoryStore, words: list[str]) -> None:
    assert run(["snapshot", "restore", *words]) == 64


def test_down_leaves_what_a_saved_machine_was_doing(store: MemoryStore, capsys: pytest.CaptureFixture[str]) -> None:
    store.switch(handle(store, "dns"), PowerState.SAVED)
    assert run(["down"]) == 0
    assert "left saved, with what they were doing: dns" in capsys.readouterr().err
    assert store.machines[handle(store, "dns")].power is PowerState.SAVED
    assert run(["down", "--hard"]) == 0
    assert store.machines[handle(store, "dns")].power is PowerState.OFF


def test_agreement_is_for_the_labs_that_were_named() -> None:
    alice, bob = LabName("ha", "alice"), LabName("ha", "bob")
    door = RecordingDoor()
    ask_for_all(door, {alice: [], bob: []}, yes=True)(bob, "throw away what was done?")
    with pytest.raises(LabError, match="ha/bob: will not throw away what was done: it was not in use when that was"):
        ask_for_all(door, {alice: [], bob: []}, yes=False)(bob, "throw away what was done?")


@pytest.mark.skipif(os.name != "posix", reason="needs a pseudo-terminal")
@pytest.mark.parametrize(("answer", "code"), [(b"y\n", 0), (b"n\n", 130), (b"\n", 130)])
def test_on_a_terminal_the_question_is_asked(answer: bytes, code: int) -> None:
    ours, theirs = pty.openpty()
    script = "from vboxlab.cli.questions import confirm; confirm('throw away what was done?')"
    caught = f"import click, sys\ntry:\n    {script}\nexcept click.Abort:\n    sys.exit(130)\n"
    with subprocess.Popen([sys.executable, "-c", caught], stdin=theirs, stderr=subprocess.PIPE, cwd=ROOT) as asking:
        os.close(theirs)
        os.write(ours, answer)
        assert asking.stderr is not None
        said = asking.stderr.read()
        assert asking.wait(timeout=60) == code
    os.close(ours)
    assert said.startswith(b"throw away what was done? [y/N]: ")
