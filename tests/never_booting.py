"""A driver whose machines are said to run once they were started, and stay as they are: for labs without guests."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, cast

from vboxlab.hypervisor.driver import Driver
from vboxlab.planning.observed import ObservedMachine, PowerOffHow, PowerState


class NeverBooting:
    """All calls go to a driver, but for those that would run a guest."""

    def __init__(self, driver: Driver) -> None:
        self._driver = driver
        self.started: set[str] = set()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._driver, name)

    @property
    def as_driver(self) -> Driver:
        """Return itself, as what it stands for."""
        return cast("Driver", self)

    def _shown(self, machine: ObservedMachine) -> ObservedMachine:
        return replace(machine, power=PowerState.RUNNING) if machine.handle in self.started else machine

    def machines(self, *, early: bool = False) -> Sequence[ObservedMachine]:
        return [self._shown(machine) for machine in self._driver.machines(early=early)]

    def inspect(self, handle: str) -> ObservedMachine:
        return self._shown(self._driver.inspect(handle))

    def start(self, handle: str, *, gui: bool = False) -> None:
        assert not gui
        self.started.add(handle)

    def power_off(self, handle: str, how: PowerOffHow, *, timeout: float = 60.0) -> bool:
        self.started.discard(handle)
        return self._driver.power_off(handle, how, timeout=timeout)

    def restore_snapshot(self, handle: str, name: str) -> None:
        assert handle not in self.started
        self._driver.restore_snapshot(handle, name)
