"""The host of the memory driver: machines that are values, and the faults that a test has prepared for its callers."""

from __future__ import annotations

import itertools
import secrets
import threading
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import field, replace
from datetime import UTC, datetime
from pathlib import Path

from vboxlab.errors import DriverError, VboxlabError
from vboxlab.hypervisor.driver import Stray, Work
from vboxlab.hypervisor.virtualbox.worker.media import Medium
from vboxlab.language import _
from vboxlab.lazily import dataclass
from vboxlab.planning.observed import AdapterState, Impairment, ObservedMachine, PowerState, SnapshotState
from vboxlab.topology.addressing import LabName


class Crash(BaseException):
    """Stands for kill -9 of the process that made the call: no error handler of ours may catch it."""


@dataclass(frozen=True)
class Image:
    """An image: the disk of ours that it depends on, if it is not a copy, and what it is an overlay of.

    Or the foreign VM that it refers to.
    """

    disk: Path | None
    parent: str | None
    size: int = 0  # bytes
    vm: str = ""  # handle of a VM that is none of ours

    @property
    def exists(self) -> bool:
        """Tell whether what it depends on is there."""
        return self.disk is None or self.disk.is_file()


@dataclass
class MemoryStore:
    """One host with its machines and images, and the faults that wait on it."""

    machines: dict[str, ObservedMachine] = field(default_factory=dict)
    images: dict[str, Image] = field(default_factory=dict)
    held: dict[tuple[str, str], ObservedMachine] = field(default_factory=dict)  # by handle and snapshot's id
    contents: dict[tuple[str, str], str] = field(default_factory=dict)  # of disks, by handle and name
    shared: dict[tuple[str, str], str] = field(default_factory=dict)  # of shared disks, by lab and name
    held_contents: dict[tuple[str, str], dict[str, str]] = field(default_factory=dict)  # of own disks, as held is
    leftovers: list[tuple[str, LabName | None]] = field(default_factory=list)
    strays: list[tuple[Stray, LabName | None]] = field(default_factory=list)
    media: dict[str, tuple[Medium, ...]] = field(default_factory=dict)  # of foreign VMs, by handle
    subnets: dict[str, str] = field(default_factory=dict)  # of the host's networks, by the words of an attachment
    calls: list[tuple[str, str]] = field(default_factory=list)  # (call, machine or image), in order
    discarded: list[str] = field(default_factory=list)  # machines whose saved state a power-off threw away, in order
    deaf: set[str] = field(default_factory=set)  # names of machines whose guests ignore the power button
    taken_ports: set[int] = field(default_factory=set)  # of 127.0.0.1, by other programs
    consoles: dict[str, str] = field(default_factory=dict)  # by machine name
    work: dict[str, Work] = field(default_factory=dict)  # of running machines, by name
    impairments: dict[tuple[str, int], Impairment] = field(default_factory=dict)  # by handle and slot
    groups: dict[tuple[str, int], frozenset[int]] = field(default_factory=dict)  # by handle and slot
    guard: threading.RLock = field(default_factory=threading.RLock)
    _errors: dict[str, list[VboxlabError]] = field(default_factory=lambda: defaultdict(list))
    _crashes: dict[str, tuple[int, bool]] = field(default_factory=dict)  # call -> (calls left, after the effect)
    _handles: Iterator[int] = field(default_factory=lambda: itertools.count(1))
    _changes: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def fail(self, call: str, times: int = 1, error: VboxlabError | None = None) -> None:
        """Make the next calls of that name fail, having changed nothing."""
        self._errors[call] += [error or DriverError(f"{call} was made to fail")] * times

    def crash_after(self, call: str, n: int = 1) -> None:
        """Kill the caller right after the n-th call of that name from now has taken effect."""
        self._crashes[call] = (n, True)

    def crash_during(self, call: str, n: int = 1) -> None:
        """Kill the caller in the middle of the n-th call of that name from now: it leaves a trace, but no effect."""
        self._crashes[call] = (n, False)

    def add_foreign(
        self,
        name: str,
        *,
        power: PowerState = PowerState.OFF,
        adapters: tuple[AdapterState, ...] = (),
        media: tuple[Medium, ...] = (),
    ) -> ObservedMachine:
        """Put a VM on the host that is none of ours."""
        machine = ObservedMachine(self.new_handle(), name, power, 1, 512, "", adapters)
        self.machines[machine.handle] = machine
        self.media[machine.handle] = media
        return machine

    def switch(self, handle: str, power: PowerState) -> None:
        """Start or stop a VM, as its driver, its guest or somebody else does; no-op when it is so already."""
        machine = self.machines[handle]
        was_up, up = (state in (PowerState.RUNNING, PowerState.PAUSED) for state in (machine.power, power))
        self.machines[handle] = replace(
            machine,
            power=power,
            untouched=machine.untouched and power is machine.power,
            last_power_change=machine.last_power_change if up is was_up else f"{power.value} {next(self._changes)}",
        )

    def work_of(self, machine: ObservedMachine) -> Work | None:
        """Return what a test said of a running machine's work, else that there was none."""
        if machine.power is not PowerState.RUNNING:
            return None
        return self.work.get(machine.name, Work(0.0, 0.0, len(self.consoles.get(machine.name, "").encode())))

    def take(self, handle: str, name: str, description: str = "") -> None:
        """Take a snapshot of a VM, also of a name that it has already, as somebody else may."""
        machine = self.machines[handle]
        live = machine.power in (PowerState.RUNNING, PowerState.PAUSED)
        taken_at = datetime.now(UTC).isoformat(timespec="seconds")
        identifier = secrets.token_hex(8)
        taken = SnapshotState(name, machine.current_snapshot, taken_at, live, description, identifier)
        self.held[handle, identifier] = machine
        self.held_contents[handle, identifier] = self._contents_of(handle)
        self.machines[handle] = replace(
            machine, snapshots=(*machine.snapshots, taken), current_snapshot=identifier, untouched=not live
        )

    def bring_back(self, machine: ObservedMachine, snapshot: SnapshotState) -> None:
        """Make a VM what a snapshot of it holds."""
        held = self.held[machine.handle, snapshot.id]
        self._bring_disks_back(machine, self.held_contents.get((machine.handle, snapshot.id), {}))
        self.machines[machine.handle] = replace(
            machine,
            power=PowerState.SAVED if snapshot.live else PowerState.OFF,
            cpus=held.cpus,
            memory=held.memory,
            adapters=held.adapters,
            marks=held.marks,
            disks=held.disks,
            dvd=held.dvd,
            current_snapshot=snapshot.id,
            untouched=not snapshot.live,
        )

    def _contents_of(self, handle: str) -> dict[str, str]:
        return {name: text for (owner, name), text in self.contents.items() if owner == handle}

    def _bring_disks_back(self, machine: ObservedMachine, contents: dict[str, str]) -> None:
        """Bring contents back; disks that the snapshot does not know of are put aside as somebody's."""
        for name in self._contents_of(machine.handle):
            del self.contents[machine.handle, name]
            if name not in contents:
                self.put_stray(machine, f"{name}.disk")
        self.contents.update({(machine.handle, name): text for name, text in contents.items()})

    def remove(self, machine: ObservedMachine) -> None:
        """Remove a VM with its snapshots and disks, and with a lab's last one what its machines shared."""
        for snapshot in machine.snapshots:
            del self.held[machine.handle, snapshot.id]
            self.held_contents.pop((machine.handle, snapshot.id), None)
        for name in self._contents_of(machine.handle):
            del self.contents[machine.handle, name]
        del self.machines[machine.handle]
        if all(other.lab != machine.lab for other in self.machines.values()):
            for lab, name in [key for key in self.shared if key[0] == str(machine.lab)]:
                del self.shared[lab, name]

    def drop(self, machine: ObservedMachine, snapshot: SnapshotState) -> None:
        """Remove a snapshot of a VM; its children get its parent."""
        kept = tuple(
            replace(other, parent=snapshot.parent) if other.parent == snapshot.id else other
            for other in machine.snapshots
            if other is not snapshot
        )
        current = snapshot.parent if machine.current_snapshot == snapshot.id else machine.current_snapshot
        untouched = machine.untouched and current == machine.current_snapshot
        del self.held[machine.handle, snapshot.id]
        self.held_contents.pop((machine.handle, snapshot.id), None)
        self.machines[machine.handle] = replace(machine, snapshots=kept, current_snapshot=current, untouched=untouched)

    def put_stray(self, machine: ObservedMachine, name: str, size: int = 0) -> Stray:
        """Put a disk of somebody's into a machine's folder."""
        stray = Stray(Path("/memory", machine.name, name), size, f"in the folder of {machine.name}")
        self.strays.append((stray, machine.lab))
        return stray

    def check_ports(self, machine: ObservedMachine, adapters: Sequence[AdapterState]) -> None:
        """Raise DriverError when another program or machine has a port that a machine's adapters forward."""
        others = (
            other
            for other in self.machines.values()
            if other.handle != machine.handle and other.power is PowerState.RUNNING
        )
        taken = self.taken_ports | {port for other in others for port in _ports(other.adapters)}
        for port in _ports(adapters):
            if port in taken:
                raise DriverError(_("port {port} of 127.0.0.1 is taken by another program").format(port=port))

    def new_handle(self) -> str:
        """Return a handle that no machine has had."""
        return f"memory-{next(self._handles)}"

    @contextmanager
    def call(self, name: str, subject: str, lab: LabName | None = None) -> Iterator[None]:
        """Record a call and let it run, unless a fault waits for it."""
        with self.guard:
            self.calls.append((name, subject))
            if self._errors[name]:
                raise self._errors[name].pop(0)
            left, after = self._crashes.pop(name, (0, True))
            if left > 1:
                self._crashes[name] = (left - 1, after)
            if left == 1 and not after:
                self.leftovers.append((f"interrupted {name} of {subject}", lab))
                raise Crash(f"killed during {name}")
            yield
            if left == 1:
                raise Crash(f"killed after {name}")


def _ports(adapters: Sequence[AdapterState]) -> list[int]:
    return [forward.host_port for adapter in adapters for forward in adapter.attachment.forwards]


_STORES: dict[Path, MemoryStore] = {}


def store_of(home: Path) -> MemoryStore:
    """Return the host that belongs to a vboxlab home, for as long as this process lives."""
    return _STORES.setdefault(home.resolve(), MemoryStore())
