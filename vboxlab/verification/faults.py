"""Doing harm to a lab, remembering it, and undoing what is still in force at the end."""

from __future__ import annotations

import shlex
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import field
from functools import partial

from vboxlab.errors import CapabilityMissing, GuestError, MachineConflict, WaitTimeout
from vboxlab.guest.executor import Executor
from vboxlab.language import _
from vboxlab.lazily import dataclass
from vboxlab.planning.observed import Impairment, PowerState
from vboxlab.topology.disks import guest_path
from vboxlab.topology.fault_step import Key
from vboxlab.topology.faults import (
    CableFault,
    ClockFault,
    CommandFault,
    DiskFault,
    Fault,
    HealFault,
    ImpairFault,
    PartitionFault,
    PauseFault,
    PowerOffFault,
    PulledDiskFault,
    RebootFault,
    RepairFault,
    ServiceFault,
    StartFault,
)
from vboxlab.verification import lines
from vboxlab.verification.subject import LabUnderTest
from vboxlab.waiting import Deadline, wait_until

BOOT_ID_SCRIPT = "cat /proc/sys/kernel/random/boot_id"
STANDING_STILL = ("off", "paused")  # the first words of the keys of machines whose guests are not reached
FILLING = ".vboxlab-fills-this-disk"
InGuest = ServiceFault | ClockFault | DiskFault | PulledDiskFault | CommandFault
Keep = Callable[[Sequence[Fault]], None]


def keep_nothing(_faults: Sequence[Fault]) -> None:
    """Write nothing down, where nobody could read it."""


