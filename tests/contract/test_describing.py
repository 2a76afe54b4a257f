"""The contract of describing a VM for whoever writes a topology of it: read alone, or refused where there are none."""

from __future__ import annotations

import pytest

from tests.contract.worlds import World
from vboxlab.errors import CapabilityMissing, MachineNotFound
from vboxlab.hypervisor.driver import Driver


def test_a_foreign_vm_is_described_and_stays_as_it_is(world: World, driver: Driver) -> None:
    if not driver.capabilities.adopts:
        pytest.skip("this driver has no VMs but ours")
    handle = world.add_foreign("teacher")
    world.add_disk(handle, "Normal")
    before = driver.inspect(handle)
    found = driver.describe(handle)
    assert found.machine == before == driver.inspect(handle)
    assert len(found.disks) == 1
    assert found.subnets == {}


def test_a_driver_without_foreign_vms_says_so(driver: Driver) -> None:
    if driver.capabilities.adopts:
        with pytest.raises(MachineNotFound):
            driver.describe("6b2ee7a4-1111-2222-3333-000000000000")
    else:
        with pytest.raises((CapabilityMissing, MachineNotFound)):
            driver.describe("none")
