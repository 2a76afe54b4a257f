"""The machines of the host, as seen by an operation on many copies: all of them once, its own again each time.

Reporting every machine anew for every copy would make the work grow with the square of the class.
"""

from __future__ import annotations

import threading
import time

from vboxlab.errors import MachineNotFound
from vboxlab.hypervisor.driver import Driver
from vboxlab.planning.host import Host
from vboxlab.planning.observed import ObservedMachine
from vboxlab.topology.addressing import LabName

TICK = 0.02  # seconds that the time of a file may be behind the clock


class Listing:
    """All machines at first sight. Those of the lab that is asked for are always reported as they are now."""

    def __init__(self, driver: Driver, begun: float | None = None) -> None:
        """Prepare, for an operation that holds and has changed nothing before it first asks.

        `begun` is when the driver may have looked first (seconds since the epoch), None where that is not before now.
        """
        self._driver = driver
        self._begun = time.time() if begun is None else begun
        self._lock = threading.Lock()
        self._first: Host | None = None
        self._early = True

    def machines(self, lab: LabName | None = None) -> Host:
        """Return all machines, those of the lab as they are now. Machines of others may have changed meanwhile."""
        with self._lock:
            if self._first is None:
                self._first = Host(self._driver.machines(early=self._early))
                self._early = False
            host = self._first
        if lab is None:
            return host
        return host.with_now(lab, [now for machine in host.of(lab) if (now := self._look(host, machine.handle))])

    def renew(self, changed: float) -> None:
        """Look at all machines again where some may have been made since, at `changed` (seconds since the epoch)."""
        with self._lock:
            if changed >= self._begun - TICK:
                self._begun = time.time()
                self._first = None

    def add(self, machine: ObservedMachine) -> None:
        """Remember a machine that has just been made."""
        with self._lock:
            if self._first is not None:
                self._first.add(machine)

    def _look(self, host: Host, handle: str) -> ObservedMachine | None:
        try:
            return self._driver.inspect(handle)
        except MachineNotFound:
            with self._lock:
                host.drop(handle)
            return None