@dataclass
class Faults:
    """The faults injected into one lab. `in_force` has them by what is not as it was; `keep` writes them down.

    With `moved`, the lab may have been in another topology when they were made.
    """

    lab: LabUnderTest
    time_scale: float = 1.0
    keep: Keep = keep_nothing
    moved: bool = False
    in_force: dict[Key, Fault] = field(default_factory=dict)
    boots: dict[str, str] = field(default_factory=dict)  # by machine, its boot's id before it was rebooted

    @property
    def words(self) -> str:
        """Return in words what is not as it was."""
        return "; ".join(fault.state() for fault in self.in_force.values())

    def inject(self, fault: Fault, *, wait: bool) -> tuple[float, float]:
        """Do it, and return between which moments of the host's monotonic clock it happened.

        With wait, a machine that starts is waited for (WaitTimeout after the fault's budget). What is done is written
        down before it is tried, so that a fault that failed half-way, or whose vboxlab was killed, is undone as well.
        Raises MachineConflict, with nothing done, for hardware of a machine that is not vboxlab's; and
        CapabilityMissing for what only the guest of a machine could do that is left alone.
        """
        self._check_ours(fault)
        self._check_configured(fault)
        if fault.key is not None:
            before_it = self.in_force.get(fault.key)
            if isinstance(fault, ClockFault) and isinstance(before_it, ClockFault):
                both = fault.model_copy(update={"seconds": fault.seconds + before_it.seconds})
                self._remember(fault.key, both)
            else:
                self._remember(fault.key, fault)
        before = time.monotonic()
        match fault:
            case RebootFault():
                before = self._reboot(fault, wait=wait)
            case ServiceFault() | ClockFault() | DiskFault() | PulledDiskFault() | CommandFault():
                self._as_root(fault.machine, _script(fault))
            case _:
                self._by_hypervisor(fault, wait=wait)
        after = time.monotonic()
        for key in fault.ends:
            there = self.in_force.get(key)
            if isinstance(there, PauseFault) and isinstance(fault, PauseFault | StartFault):
                self._remember_clock(there.machine)
            if there is not None:
                self._remember(key, None)
        return before, after

    def _check_ours(self, fault: Fault) -> None:
        """Raise MachineConflict where a fault is of the hardware of an adopted machine: it could not be undone."""
        for machine in self._whose_hardware(fault):
            if self._is_adopted(machine) and self.lab.has(machine):
                text = _("{machine} is not vboxlab's, so its power, cables and lines are left as they are")
                raise MachineConflict(text.format(machine=machine))

    def _check_configured(self, fault: Fault) -> None:
        """Raise CapabilityMissing where a machine's own guest would have to make its line bad, and it is left alone."""
        if self.lab.shapes_lines or not isinstance(fault, ImpairFault | RepairFault | PartitionFault | HealFault):
            return
        if isinstance(fault, ImpairFault | RepairFault):
            concerned = [fault.machine]
        else:
            groups = fault.groups if isinstance(fault, PartitionFault) else ()
            concerned = [name for name, _slot in lines.groups_of(self.lab.topology, fault.network, groups)]
        for machine in concerned:
            if not self._is_configured(machine):
                text = _("{machine} is left alone, and {driver} itself cannot change the lines of a network")
                raise CapabilityMissing(text.format(machine=machine, driver=self.lab.driver))

    def _whose_hardware(self, fault: Fault) -> Iterable[str]:
        """Return the machines that the hypervisor is to change for a fault."""
        match fault:
            case PowerOffFault() | CableFault():
                return (fault.machine,)
            case PauseFault() if fault.fault == "pause":
                return (fault.machine,)
            case ImpairFault() if self.lab.shapes_lines:
                return (fault.machine,)
            case PartitionFault() if self.lab.shapes_lines:
                return (name for name, _slot in lines.groups_of(self.lab.topology, fault.network, fault.groups))
        return ()

    def _is_adopted(self, machine: str) -> bool:
        return self.lab.topology.is_adopted(self.lab.topology.machines[machine])

    def _is_configured(self, machine: str) -> bool:
        return self.lab.topology.machines[machine].configured

    def _remember_clock(self, machine: str) -> None:
        """Write down that the clock of a machine that stood still is behind, which nothing but its guest can mend."""
        if not self._is_configured(machine):
            return
        behind = ClockFault(fault="clock-jump", machine=machine, seconds=0)
        if behind.key not in self.in_force:
            self._remember(behind.key, behind)

    def _by_hypervisor(self, fault: Fault, *, wait: bool) -> None:
        """Make a fault of power or network, the hypervisor's where it can."""
        match fault:
            case PowerOffFault():
                self.lab.power_off(fault.machine)
            case StartFault():
                self.lab.start(fault.machine, wait=wait)
            case PauseFault() if fault.fault == "pause":
                self.lab.pause(fault.machine)
            case PauseFault():
                self.lab.start(fault.machine, wait=wait)
            case CableFault():
                self.lab.set_cable(fault.machine, fault.slot, fault.fault == "plug")
            case ImpairFault():
                bad = Impairment(fault.loss, fault.delay * self.time_scale, fault.rate)
                lines.impair(self.lab, fault.machine, fault.slot, bad, self._as_root)
            case RepairFault():
                lines.impair(self.lab, fault.machine, fault.slot, Impairment(), self._as_root)
            case PartitionFault():
                lines.cut(self.lab, fault.network, fault.groups, self._as_root)
            case HealFault():
                lines.cut(self.lab, fault.network, (), self._as_root)

    def undo(self) -> Iterator[tuple[str, Exception | None]]:
        """Undo everything that is still in force; yield each in words, with the error met.

        The last is first, but for machines that are off or stand still: others may have to be undone in their guests.
        """
        last_first = list(reversed(self.in_force.items()))
        for key, fault in sorted(last_first, key=lambda item: item[0][0] not in STANDING_STILL):
            try:
                self._undo(fault)
            except Exception as error:  # noqa: BLE001 -- a bug in one must not leave the others in force
                yield fault.state(), error
            else:
                self._remember(key, None)
                yield fault.state(), None

    def end(self, fault: Fault) -> bool:
        """Undo one fault, and tell whether it was in force. Where that raises something it is in force still."""
        there = None if fault.key is None else self.in_force.get(fault.key)
        if fault.key is None or there is None:
            return False
        self._undo(there)
        self._remember(fault.key, None)
        return True

    def is_off(self, machine: str) -> bool:
        """Tell whether a machine is off because a fault wants it so."""
        return ("off", machine) in self.in_force

    def is_paused(self, machine: str) -> bool:
        """Tell whether a machine stands still because a fault wants it so."""
        return ("paused", machine) in self.in_force

    def _remember(self, key: Key, fault: Fault | None) -> None:
        if fault is None:
            self.in_force.pop(key, None)
        else:
            self.in_force[key] = fault
        self.keep(tuple(self.in_force.values()))

    def _undo(self, fault: Fault) -> None:
        if not isinstance(fault, PartitionFault) and any(map(self._is_adopted, self._whose_hardware(fault))):
            return  # an earlier vboxlab tried it, and was refused
        match fault:
            case PowerOffFault():
                self.lab.start(fault.machine, wait=True)
            case PauseFault():
                self.lab.start(fault.machine, wait=True)
                if self._is_configured(fault.machine):
                    self._as_root_or_anew(fault.machine, clock_script())
            case CableFault():
                self.lab.set_cable(fault.machine, fault.slot, True)
            case ImpairFault():
                lines.impair(self.lab, fault.machine, fault.slot, Impairment(), self._as_root_or_anew)
            case PartitionFault() if self.moved:
                lines.join_all(self.lab, self._as_root_or_anew)
            case PartitionFault():
                lines.cut(self.lab, fault.network, (), self._as_root_or_anew)
            case ClockFault():
                self._as_root_or_anew(fault.machine, _undoing(fault))
            case ServiceFault() | DiskFault() | PulledDiskFault() | CommandFault():
                if not self._as_root_or_anew(fault.machine, _undoing(fault)):
                    self._as_root(fault.machine, _undoing(fault))
            case _:
                pass

    def _as_root_or_anew(self, machine: str, script: str) -> bool:
        """Run a script that a boot makes needless; start the machine anew where it is not run, and tell by False."""
        if self.lab.power(machine) is PowerState.SAVED:  # somebody's doing, and what its memory holds is his
            self.lab.start(machine, wait=True)
        try:
            self._as_root(machine, script)
        except (GuestError, WaitTimeout):
            self._power_cycle(machine)
            return False
        return True

    def _power_cycle(self, machine: str) -> None:
        """Start a machine anew whose guest is not reached any more. One that is not ours is left alone."""
        if self._is_adopted(machine):
            raise GuestError(
                _("{machine} cannot be reached, and is not vboxlab's to power off").format(machine=machine),
                resolution=_("start it anew by hand"),
            )
        if self.lab.power(machine) is not PowerState.OFF:
            self.lab.power_off(machine)
        self.lab.start(machine, wait=True)

    def _as_root(self, machine: str, script: str) -> None:
        done = self.lab.executor(machine).run(script, root=True, timeout=60.0 * self.time_scale)
        if done.exit_code:
            failed = _("{machine}: {command} failed").format(machine=machine, command=script.splitlines()[-1])
            raise GuestError(failed, details=[done.stderr.strip()])

    def _reboot(self, fault: RebootFault, *, wait: bool) -> float:
        """Reboot from within and return the moment when it was asked for."""
        executor = self.lab.executor(fault.machine)
        deadline = Deadline.after(fault.within * self.time_scale)
        self.boots[fault.machine] = executor.run(BOOT_ID_SCRIPT).stdout.strip()
        before = time.monotonic()
        with suppress(GuestError, WaitTimeout):  # the connection goes down with the machine
            executor.run("systemctl reboot", root=True, timeout=15.0 * self.time_scale)
        executor.close()
        if wait:
            self._await_boot(fault.machine, deadline)
        return before

    def _await_boot(self, machine: str, deadline: Deadline) -> None:
        booted = partial(_booted_anew, self.lab.executor(machine), self.boots[machine])
        wait_until(booted, deadline, what=_("the reboot of {machine}").format(machine=machine), every=1.0)

    def await_all(self, made: Sequence[Fault]) -> None:
        """Wait for the machines that some faults have started or rebooted, but for those that others stopped since."""
        for fault in made:
            if any(self.is_off(machine) or self.is_paused(machine) for machine in fault.machines):
                continue
            if isinstance(fault, RebootFault):
                self._await_boot(fault.machine, Deadline.after(fault.within * self.time_scale))
            elif isinstance(fault, StartFault | PauseFault) and fault.ends:
                self.lab.start(fault.machine, wait=True)


