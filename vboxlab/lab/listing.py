"""The machines of the host, as seen by an operation on many copies: all of them once, its own again each time.

Reporting every machine anew for every copy would make the work grow with the square of the class.
"""

from __future__ import annotations

import threading

from vboxlab.errors import MachineNotFound
from vboxlab.hypervisor.driver import Driver
from vboxlab.planning.host import Host
from vboxlab.planning.observed import ObservedMachine
from vboxlab.topology.addressing import LabName


class Listing:
    """All machines at first sight. Those of the lab that is asked for are always reported as they are now."""

    def __init__(self, driver: Driver) -> None:
        """Prepare, for an operation that holds and has changed nothing before it first asks."""
        self._driver = driver
        self._lock = threading.Lock()
        self._first: Host | None = None

    def machines(self, lab: LabName | None = None) -> Host:
        """Return all machines, those of the lab as they are now. Machines of others may have changed meanwhile."""
        with self._lock:
            if self._first is None:
                self._first = Host(self._driver.machines(early=True))
            host = self._first
        if lab is None:
            return host
        return host.with_now(lab, [now for machine in host.of(lab) if (now := self._look(host, machine.handle))])

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
