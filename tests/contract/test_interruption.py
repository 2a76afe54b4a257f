"""The contract when the driver's process is killed at any moment."""

from __future__ import annotations

import pytest

from tests.contract.worlds import Specs, World, nat
from vboxlab.errors import MachineConflict
from vboxlab.hypervisor.driver import Driver
from vboxlab.planning.observed import ObservedMachine, PowerState

MOMENTS = [0.0, 0.002, 0.005, 0.01, 0.015, 0.02, 0.03, 0.05, 0.1, 1.5]


def found(driver: Driver, name: str) -> ObservedMachine | None:
    return next((machine for machine in driver.machines() if machine.name == name), None)


@pytest.mark.parametrize("moment", MOMENTS)
def test_killed_in_create(world: World, driver: Driver, spec: Specs, moment: float) -> None:
    wanted = spec("victim", adapters=(nat(1),))
    returned = world.kill_during("create", moment, wanted)
    made = found(driver, "victim")
    assert made is not None or not returned
    if made is not None:
        assert (made.power, made.adapters, made.marks) == (PowerState.OFF, wanted.adapters, dict(wanted.marks))
        with pytest.raises(MachineConflict):
            driver.create(wanted)
    else:
        made = driver.create(wanted)
    driver.start(made.handle)
    driver.power_off(made.handle, "hard")
    world.await_orphans()  # what the killed process had started may hold the disk of the half-made machine
    driver.collect_garbage()
    assert list(driver.collect_garbage()) == []


@pytest.mark.parametrize("moment", MOMENTS)
def test_killed_in_take_snapshot(world: World, driver: Driver, spec: Specs, moment: float) -> None:
    handle = driver.create(spec(adapters=(nat(1),))).handle
    driver.take_snapshot(handle, "first")
    returned = world.kill_during("take_snapshot", moment, handle, "second")
    taken = driver.inspect(handle).has_snapshot("second")
    assert taken or not returned
    if not taken:
        driver.take_snapshot(handle, "second")
    driver.restore_snapshot(handle, "first")
    driver.restore_snapshot(handle, "second")
    world.await_orphans()
    driver.collect_garbage()
    assert [snapshot.name for snapshot in driver.inspect(handle).snapshots] == ["first", "second"]
    assert list(driver.collect_garbage()) == []


@pytest.mark.parametrize("moment", MOMENTS)
def test_killed_in_restore_snapshot(world: World, driver: Driver, spec: Specs, moment: float) -> None:
    handle = driver.create(spec(adapters=(nat(1),), stage="web")).handle
    driver.take_snapshot(handle, "first")
    driver.set_marks(handle, {"stage": "heartbeat"})
    returned = world.kill_during("restore_snapshot", moment, handle, "first")
    assert driver.inspect(handle).marks["stage"] == "web" or not returned
    assert driver.inspect(handle).power is PowerState.OFF
    driver.restore_snapshot(handle, "first")
    assert driver.inspect(handle).marks["stage"] == "web"
    driver.start(handle)


@pytest.mark.parametrize("moment", MOMENTS)
def test_killed_in_delete(world: World, driver: Driver, spec: Specs, moment: float) -> None:
    doomed, kept = driver.create(spec("victim", adapters=(nat(1),))), driver.create(spec("kept"))
    driver.start(doomed.handle)
    returned = world.kill_during("delete", moment, doomed.handle)
    left = found(driver, "victim")
    assert left is None or not returned
    if left is not None:
        driver.delete(left.handle)
    driver.collect_garbage()
    assert list(driver.machines()) == [kept]
    driver.start(driver.create(spec("victim", adapters=(nat(1),))).handle)


@pytest.mark.parametrize("moment", [0.0, 0.02, 0.05, 0.1, 1.5])
def test_killed_in_start(world: World, driver: Driver, spec: Specs, moment: float) -> None:
    handle = driver.create(spec(adapters=(nat(1, cable=False),))).handle
    returned = world.kill_during("start", moment, handle)
    world.await_orphans()  # what the killed process had launched comes up a moment later
    assert driver.inspect(handle).power is PowerState.RUNNING or not returned
    driver.start(handle)
    assert driver.inspect(handle).power is PowerState.RUNNING
    driver.power_off(handle, "hard")
    assert driver.inspect(handle).power is PowerState.OFF
