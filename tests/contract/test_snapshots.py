"""The contract of snapshots."""

from __future__ import annotations

from datetime import datetime

import pytest

from tests.contract.worlds import Specs, World, internal, nat
from vboxlab.errors import DriverError, MachineConflict, SnapshotAmbiguous, SnapshotNotFound
from vboxlab.hypervisor.driver import Driver
from vboxlab.planning.observed import MARK_EXERCISE, ObservedMachine, PowerState, exercise_of


def names(machine: ObservedMachine) -> list[str]:
    return [snapshot.name for snapshot in machine.snapshots]


def parents(machine: ObservedMachine) -> dict[str, str | None]:
    by_id: dict[str | None, str] = {snapshot.id: snapshot.name for snapshot in machine.snapshots}
    assert len(by_id) == len(machine.snapshots)
    return {snapshot.name: by_id[snapshot.parent] if snapshot.parent else None for snapshot in machine.snapshots}


def current(machine: ObservedMachine) -> str:
    (found,) = [snapshot.name for snapshot in machine.snapshots if snapshot.id == machine.current_snapshot]
    return found


def test_a_snapshot_brings_back_hardware_adapters_and_marks(world: World, driver: Driver, spec: Specs) -> None:
    made = driver.create(spec(adapters=(internal(1, "sw-dmz"),), stage="web"))
    driver.take_snapshot(made.handle, "apache-base", description="Apache, no Heartbeat")
    driver.set_hardware(made.handle, cpus=2, memory=128)
    driver.set_adapters(made.handle, (internal(1, "cluster", cable=False), nat(2)))
    driver.set_marks(made.handle, {"stage": "heartbeat", "contacted": "yes"})
    driver.restore_snapshot(made.handle, "apache-base")
    found = world.open().inspect(made.handle)
    assert found.power is PowerState.OFF
    assert (found.cpus, found.memory) == (made.cpus, made.memory)
    assert found.adapters == made.adapters
    assert found.marks == made.marks
    assert names(found) == ["apache-base"]
    assert found.current_snapshot == found.snapshots[0].id


def test_what_a_snapshot_says_of_itself(driver: Driver, spec: Specs) -> None:
    handle = driver.create(spec()).handle
    driver.take_snapshot(handle, "été 2026", description="two\nlines")
    (snapshot,) = driver.inspect(handle).snapshots
    assert (snapshot.name, snapshot.parent, snapshot.live) == ("été 2026", None, False)
    assert snapshot.description == "two\nlines"
    assert datetime.fromisoformat(snapshot.taken_at).tzinfo is not None


def test_snapshots_form_a_tree(driver: Driver, spec: Specs) -> None:
    handle = driver.create(spec()).handle
    driver.take_snapshot(handle, "root")
    driver.take_snapshot(handle, "left")
    driver.restore_snapshot(handle, "root")
    driver.take_snapshot(handle, "right")
    found = driver.inspect(handle)
    assert parents(found) == {"root": None, "left": "root", "right": "root"}
    assert current(found) == "right"


def test_deleting_a_snapshot_leaves_its_children_and_the_present(driver: Driver, spec: Specs) -> None:
    handle = driver.create(spec(stage="one")).handle
    for name in ("one", "two", "three"):
        driver.set_marks(handle, {"stage": name})
        driver.take_snapshot(handle, name)
    driver.set_marks(handle, {"stage": "now"})
    driver.delete_snapshot(handle, "two")
    found = driver.inspect(handle)
    assert parents(found) == {"one": None, "three": "one"}
    assert current(found) == "three"
    assert found.marks["stage"] == "now"
    driver.delete_snapshot(handle, "three")
    assert current(driver.inspect(handle)) == "one"
    driver.restore_snapshot(handle, "one")
    assert driver.inspect(handle).marks["stage"] == "one"


def test_a_deleted_parent_does_not_break_its_child(driver: Driver, spec: Specs) -> None:
    handle = driver.create(spec()).handle
    driver.take_snapshot(handle, "parent")
    driver.set_marks(handle, {"stage": "web"})
    driver.take_snapshot(handle, "child")
    driver.restore_snapshot(handle, "parent")
    driver.delete_snapshot(handle, "parent")
    assert driver.inspect(handle).current_snapshot is None
    driver.restore_snapshot(handle, "child")
    assert driver.inspect(handle).marks["stage"] == "web"