def clock_script() -> str:
    """Return what sets a guest's clock by this computer's."""
    return f"date -s @{time.time():.3f}"


def _script(fault: InGuest) -> str:
    """Return what makes the trouble in the guest."""
    match fault:
        case ServiceFault():
            signal = {"kill-service": "KILL", "hang-service": "STOP", "continue-service": "CONT"}.get(fault.fault)
            if signal is None:
                return shlex.join(["systemctl", fault.fault.removesuffix("-service"), "--", fault.service])
            return shlex.join(["systemctl", "kill", f"--signal={signal}", "--", fault.service])
        case ClockFault():
            return f'date -s "@$(($(date +%s) + ({fault.seconds})))"'
        case DiskFault():
            folder, file = shlex.quote(fault.path), shlex.quote(f"{fault.path.rstrip('/')}/{FILLING}")
            free = f"free=$(($(stat -f -c %f -- {folder}) * $(stat -f -c %S -- {folder}) / 100))"
            # All at once is faster, as far as the file system's own needs let it; the rest is written to the last byte.
            most = f"for share in 100 99 97 90; do fallocate -l $((free * share)) -- {file} 2>/dev/null && break; done"
            return f"{free}\n{most}\ncat /dev/zero >> {file} 2>/dev/null || true\ntest -s {file}"
        case PulledDiskFault():
            return _pulling(fault) if fault.fault == "disk-out" else _putting_back(fault)
        case CommandFault():
            return shlex.join(fault.run)


