"""The contract of disks besides a machine's first, and of its drive."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from tests.contract.worlds import Specs, World
from vboxlab.errors import DriverError, MachineConflict
from vboxlab.hypervisor.driver import Driver
from vboxlab.planning.observed import DiskState, ObservedMachine, PowerState
from vboxlab.topology.addressing import LabName

DATA, LOGS = DiskState("data", 8), DiskState("logs", 16)
QUORUM = DiskState("quorum", 8, shared=True)
LAB = LabName("contract")


def made(driver: Driver, spec: Specs, disks: Sequence[DiskState] = (), **marks: str) -> ObservedMachine:
    """Return a new machine with these disks."""
    machine = driver.create(spec(adapters=(), **marks))
    driver.add_disks(machine.handle, disks)
    return driver.inspect(machine.handle)


def test_a_machine_gets_the_disks_that_it_lacks_behind_those_that_it_has(
    world: World, driver: Driver, spec: Specs
) -> None:
    machine = made(driver, spec, (DATA,))
    assert machine.disks == (DATA,)
    world.write_on(machine, "data", "m1")
    driver.add_disks(machine.handle, (LOGS, DATA))
    found = world.open().inspect(machine.handle)
    assert found.disks == (DATA, LOGS)
    assert (world.found_on(found, "data"), world.found_on(found, "logs")) == ({"m1"}, set())
    driver.add_disks(machine.handle, (DATA, LOGS))
    assert driver.inspect(machine.handle).disks == (DATA, LOGS)
    (listed,) = [each for each in driver.machines() if each.handle == machine.handle]
    assert listed.disks == (DATA, LOGS)


def test_a_machine_starts_and_stops_with_its_disks_and_the_disc_in_its_drive(
    world: World, driver: Driver, spec: Specs
) -> None:
    machine = made(driver, spec, (DATA, QUORUM))
    world.write_on(machine, "data", "m1")
    driver.set_dvd(machine.handle, str(world.disc()))
    driver.start(machine.handle)
    running = driver.inspect(machine.handle)
    assert (running.power, running.disks, running.dvd) == (PowerState.RUNNING, (DATA, QUORUM), str(world.disc()))
    with pytest.raises(DriverError, match=machine.name):
        driver.add_disks(machine.handle, (LOGS,))
    with pytest.raises(DriverError, match=machine.name):
        driver.set_dvd(machine.handle, "")
    driver.power_off(machine.handle, "hard")
    found = driver.inspect(machine.handle)
    assert (found.disks, found.dvd) == ((DATA, QUORUM), str(world.disc()))
    assert world.found_on(found, "data") == {"m1"}


def test_a_disk_that_is_there_is_never_made_otherwise(world: World, driver: Driver, spec: Specs) -> None:
    machine, other = made(driver, spec, (DATA, QUORUM)), made(driver, spec)
    world.write_on(machine, "data", "m1")
    for handle, wanted in (
        (machine.handle, replace(DATA, size=16)),
        (machine.handle, replace(DATA, size=4)),
        (machine.handle, replace(DATA, shared=True)),
        (other.handle, replace(QUORUM, size=16)),
    ):
        with pytest.raises(MachineConflict, match=wanted.name):
            driver.add_disks(handle, (LOGS, wanted))
    assert world.found_on(driver.inspect(machine.handle), "data") == {"m1"}
    assert driver.inspect(machine.handle).disks == (DATA, QUORUM)
    assert driver.inspect(other.handle).disks == ()
    assert driver.garbage() == []


def test_a_snapshot_holds_the_disks(world: World, driver: Driver, spec: Specs) -> None:
    machine = made(driver, spec, (DATA, LOGS))
    world.write_on(machine, "data", "m1")
    driver.take_snapshot(machine.handle, "first")
    world.write_on(machine, "data", "m2")
    world.write_on(machine, "logs", "m3")
    driver.take_snapshot(machine.handle, "second")
    driver.restore_snapshot(machine.handle, "first")
    found = world.open().inspect(machine.handle)
    assert found.disks == (DATA, LOGS)
    assert (world.found_on(found, "data"), world.found_on(found, "logs")) == ({"m1"}, set())
    driver.restore_snapshot(machine.handle, "second")
    assert (world.found_on(found, "data"), world.found_on(found, "logs")) == ({"m1", "m2"}, {"m3"})
    driver.delete_snapshot(machine.handle, "first")
    driver.delete_snapshot(machine.handle, "second")
    assert world.found_on(found, "data") == {"m1", "m2"}


def test_a_restored_snapshot_brings_back_what_was_in_the_drive(world: World, driver: Driver, spec: Specs) -> None:
    machine = made(driver, spec)
    driver.set_dvd(machine.handle, str(world.disc()))
    driver.take_snapshot(machine.handle, "with disc")
    driver.set_dvd(machine.handle, "")
    assert driver.inspect(machine.handle).dvd == ""
    driver.restore_snapshot(machine.handle, "with disc")
    assert driver.inspect(machine.handle).dvd == str(world.disc())


def test_a_disk_that_came_after_the_restored_snapshot_is_kept_as_somebodys(
    world: World, driver: Driver, spec: Specs
) -> None:
    machine = made(driver, spec)
    driver.take_snapshot(machine.handle, "before")
    driver.add_disks(machine.handle, (DATA,))
    world.write_on(driver.inspect(machine.handle), "data", "m1")
    driver.restore_snapshot(machine.handle, "before")
    assert driver.inspect(machine.handle).disks == ()
    assert driver.garbage(LAB) == []
    (stray,) = driver.strays(LAB)
    assert stray.path.name.startswith("data")
    driver.add_disks(machine.handle, (DATA,))
    assert world.found_on(driver.inspect(machine.handle), "data") == set()
    assert [each.path for each in driver.strays(LAB)] == [stray.path]
    driver.remove_stray(stray.path)
    assert driver.strays(LAB) == []


def test_machines_of_a_lab_share_a_disk(world: World, driver: Driver, spec: Specs) -> None:
    one, two = made(driver, spec, (DATA, QUORUM)), made(driver, spec, (QUORUM,))
    world.write_on(one, "quorum", "m1")
    assert world.found_on(two, "quorum") == {"m1"}
    driver.start(one.handle)
    driver.start(two.handle)
    for machine in (one, two):
        driver.power_off(machine.handle, "hard")
    assert driver.inspect(two.handle).disks == (QUORUM,)


def test_snapshots_leave_a_shared_disk_as_it_is(world: World, driver: Driver, spec: Specs) -> None:
    one, two = made(driver, spec, (QUORUM,)), made(driver, spec, (QUORUM,))
    driver.take_snapshot(one.handle, "first")
    world.write_on(two, "quorum", "m1")
    driver.restore_snapshot(one.handle, "first")
    found = driver.inspect(one.handle)
    assert found.disks == (QUORUM,)
    assert world.found_on(found, "quorum") == world.found_on(two, "quorum") == {"m1"}


def test_each_copy_has_its_own_shared_disk(world: World, driver: Driver, spec: Specs) -> None:
    ours, theirs = made(driver, spec, (QUORUM,)), made(driver, spec, (replace(QUORUM, size=16),), copy="zoe")
    world.write_on(ours, "quorum", "m1")
    assert world.found_on(theirs, "quorum") == set()
    driver.delete(theirs.handle)
    assert world.found_on(ours, "quorum") == {"m1"}


def test_disks_go_with_their_machine_and_a_shared_one_with_the_last_machine_of_its_lab(
    world: World, driver: Driver, spec: Specs
) -> None:
    before = world.machine_traces()
    one, two, bystander = made(driver, spec, (DATA, QUORUM)), made(driver, spec, (QUORUM,)), made(driver, spec)
    driver.take_snapshot(one.handle, "first")
    world.write_on(one, "quorum", "m1")
    driver.delete(one.handle)
    assert world.found_on(world.open().inspect(two.handle), "quorum") == {"m1"}
    driver.delete(two.handle)
    driver.add_disks(bystander.handle, (QUORUM,))
    assert world.found_on(driver.inspect(bystander.handle), "quorum") == {"m1"}
    driver.delete(bystander.handle)
    assert [trace for trace in world.machine_traces() if trace not in before and ".vdi" in trace] == []
    assert driver.garbage() == []
    assert driver.strays() == []
    again = made(driver, spec, (QUORUM,))
    assert world.found_on(again, "quorum") == set()


def test_there_must_be_a_disc_to_put_into_a_drive(driver: Driver, spec: Specs, tmp_path: Path) -> None:
    machine = made(driver, spec)
    with pytest.raises(DriverError, match=r"there is no disc image .*nothing\.iso"):
        driver.set_dvd(machine.handle, str(tmp_path / "nothing.iso"))
    assert driver.inspect(machine.handle).dvd == ""


@pytest.mark.parametrize("after", [0.0, 0.02, 0.06, 2.0])
def test_a_call_that_is_killed_leaves_nothing_that_another_does_not_put_right(
    world: World, driver: Driver, spec: Specs, after: float
) -> None:
    machine = made(driver, spec, (DATA,))
    driver.close()
    world.kill_during("add_disks", after, machine.handle, (LOGS, QUORUM))
    world.await_orphans()
    later = world.open()
    assert later.inspect(machine.handle).disks in ((DATA,), (DATA, LOGS, QUORUM))
    later.add_disks(machine.handle, (DATA, LOGS, QUORUM))
    assert later.inspect(machine.handle).disks == (DATA, LOGS, QUORUM)
    later.collect_garbage()
    assert later.strays() == []
    later.start(machine.handle)
    later.power_off(machine.handle, "hard")
    later.delete(machine.handle)