def test_a_name_is_used_once(driver: Driver, spec: Specs) -> None:
    handle = driver.create(spec()).handle
    driver.take_snapshot(handle, "apache-base")
    before = driver.inspect(handle)
    with pytest.raises(MachineConflict, match="apache-base"):
        driver.take_snapshot(handle, "apache-base")
    assert driver.inspect(handle) == before
    driver.delete_snapshot(handle, "apache-base")
    driver.take_snapshot(handle, "apache-base")


def test_a_snapshot_that_is_not_there(driver: Driver, spec: Specs) -> None:
    handle = driver.create(spec(adapters=(nat(1),))).handle
    driver.take_snapshot(handle, "apache-base")
    before = driver.inspect(handle)
    for attempt in (driver.restore_snapshot, driver.delete_snapshot):
        with pytest.raises(SnapshotNotFound, match="apache-bsae"):
            attempt(handle, "apache-bsae")
    assert driver.inspect(handle) == before
    driver.start(handle)
    with pytest.raises(SnapshotNotFound):
        driver.restore_snapshot(handle, "apache-bsae")
    assert driver.inspect(handle).power is PowerState.RUNNING


def test_a_running_machine_is_not_snapshotted_or_restored_by_chance(driver: Driver, spec: Specs) -> None:
    handle = driver.create(spec(adapters=(nat(1),))).handle
    driver.take_snapshot(handle, "apache-base")
    driver.start(handle)
    with pytest.raises(DriverError, match="off"):
        driver.take_snapshot(handle, "running")
    with pytest.raises(DriverError, match="off"):
        driver.restore_snapshot(handle, "apache-base")
    with pytest.raises(DriverError, match="off"):
        driver.delete_snapshot(handle, "apache-base")
    found = driver.inspect(handle)
    assert found.power is PowerState.RUNNING
    assert [snapshot.name for snapshot in found.snapshots] == ["apache-base"]


def test_a_live_snapshot_of_a_machine_that_goes_on_running(world: World, driver: Driver, spec: Specs) -> None:
    if not driver.capabilities.live_snapshots:
        pytest.skip("no live snapshots")
    handle = driver.create(spec(adapters=(nat(1, cable=False), nat(2)), stage="web")).handle
    driver.start(handle)
    driver.take_snapshot(handle, "hot", live=True)
    assert driver.inspect(handle).power is PowerState.RUNNING
    assert driver.inspect(handle).snapshots[0].live
    driver.set_cable(handle, 1, True)
    driver.set_marks(handle, {"stage": None})
    driver.power_off(handle, "hard")
    driver.restore_snapshot(handle, "hot")
    found = world.open().inspect(handle)
    assert found.power is PowerState.SAVED
    assert found.marks["stage"] == "web"
    driver.start(handle)
    found = world.open().inspect(handle)
    assert found.power is PowerState.RUNNING
    assert [adapter.cable for adapter in found.adapters] == [False, True]
    driver.power_off(handle, "hard")
    assert driver.inspect(handle).power is PowerState.OFF


def test_a_saved_state_is_discarded_by_power_off(driver: Driver, spec: Specs) -> None:
    handle = driver.create(spec(adapters=(nat(1),))).handle
    driver.start(handle)
    driver.take_snapshot(handle, "hot", live=True)
    driver.power_off(handle, "hard")
    driver.restore_snapshot(handle, "hot")
    with pytest.raises(DriverError):
        driver.set_hardware(handle, cpus=2, memory=64)
    assert driver.power_off(handle, "graceful") is False
    assert driver.inspect(handle).power is PowerState.OFF
    driver.set_hardware(handle, cpus=2, memory=64)
    driver.start(handle)
    driver.power_off(handle, "hard")
    driver.restore_snapshot(handle, "hot")
    assert driver.inspect(handle).cpus == 1
    assert driver.inspect(handle).power is PowerState.SAVED


def test_live_of_a_machine_that_is_off_is_an_ordinary_snapshot(driver: Driver, spec: Specs) -> None:
    handle = driver.create(spec()).handle
    driver.take_snapshot(handle, "cold", live=True)
    assert driver.inspect(handle).snapshots[0].live is False
    driver.restore_snapshot(handle, "cold")
    assert driver.inspect(handle).power is PowerState.OFF