def _undoing(fault: InGuest) -> str:
    """Return what undoes it."""
    match fault:
        case ServiceFault() if fault.fault == "hang-service":
            return shlex.join(["systemctl", "kill", "--signal=CONT", "--", fault.service])
        case ServiceFault():
            return shlex.join(["systemctl", "start", "--", fault.service])
        case ClockFault():
            return clock_script()  # right also where a boot or a snapshot has undone it meanwhile
        case DiskFault():
            return shlex.join(["rm", "-f", "--", f"{fault.path.rstrip('/')}/{FILLING}"])
        case PulledDiskFault():
            return _putting_back(fault)
        case CommandFault():
            return shlex.join(fault.undo)


def _pulling(fault: PulledDiskFault) -> str:
    """Return what takes a disk away from the guest's kernel, as the disk's end does (Linux, sysfs: device/delete)."""
    link = shlex.quote(guest_path(fault.disk))
    out = 'echo 1 > "/sys/block/${disk##*/}/device/delete"'
    return f"disk=$(readlink -e -- {link}) || exit 1\n{out}\nudevadm settle --timeout=30\ntest ! -e {link}"


def _putting_back(fault: PulledDiskFault) -> str:
    """Return what lets the guest's kernel look for disks on all ports (Linux, sysfs: scsi_host/scan)."""
    link = shlex.quote(guest_path(fault.disk))
    look = "for port in /sys/class/scsi_host/host*/scan; do echo '- - -' > \"$port\"; done"
    return f"{look}\nudevadm settle --timeout=30 --exit-if-exists={link}\ntest -e {link}"


def _booted_anew(executor: Executor, former: str) -> bool:
    try:
        boot = executor.run(BOOT_ID_SCRIPT, timeout=10.0).stdout.strip()
    except (GuestError, WaitTimeout):
        executor.close()
        return False
    return boot not in ("", former)
