"""Doing harm to a lab, remembering it, and undoing what is still in force at the end."""

from __future__ import annotations

import shlex
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import field
from functools import partial

from vboxlab.errors import GuestError, WaitTimeout
from vboxlab.guest.executor import Executor
from vboxlab.language import _
from vboxlab.lazily import dataclass
from vboxlab.topology.scenario import CableFault, Fault, PowerOffFault, RebootFault, ServiceFault, StartFault
from vboxlab.verification.subject import LabUnderTest
from vboxlab.waiting import Deadline, wait_until

BOOT_ID_SCRIPT = "cat /proc/sys/kernel/random/boot_id"


@dataclass
class Faults:
    """The faults injected into one lab. `in_force` has, by what is not as it was, how to say so and how to undo it."""

    lab: LabUnderTest
    time_scale: float = 1.0
    in_force: dict[tuple[str, ...], tuple[str, Callable[[], None]]] = field(default_factory=dict)

    @property
    def words(self) -> str:
        """Return in words what is not as it was."""
        return "; ".join(words for words, _undo in self.in_force.values())

    def inject(self, fault: Fault, *, wait: bool) -> tuple[float, float]:
        """Do it, and return between which moments of the host's monotonic clock it happened.

        With wait, a machine that starts is waited for (WaitTimeout after the fault's budget). What is done is
        remembered before it is tried, so that a fault that failed half-way is undone as well.
        """
        before = time.monotonic()
        match fault:
            case PowerOffFault():
                self._power_off(fault.machine)
            case StartFault():
                self._start(fault.machine, wait=wait)
            case CableFault():
                self._cable(fault.machine, fault.slot, connected=fault.fault == "plug")
            case ServiceFault():
                self._service(fault.machine, fault.service, run=fault.fault == "start-service")
            case RebootFault():
                before = self._reboot(fault, wait=wait)
        return before, time.monotonic()

    def undo(self) -> Iterator[tuple[str, Exception | None]]:
        """Undo everything that is still in force, the last first; yield each in words, with the error met."""
        for words, work in reversed(list(self.in_force.values())):
            try:
                work()
            except Exception as error:  # noqa: BLE001 -- a bug in one must not leave the others in force
                yield words, error
            else:
                yield words, None

    def is_off(self, machine: str) -> bool:
        """Tell whether a machine is off because a fault wants it so."""
        return _off(machine) in self.in_force

    def _power_off(self, machine: str) -> None:
        words = _("{machine} is powered off").format(machine=machine)
        self.in_force[_off(machine)] = words, partial(self._start, machine, wait=True)
        self.lab.power_off(machine)

    def _start(self, machine: str, *, wait: bool) -> None:
        self.lab.start(machine, wait=wait)
        self.in_force.pop(_off(machine), None)

    def _cable(self, machine: str, slot: int, *, connected: bool) -> None:
        key = ("cable", machine, str(slot))
        if not connected:
            words = _("adapter {slot} of {machine} is unplugged").format(slot=slot, machine=machine)
            self.in_force[key] = words, partial(self._cable, machine, slot, connected=True)
        self.lab.set_cable(machine, slot, connected)
        if connected:
            self.in_force.pop(key, None)

    def _service(self, machine: str, service: str, *, run: bool) -> None:
        key = ("service", machine, service)
        if not run:
            words = _("{service} is stopped on {machine}").format(service=service, machine=machine)
            self.in_force[key] = words, partial(self._service, machine, service, run=True)
        command = shlex.join(["systemctl", "start" if run else "stop", "--", service])
        done = self.lab.executor(machine).run(command, root=True, timeout=60.0 * self.time_scale)
        if done.exit_code:
            failed = _("{machine}: {command} failed").format(machine=machine, command=command)
            raise GuestError(failed, details=[done.stderr.strip()])
        if run:
            self.in_force.pop(key, None)

    def _reboot(self, fault: RebootFault, *, wait: bool) -> float:
        """Reboot from within and return the moment when it was asked for."""
        executor = self.lab.executor(fault.machine)
        deadline = Deadline.after(fault.within * self.time_scale)
        former = executor.run(BOOT_ID_SCRIPT).stdout.strip()
        before = time.monotonic()
        with suppress(GuestError, WaitTimeout):  # the connection goes down with the machine
            executor.run("systemctl reboot", root=True, timeout=15.0 * self.time_scale)
        executor.close()
        if wait:
            booted = partial(_booted_anew, executor, former)
            what = _("the reboot of {machine}").format(machine=fault.machine)
            wait_until(booted, deadline, what=what, every=1.0)
        return before


def _off(machine: str) -> tuple[str, ...]:
    return ("off", machine)


def _booted_anew(executor: Executor, former: str) -> bool:
    try:
        boot = executor.run(BOOT_ID_SCRIPT, timeout=10.0).stdout.strip()
    except (GuestError, WaitTimeout):
        executor.close()
        return False
    return boot not in ("", former)
