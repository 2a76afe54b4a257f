"""A restore of several machines that was killed, on every driver: what is known, and what finishing it touches."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.contract.worlds import Specs, World, nat
from vboxlab.errors import DriverError, LabError
from vboxlab.hypervisor.driver import Driver
from vboxlab.lab.directory import LabDirectory
from vboxlab.lab.journal import finish_restore, pending_restore, restore_on
from vboxlab.lab.observe import observe
from vboxlab.planning.observed import ObservedLab
from vboxlab.topology.addressing import LabName

LAB = LabName("contract")


class Killed(BaseException):
    """What kill -9 is to the code that runs: nothing after it happens."""


class Mortal:
    """A driver whose process is killed, or that fails, at the restore of one machine."""

    def __init__(self, driver: Driver, handle: str, error: BaseException) -> None:
        self._driver, self._handle, self._error = driver, handle, error

    def restore_snapshot(self, handle: str, name: str) -> None:
        if handle == self._handle:
            raise self._error
        self._driver.restore_snapshot(handle, name)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._driver, name)


@pytest.fixture
def directory(tmp_path: Path) -> LabDirectory:
    return LabDirectory(tmp_path / "lab's home", LAB)


def seen(driver: Driver) -> ObservedLab:
    return observe(driver, LAB)


def worked_in(driver: Driver, handle: str) -> None:
    driver.start(handle)
    driver.power_off(handle, "hard")


@pytest.mark.parametrize("error", [Killed(), DriverError("the disk is locked")], ids=["killed", "failed"])
def test_what_was_done_since_an_interrupted_restore_is_known_and_only_the_rest_is_finished(
    world: World, driver: Driver, spec: Specs, directory: LabDirectory, error: BaseException
) -> None:
    made = {name: driver.create(spec(name, adapters=(nat(1, cable=False),))).handle for name in ("first", "second")}
    for handle in made.values():
        driver.take_snapshot(handle, "monday")
        worked_in(driver, handle)
    machines = dict(sorted(seen(driver).machines.items()))
    mortal: Any = Mortal(driver, made["second"], error)
    with pytest.raises(Killed if isinstance(error, Killed) else LabError):
        restore_on(mortal, directory, machines, "monday")
    again = world.open()
    left = pending_restore(directory, seen(again))
    assert left is not None
    assert (left.snapshot, left.done, left.undone, left.used) == ("monday", ("first",), ("second",), ())
    assert left.harmless
    world.start_by_hand(made["second"])
    world.stop_by_hand(made["second"])
    used = pending_restore(directory, seen(again))
    assert used is not None
    assert (used.used, used.harmless) == (("second",), False)
    worked_in(again, made["first"])
    finish_restore(again, directory, seen(again), used)
    assert pending_restore(directory, seen(again)) is None
    assert {name: machine.untouched for name, machine in seen(again).machines.items()} == {
        "first": False, "second": True,
    }  # fmt: skip
