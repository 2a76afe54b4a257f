"""The contract of telling how much a machine works, which a driver may not know."""

from __future__ import annotations

import pytest

from tests.contract.worlds import Specs, World, management
from vboxlab.errors import MachineNotFound
from vboxlab.hypervisor.driver import Driver


def test_a_machine_that_does_not_run_has_no_work(driver: Driver, spec: Specs) -> None:
    handle = driver.create(spec(adapters=(management(),))).handle
    assert driver.work(handle) is None


def test_a_running_machine_never_works_less_than_before(driver: Driver, spec: Specs) -> None:
    handle = driver.create(spec(adapters=(management(),))).handle
    driver.start(handle)
    first, second = driver.work(handle), driver.work(handle)
    if not driver.capabilities.measures_work:
        assert (first, second) == (None, None)
        return
    assert first is not None
    assert second is not None
    assert 0 <= first.processor <= second.processor
    assert 0 <= (first.waited or 0) <= (second.waited or 0)
    assert 0 <= first.printed <= second.printed
    driver.power_off(handle, "hard")
    assert driver.work(handle) is None


def test_it_is_not_known_of_a_machine_that_is_gone(world: World, driver: Driver, spec: Specs) -> None:
    handle = driver.create(spec(adapters=(management(),))).handle
    world.open().delete(handle)
    with pytest.raises(MachineNotFound):
        driver.work(handle)
