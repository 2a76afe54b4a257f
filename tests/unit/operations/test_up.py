"""`up` on several copies, down to guests that are configured."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from tests.unit.lab_world import ROOT, LabWorld
from tests.unit.operations.doors import RecordingDoor
from vboxlab.lab.copies import parse_copies
from vboxlab.operations.request import Which
from vboxlab.operations.run_copies import CopyResult
from vboxlab.operations.session import Session
from vboxlab.operations.up import Up, UpRequest, up_copies
from vboxlab.planning.observed import MARK_EXERCISE, PowerState
from vboxlab.topology.addressing import LabName
from vboxlab.topology.library import Library


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> LabWorld:
    monkeypatch.chdir(ROOT)
    return LabWorld(tmp_path / "home")


def bring_up(
    world: LabWorld, copies: str, topology: str = "failover", at_most: int | None = None
) -> list[CopyResult[Up]]:
    session = Session(world.context, Library(world.context.settings), RecordingDoor())
    which = Which(roll=parse_copies(copies))
    return up_copies(
        session, UpRequest(topology=topology, which=which, at_most=at_most, force=True, jobs=4, patience=0, yes=True)
    )


def as_asked(
    world: LabWorld, door: RecordingDoor, *, yes: bool = True, exercise: bool = False, solution: bool = False
) -> list[CopyResult[Up]]:
    session = Session(world.context, Library(world.context.settings), door)
    which = Which(roll=parse_copies("alice,bob"))
    return up_copies(
        session,
        UpRequest(
            topology="failover",
            which=which,
            force=True,
            jobs=4,
            patience=0,
            yes=yes,
            exercise=exercise,
            solution=solution,
        ),
    )


def test_copies_are_exercises_until_they_are_solved_which_is_asked_once(world: LabWorld) -> None:
    copies = [LabName("ha", "alice"), LabName("ha", "bob")]

    def marked() -> list[set[str | None]]:
        return [{machine.marks.get(MARK_EXERCISE) for machine in world.machines(lab).values()} for lab in copies]

    assert {result.outcome for result in as_asked(world, RecordingDoor(), exercise=True)} == {"done"}
    assert not any("apache2" in packages for _base, packages in world.bases.asked)
    assert {result.outcome for result in as_asked(world, RecordingDoor())} == {"done"}
    assert marked() == [{"failover"}, {"failover"}]
    door = RecordingDoor()
    assert {result.outcome for result in as_asked(world, door, yes=False, solution=True)} == {"done"}
    question = (
        "overwrite what the students did since the snapshot exercise in 2 labs (alice/srv-web, alice/srv-web-bis, "
        "bob/srv-web, bob/srv-web-bis)?"
    )
    assert door.asked == [question]
    assert marked() == [{None}, {None}]
    assert {result.outcome for result in as_asked(world, RecordingDoor(), exercise=True)} == {"failed"}
    assert marked() == [{None}, {None}]


def test_copies_are_up_with_images_made_before(world: LabWorld) -> None:
    results = bring_up(world, "alice,bob")
    assert [(str(result.lab), result.outcome) for result in results] == [("ha/alice", "done"), ("ha/bob", "done")]
    machines = world.machines(LabName("ha", "alice"))
    assert set(world.powers(LabName("ha", "alice")).values()) == {"running"}
    assert '"student": "alice"' in machines["srv-web"].marks["values"]
    first = next(number for number, (name, _) in enumerate(world.store.calls) if name == "create")
    made = {subject for name, subject in world.store.calls[:first] if name == "import_image"}
    assert made == set(world.store.images)
    assert all(result.value is not None and result.value.repaired == () for result in bring_up(world, "alice,bob"))


def test_a_failing_guest_is_reported_with_its_step_and_the_others_are_up(world: LabWorld) -> None:
    world.guests.failing["srv-web-bis"] = 1
    results = bring_up(world, "1-3")
    failed = [result for result in results if result.outcome == "failed"]
    assert len(failed) == 1
    assert failed[0].step == "srv-web-bis: configure web"
    assert failed[0].why.startswith(f"lab {failed[0].lab}: configure web failed on srv-web-bis")
    done = [result.lab for result in results if result.outcome == "done"]
    assert len(done) == 2
    assert all(set(world.powers(lab).values()) == {"running"} for lab in done)
    assert {result.outcome for result in bring_up(world, "1-3")} == {"done"}


def test_in_waves_no_more_copies_run_than_allowed_and_those_that_run_go_first(world: LabWorld) -> None:
    bring_up(world, "3")
    most: list[int] = []
    lock = threading.Lock()

    def count(_machine: str) -> None:
        with lock:
            running = {m.lab for m in world.store.machines.values() if m.power is PowerState.RUNNING}
            most.append(len(running))

    world.guests.on_configure = count
    results = bring_up(world, "1-4", at_most=2)
    assert [(result.lab.copy, result.outcome) for result in results] == [(name, "done") for name in "1234"]
    assert max(most) <= 2
    assert {m.power for m in world.store.machines.values()} == {PowerState.OFF}


def test_a_topology_that_starts_from_anothers_snapshot(world: LabWorld) -> None:
    assert {result.outcome for result in bring_up(world, "1-2", "loadbalancing")} == {"done"}
    assert world.plan("loadbalancing", LabName("ha", "1")).blockers == ()


def test_ctrl_c_stops_between_and_within_copies(world: LabWorld) -> None:
    world.guests.on_configure = lambda _machine: world.context.stop.set()
    outcomes = [result.outcome for result in bring_up(world, "1-9", at_most=1)]
    assert outcomes == ["stopped"] + ["not begun"] * 8
