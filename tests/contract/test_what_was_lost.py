"""The contract of what tells whether a restore loses work: `untouched` and `last_power_change`."""

from __future__ import annotations

import pytest

from tests.contract.worlds import Specs, World, nat
from vboxlab.hypervisor.driver import Driver
from vboxlab.planning.observed import PowerState


def is_untouched(world: World, driver: Driver, handle: str) -> bool:
    """Tell what `inspect`, `machines` and a new process agree upon."""
    (listed,) = [machine for machine in driver.machines() if machine.handle == handle]
    found = {driver.inspect(handle).untouched, listed.untouched, world.open().inspect(handle).untouched}
    assert len(found) == 1
    return found.pop()


def power_change(world: World, driver: Driver, handle: str) -> str:
    """Return the word that `inspect`, `machines` and a new process agree upon."""
    (listed,) = [machine for machine in driver.machines() if machine.handle == handle]
    found = {part.last_power_change for part in (driver.inspect(handle), listed, world.open().inspect(handle))}
    assert len(found) == 1
    return found.pop()


def test_a_machine_is_untouched_from_its_snapshot_to_its_next_start(world: World, driver: Driver, spec: Specs) -> None:
    handle = driver.create(spec(adapters=(nat(1),))).handle
    assert not is_untouched(world, driver, handle)  # it has no snapshot to go back to
    driver.take_snapshot(handle, "base")
    assert is_untouched(world, driver, handle)
    driver.set_marks(handle, {"stage": "web"})
    assert is_untouched(world, driver, handle)
    driver.start(handle)
    assert not is_untouched(world, driver, handle)
    driver.power_off(handle, "hard")
    assert not is_untouched(world, driver, handle)
    driver.restore_snapshot(handle, "base")
    assert is_untouched(world, driver, handle)
    driver.start(handle)
    driver.power_off(handle, "hard")
    driver.take_snapshot(handle, "later")
    assert is_untouched(world, driver, handle)


def test_a_machine_that_somebody_else_started_is_touched(world: World, driver: Driver, spec: Specs) -> None:
    handle = driver.create(spec(adapters=(nat(1),))).handle
    driver.take_snapshot(handle, "base")
    assert is_untouched(world, driver, handle)
    world.start_by_hand(handle)
    assert not is_untouched(world, driver, handle)
    world.stop_by_hand(handle)
    assert driver.inspect(handle).power is PowerState.OFF
    assert not is_untouched(world, driver, handle)


def test_live_snapshots_leave_nothing_untouched(world: World, driver: Driver, spec: Specs) -> None:
    handle = driver.create(spec(adapters=(nat(1),))).handle
    driver.start(handle)
    driver.take_snapshot(handle, "hot", live=True)
    assert not is_untouched(world, driver, handle)
    driver.power_off(handle, "hard")
    assert not is_untouched(world, driver, handle)
    driver.restore_snapshot(handle, "hot")
    assert not is_untouched(world, driver, handle)  # it is saved: power_off would lose its memory
    driver.power_off(handle, "hard")
    assert not is_untouched(world, driver, handle)


def test_after_its_current_snapshot_was_deleted_a_machine_is_touched(world: World, driver: Driver, spec: Specs) -> None:
    handle = driver.create(spec(adapters=(nat(1),))).handle
    for name in ("one", "two", "three"):
        driver.take_snapshot(handle, name)
    driver.delete_snapshot(handle, "one")
    assert is_untouched(world, driver, handle)
    driver.delete_snapshot(handle, "three")
    assert not is_untouched(world, driver, handle)
    driver.restore_snapshot(handle, "two")
    assert is_untouched(world, driver, handle)


def test_a_current_snapshot_that_a_driver_may_only_hide_is_no_place_to_be_untouched_at(
    world: World, driver: Driver, spec: Specs
) -> None:
    handle = driver.create(spec(adapters=(nat(1),))).handle
    driver.take_snapshot(handle, "root")
    driver.take_snapshot(handle, "parent")
    driver.take_snapshot(handle, "child")
    driver.restore_snapshot(handle, "parent")
    assert is_untouched(world, driver, handle)
    driver.delete_snapshot(handle, "parent")
    assert not is_untouched(world, driver, handle)


@pytest.mark.parametrize("moment", [0.0, 0.01, 0.03, 0.1, 1.5])
def test_killed_in_start_a_machine_is_never_untouched_once_it_has_run(
    world: World, driver: Driver, spec: Specs, moment: float
) -> None:
    handle = driver.create(spec(adapters=(nat(1),))).handle
    driver.take_snapshot(handle, "base")
    before = driver.inspect(handle)
    world.kill_during("start", moment, handle)
    found = driver.inspect(handle)
    running = found.power is PowerState.RUNNING
    assert not (running and (found.untouched or found.last_power_change == before.last_power_change))
    driver.power_off(handle, "hard")
    found = driver.inspect(handle)
    assert not (running and (found.untouched or found.last_power_change == before.last_power_change))


def test_each_start_and_each_stop_is_another_power_change(world: World, driver: Driver, spec: Specs) -> None:
    handle = driver.create(spec(adapters=(nat(1),))).handle
    driver.take_snapshot(handle, "base")
    found = [power_change(world, driver, handle)]
    for start, stop in (
        (driver.start, lambda it: driver.power_off(it, "hard")),
        (world.start_by_hand, world.stop_by_hand),
        (driver.start, world.stop_by_hand),
    ):
        start(handle)
        found.append(power_change(world, driver, handle))
        stop(handle)
        found.append(power_change(world, driver, handle))
        driver.restore_snapshot(handle, "base")
        assert power_change(world, driver, handle) in (found[-1], found[0])
    assert len(set(found)) == len(found)


def test_nothing_but_starts_and_stops_is_a_power_change(world: World, driver: Driver, spec: Specs) -> None:
    made = driver.create(spec(adapters=(nat(1),)))
    handle = made.handle
    before = power_change(world, driver, handle)
    assert before == made.last_power_change
    driver.set_marks(handle, {"stage": "web"})
    driver.set_hardware(handle, cpus=1, memory=80)
    driver.set_adapters(handle, (nat(1, cable=False),))
    driver.set_cable(handle, 1, True)
    driver.power_off(handle, "hard")
    assert power_change(world, driver, handle) == before
    driver.start(handle)
    running = power_change(world, driver, handle)
    driver.set_marks(handle, {"stage": None})
    driver.set_cable(handle, 1, False)
    driver.start(handle)
    assert power_change(world, driver, handle) == running != before
