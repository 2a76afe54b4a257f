"""The contract of images."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from tests.contract.worlds import IMAGE, Specs, World, nat
from vboxlab.errors import BaseError, CapabilityMissing
from vboxlab.hypervisor.driver import Driver


def test_images_name_their_clones(world: World, driver: Driver, spec: Specs) -> None:
    names = sorted(driver.create(spec()).name for _ in range(2))
    (image,) = world.open().images()
    assert (image.name, sorted(image.clones)) == (IMAGE, names)
    assert image.size > 0


def test_importing_what_exists_does_nothing(world: World, driver: Driver, spec: Specs) -> None:
    made = driver.create(spec(adapters=(nat(1),)))
    driver.import_image(IMAGE, world.disk("other"))
    assert [image.name for image in driver.images()] == [IMAGE]
    driver.start(made.handle)


def test_the_disk_stays_the_callers(world: World, driver: Driver) -> None:
    disk = world.disk("mine")
    before = disk.read_bytes()
    driver.import_image("mine", disk)
    driver.remove_image("mine")
    assert disk.read_bytes() == before
    assert [image.name for image in driver.images()] == [IMAGE]


def test_importing_what_is_not_there_makes_nothing(world: World, driver: Driver) -> None:
    with pytest.raises(BaseError, match=r"gone\.img"):
        driver.import_image("gone", world.home / "gone.img")
    assert [image.name for image in driver.images()] == [IMAGE]


def test_an_image_in_use_is_not_removed(driver: Driver, spec: Specs) -> None:
    made = driver.create(spec("web"))
    with pytest.raises(BaseError) as caught:
        driver.remove_image(IMAGE)
    assert "web" in str(caught.value)
    driver.delete(made.handle)
    driver.remove_image(IMAGE)
    assert list(driver.images()) == []
    with pytest.raises(BaseError):
        driver.create(spec())


def test_removing_an_image_that_is_not_there(driver: Driver) -> None:
    with pytest.raises(BaseError, match="nowhere"):
        driver.remove_image("nowhere")


def adoptable(world: World, driver: Driver) -> bool:
    """Tell whether VMs can become images; where they cannot, check that the driver says so."""
    if driver.capabilities.adopts:
        return True
    with pytest.raises(CapabilityMissing):
        driver.adopt_image("my", world.add_foreign("teacher"))
    return False


@pytest.mark.parametrize("kind", ["Writethrough", "Shareable", "Immutable"])
def test_a_vm_becomes_an_image_without_the_disks_that_snapshots_do_not_hold(
    world: World, driver: Driver, spec: Specs, kind: str
) -> None:
    if not adoptable(world, driver):
        return
    handle = world.add_foreign("teacher")
    world.add_disk(handle, "Normal")
    path = world.add_disk(handle, kind)
    said = driver.adopt_image("my", "teacher")
    assert f"left out: it is {kind.lower()}" in said
    assert said.count("every machine writes to a differencing disk of its own") == 1
    assert path.name in said or kind == "Immutable"  # whose differencing disk is attached
    made = driver.create(replace(spec(adapters=(nat(1),)), image="my"))
    assert made.image == "my"
    assert driver.inspect(handle).marks == {}


@pytest.mark.parametrize("kinds", [(), ("Writethrough",), ("Shareable", "Normal"), ("Immutable", "Normal")])
def test_a_vm_that_machines_would_be_nothing_without_is_refused_and_not_touched(
    world: World, driver: Driver, kinds: tuple[str, ...]
) -> None:
    if not adoptable(world, driver):
        return
    handle = world.add_foreign("teacher")
    for kind in kinds:
        world.add_disk(handle, kind)
    before = driver.inspect(handle)
    with pytest.raises(BaseError, match="the VM teacher cannot be a base") as caught:
        driver.adopt_image("my", "teacher")
    assert (f"it is {kinds[0].lower()}" if kinds else "it has no hard disk") in str(caught.value)
    assert driver.inspect(handle) == before
    assert not driver.has_image("my")


def test_a_vm_whose_disk_went_since_is_refused_when_a_machine_is_made(
    world: World, driver: Driver, spec: Specs
) -> None:
    if not adoptable(world, driver):
        return
    path = world.add_disk(world.add_foreign("teacher"), "Normal")
    driver.adopt_image("my", "teacher")
    world.lose_disk(path)
    with pytest.raises(BaseError, match="no machine can be made of the base my, which is the VM teacher") as caught:
        driver.create(replace(spec("victim", adapters=(nat(1),)), image="my"))
    assert "it cannot be read" in str(caught.value)
    assert [machine.name for machine in driver.machines()] == ["teacher"]
    assert list(driver.garbage()) == []
    driver.remove_image("my")  # it is only forgotten
    assert not driver.has_image("my")


def test_images_are_imported_and_removed_side_by_side(world: World, driver: Driver, spec: Specs) -> None:
    """What one thread makes and lets go, such as a disk that is being converted, is no obstacle for another's."""
    made = driver.create(spec())

    def come_and_go(worker: int) -> None:
        for number in range(4):
            name = f"other-{worker}-{number}"
            driver.import_image(name, world.disk(name))
            driver.delete(driver.create(replace(spec(f"m-{worker}-{number}"), image=name)).handle)
            assert IMAGE in [image.name for image in driver.images()]
            assert made.handle in [machine.handle for machine in driver.machines()]
            driver.garbage()
            driver.strays()
            driver.remove_image(name)

    with world.unless_the_service_dies(), ThreadPoolExecutor(4) as pool:
        list(pool.map(come_and_go, range(4)))
    assert [image.name for image in driver.images()] == [IMAGE]
