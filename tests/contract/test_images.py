"""The contract of images."""

from __future__ import annotations

import pytest

from tests.contract.worlds import IMAGE, Specs, World, nat
from vboxlab.errors import BaseError
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
