"""What a driver keeps belongs to its user alone, whatever the umask is."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace

import pytest

from tests.contract.worlds import Specs, World, nat
from tests.watching import open_to_others


@pytest.fixture
def no_umask() -> Iterator[None]:
    before = os.umask(0)
    yield
    os.umask(before)


@pytest.mark.usefixtures("no_umask")
def test_what_a_driver_keeps_is_closed_to_others(world: World, spec: Specs) -> None:
    disk = world.disk("teachers")
    disk.chmod(0o644)
    home = world.home / "fresh" / "home"
    driver = world.driver_of(home)
    world.opened.append(driver)
    driver.import_image("private", disk)
    made = driver.create(replace(spec("m99", (nat(1),)), image="private"))
    driver.take_snapshot(made.handle, "before")
    driver.start(made.handle)
    places = [place for place in (home.parent, *world.places_of(home)) if place.exists()]
    assert {str(place): found for place in places if (found := open_to_others(place))} == {}
    assert disk.stat().st_mode & 0o777 == 0o644
    driver.power_off(made.handle, "hard")
    driver.delete(made.handle)