def test_an_id_is_as_good_as_a_name(world: World, driver: Driver, spec: Specs) -> None:
    handle = driver.create(spec(stage="one")).handle
    driver.take_snapshot(handle, "first")
    driver.set_marks(handle, {"stage": "two"})
    driver.take_snapshot(handle, "second")
    first, second = driver.inspect(handle).snapshots
    assert [snapshot.id for snapshot in world.open().inspect(handle).snapshots] == [first.id, second.id]
    driver.restore_snapshot(handle, first.id)
    found = world.open().inspect(handle)
    assert (found.current_snapshot, found.marks["stage"]) == (first.id, "one")
    driver.restore_snapshot(handle, second.id[:8])
    assert driver.inspect(handle).current_snapshot == second.id
    for part in (second.id[:7], "", first.id + "0"):
        with pytest.raises(SnapshotNotFound):
            driver.restore_snapshot(handle, part)
    driver.delete_snapshot(handle, first.id)
    assert names(driver.inspect(handle)) == ["second"]


def test_a_name_that_is_anothers_id_is_refused(driver: Driver, spec: Specs) -> None:
    handle = driver.create(spec()).handle
    driver.take_snapshot(handle, "first")
    (first,) = driver.inspect(handle).snapshots
    driver.take_snapshot(handle, first.id)
    before = driver.inspect(handle)
    for attempt in (driver.restore_snapshot, driver.delete_snapshot):
        with pytest.raises(SnapshotAmbiguous, match="several snapshots may be meant"):
            attempt(handle, first.id)
    assert driver.inspect(handle) == before
    driver.delete_snapshot(handle, before.snapshots[1].id)
    driver.restore_snapshot(handle, first.id)


@pytest.mark.parametrize("nested", [True, False], ids=["nested", "siblings"])
def test_two_snapshots_of_one_name_are_told_apart_by_their_ids(
    world: World, driver: Driver, spec: Specs, nested: bool
) -> None:
    if not world.takes_by_hand:
        pytest.skip("nobody but the driver takes snapshots here")
    handle = driver.create(spec()).handle
    driver.take_snapshot(handle, "root")
    driver.set_hardware(handle, cpus=1, memory=80)
    driver.take_snapshot(handle, "monday")
    if not nested:
        driver.restore_snapshot(handle, "root")
    driver.set_hardware(handle, cpus=1, memory=96)
    world.take_by_hand(handle, "monday")
    before = driver.inspect(handle)
    root, one, other = before.snapshots
    assert (one.name, other.name, one.parent) == ("monday", "monday", root.id)
    assert other.parent == (one.id if nested else root.id)
    assert before.current_snapshot == other.id
    for attempt in (driver.restore_snapshot, driver.delete_snapshot):
        with pytest.raises(SnapshotAmbiguous) as caught:
            attempt(handle, "monday")
        assert [one.id in caught.value.details[0], other.id in caught.value.details[1]] == [True, True]
        assert one.taken_at in caught.value.details[0]
        assert caught.value.brief.startswith(f"{before.name}: several snapshots may be meant by 'monday'")
    with pytest.raises(MachineConflict):
        driver.take_snapshot(handle, "monday")
    assert driver.inspect(handle) == before
    for snapshot, memory in ((one, 80), (other, 96), (one, 80)):
        driver.restore_snapshot(handle, snapshot.id)
        found = driver.inspect(handle)
        assert (found.current_snapshot, found.memory) == (snapshot.id, memory)
    driver.delete_snapshot(handle, other.id)
    driver.restore_snapshot(handle, "monday")
    assert driver.inspect(handle).current_snapshot == one.id


def test_the_mark_of_an_exercise_is_kept_taken_off_and_brought_back(world: World, driver: Driver, spec: Specs) -> None:
    handle = driver.create(spec()).handle
    driver.set_marks(handle, {MARK_EXERCISE: "failover"})
    assert exercise_of(world.open().machines()) == "failover"
    driver.take_snapshot(handle, "exercise")
    driver.set_marks(handle, {MARK_EXERCISE: None})
    assert exercise_of(world.open().machines()) is None
    driver.restore_snapshot(handle, "exercise")
    assert exercise_of(world.open().machines()) == "failover"
