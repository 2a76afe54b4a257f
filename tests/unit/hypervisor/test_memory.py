"""The faults that the memory driver's host can have, and what it remembers of its callers."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import pytest

from tests.contract.worlds import DEAF_GUEST, IMAGE, Specs, nat
from vboxlab.errors import DriverError, MachineConflict
from vboxlab.hypervisor.driver import Driver
from vboxlab.hypervisor.memory import Crash, MemoryDriver, MemoryStore, store_of
from vboxlab.planning.observed import PowerState
from vboxlab.topology.addressing import LabName


@pytest.fixture
def store(tmp_path: Path) -> MemoryStore:
    disk = tmp_path / "tiny.img"
    disk.write_bytes(DEAF_GUEST)
    made = MemoryStore()
    MemoryDriver(made).import_image(IMAGE, disk)
    return made


@pytest.fixture
def driver(store: MemoryStore) -> Driver:
    return MemoryDriver(store)


def test_a_fault_hits_as_often_as_was_asked(store: MemoryStore, driver: Driver) -> None:
    made = driver.create(Specs()())
    store.fail("start", 2, DriverError("the host is on fire"))
    for _ in range(2):
        with pytest.raises(DriverError, match="on fire"):
            driver.start(made.handle)
        assert driver.inspect(made.handle) == made
    driver.start(made.handle)
    assert driver.inspect(made.handle).power is PowerState.RUNNING


def test_a_crash_after_the_second_call(store: MemoryStore, driver: Driver) -> None:
    spec = Specs()
    store.crash_after("create", 2)
    driver.create(spec())
    with pytest.raises(Crash):
        driver.create(spec())
    assert len(MemoryDriver(store).machines()) == 2
    driver.create(spec())


def test_a_crash_passes_by_handlers_of_errors(store: MemoryStore, driver: Driver) -> None:
    store.crash_during("create")

    def careless_caller() -> None:
        with suppress(Exception):
            driver.create(Specs()())

    with pytest.raises(Crash):
        careless_caller()


def test_a_crash_within_a_call_leaves_garbage_of_its_lab(store: MemoryStore, driver: Driver) -> None:
    store.crash_during("create")
    with pytest.raises(Crash):
        driver.create(Specs()("srv-web"))
    assert list(driver.machines()) == []
    assert list(driver.collect_garbage(LabName("another"))) == []
    assert list(driver.collect_garbage(LabName("contract"))) == ["interrupted create of srv-web"]
    assert list(driver.collect_garbage()) == []


def test_calls_are_remembered_in_order(store: MemoryStore, driver: Driver) -> None:
    handle = driver.create(Specs()("srv-web")).handle
    driver.start(handle)
    driver.power_off(handle, "hard")
    driver.delete(handle)
    assert store.calls == [
        ("import_image", IMAGE),
        ("create", "srv-web"),
        ("start", "srv-web"),
        ("power_off", "srv-web"),
        ("delete", "srv-web"),
    ]


def test_guests_end_by_themselves_unless_they_are_deaf(store: MemoryStore, driver: Driver) -> None:
    handle = driver.create(Specs()("srv-web", adapters=(nat(1),))).handle
    driver.start(handle)
    assert driver.power_off(handle, "graceful") is True
    store.deaf.add("srv-web")
    driver.start(handle)
    assert driver.power_off(handle, "graceful") is False


def test_a_foreign_machine_is_started_and_nothing_else(store: MemoryStore, driver: Driver) -> None:
    foreign = store.add_foreign("PF_FIREWALL", adapters=(nat(1),))
    driver.start(foreign.handle)
    assert driver.inspect(foreign.handle).power is PowerState.RUNNING
    with pytest.raises(MachineConflict, match="PF_FIREWALL"):
        driver.power_off(foreign.handle, "hard")


def test_a_console_that_a_test_wrote(store: MemoryStore, driver: Driver) -> None:
    handle = driver.create(Specs()("srv-web")).handle
    store.consoles["srv-web"] = "one\ntwo\nthree"
    assert driver.console_tail(handle, 2) == "two\nthree"


def test_one_host_per_home(tmp_path: Path) -> None:
    assert store_of(tmp_path) is store_of(tmp_path / ".." / tmp_path.name)
    assert store_of(tmp_path) is not store_of(tmp_path / "other")
