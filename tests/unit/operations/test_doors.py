"""Operations without a terminal: what they ask, what they return, and how they are stopped."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.base_on_disk import put_base, put_layers
from tests.unit.lab_world import ROOT
from tests.unit.operations.doors import RecordingDoor
from vboxlab.errors import UsageError
from vboxlab.events import ActionFinished
from vboxlab.hypervisor.memory import MemoryStore, store_of
from vboxlab.operations.destroy import Destroyed, DestroyRequest, destroy
from vboxlab.operations.request import Which, which_of
from vboxlab.operations.reset import ResetRequest, reset
from vboxlab.operations.snapshot.members import Members, MembersRequest
from vboxlab.operations.snapshot.restore import RestoreRequest, restore
from vboxlab.operations.snapshot.take import TakeRequest, take
from vboxlab.operations.up import Up, UpRequest, up
from vboxlab.topology.addressing import LabName
from vboxlab.topology.loader import load_topology

HA = LabName("ha")
ONE = Which()


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> MemoryStore:
    monkeypatch.setenv("VBOXLAB_HOME", str(tmp_path))
    monkeypatch.setenv("VBOXLAB_SETTINGS", str(tmp_path / "none.yaml"))
    monkeypatch.setenv("VBOXLAB_DRIVER", "memory")
    monkeypatch.chdir(ROOT)
    topology = load_topology(ROOT / "topologies" / "failover.yaml")
    put_layers(put_base(tmp_path), topology, {"apache-base": ("srv-web", "srv-web-bis")})
    return store_of(tmp_path)


def make(which: Which = ONE) -> None:
    door = RecordingDoor()
    up(UpRequest(topology="failover", until="created", which=which), door)
    take(TakeRequest(name="monday", which=which), door)


def work(store: MemoryStore) -> None:
    """Let somebody work on every machine, and switch it off again."""
    for handle in list(store.machines):
        for power in ("running", "off"):
            store.switch(handle, type(store.machines[handle].power)(power))


def test_up_returns_what_it_did_and_shows_events(store: MemoryStore) -> None:
    door = RecordingDoor()
    done = up(UpRequest(topology="failover", until="created"), door)
    assert isinstance(done, Up)
    assert (done.lab, done.stopped, done.repaired) == (HA, False, ())
    assert sum(isinstance(event, ActionFinished) for event in door.events) == done.actions > 0
    assert up(UpRequest(topology="failover", until="created"), RecordingDoor()) == Up(HA, 0)


def test_a_verb_that_is_stopped_begins_nothing_more(store: MemoryStore) -> None:
    door = RecordingDoor()
    door.stop.set()
    assert up(UpRequest(topology="failover", until="created"), door) == Up(HA, 0, stopped=True)
    assert door.heeded == 1
    results = up(UpRequest(topology="failover", until="created", which=which_of(None, "a,b", everything=False)), door)
    assert isinstance(results, list)
    assert [result.outcome for result in results] == ["not begun", "not begun"]
    assert store.machines == {}


def test_who_declines_keeps_his_lab(store: MemoryStore) -> None:
    make()
    work(store)
    before = dict(store.machines)
    door = RecordingDoor(declines=True)
    with pytest.raises(UsageError, match="declined"):
        destroy(DestroyRequest(lab="ha"), door)
    with pytest.raises(UsageError, match="declined"):
        restore(RestoreRequest(name="monday"), door)
    with pytest.raises(UsageError, match="declined"):
        reset(ResetRequest(lab="ha", snapshot="monday"), door)
    assert [question.split(" (")[0].partition(" on ")[0] for question in door.asked] == [
        "remove 5 machines of lab ha", "throw away what was done", "throw away what was done in lab ha",
    ]  # fmt: skip
    assert store.machines == before
    assert destroy(DestroyRequest(lab="ha"), RecordingDoor()) == Destroyed(HA, 5)


def test_it_is_asked_once_for_several_copies(store: MemoryStore) -> None:
    which = which_of(None, "a,b", everything=False)
    make(which)
    work(store)
    door = RecordingDoor()
    results = restore(RestoreRequest(name="monday", lab="ha", which=which), door)
    assert isinstance(results, list)
    assert [(str(result.lab), result.outcome) for result in results] == [("ha/a", "done"), ("ha/b", "done")]
    assert all(isinstance(result.value, Members) and len(result.value.machines) == 5 for result in results)
    (question,) = door.asked
    assert question.startswith("throw away what was done in 2 labs (a/")


def test_a_request_waits_longer_for_one_lab_than_for_each_of_several() -> None:
    several = which_of(None, "1-3", everything=False)
    assert MembersRequest(name="x").wait > MembersRequest(name="x", which=several).wait
    assert MembersRequest(name="x", which=several, patience=77).wait == 77
    with pytest.raises(UsageError, match="exclude each other"):
        which_of("a", "1-3", everything=False)
