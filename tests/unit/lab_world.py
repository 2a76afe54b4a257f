"""A host for tests of the lab layer: the memory driver, bases that need no building, guests that are records."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from vboxlab.base.archives import PackageArchives
from vboxlab.base.delta import PackageDelta
from vboxlab.base.model import Base, Login, Wanted
from vboxlab.errors import BaseError, GuestError, UsageError
from vboxlab.events import Event
from vboxlab.guest.configurator import ResourceResult, StageReport, Status
from vboxlab.guest.executor import Completed, Executor
from vboxlab.guest.recording import RecordingExecutor
from vboxlab.guest.resources import Resource
from vboxlab.hypervisor.driver import Driver, Progress, no_progress
from vboxlab.hypervisor.memory import MemoryDriver, MemoryStore
from vboxlab.lab.context import Context
from vboxlab.lab.directory import LabDirectory
from vboxlab.lab.guests import Report
from vboxlab.lab.observe import observe
from vboxlab.lab.planned import Blueprint, make_plan
from vboxlab.lab.up import UpResult, up
from vboxlab.planning.actions import Plan
from vboxlab.planning.observed import ObservedMachine, PowerState
from vboxlab.settings import Settings
from vboxlab.topology.addressing import LabName
from vboxlab.topology.loader import load_snapshot_set, load_topology

ROOT = Path(__file__).parents[2]
LAB = LabName("ha")
GUEST = "guest"  # a mark that only these tests know: what is on the guest's disk, so that snapshots hold it too


@dataclass
class InstantBases:
    """Bases that exist but for the `missing`; images are made at once.

    `asked` keeps every set of packages that an image was wanted with.
    """

    disk: Path
    asked: list[tuple[str, tuple[str, ...]]] = field(default_factory=list)
    missing: set[str] = field(default_factory=set)
    stock: set[str] = field(default_factory=set)  # bases whose guests know nothing of vboxlab
    outdated: set[str] = field(default_factory=set)  # bases of an older recipe
    built: list[tuple[str, tuple[Wanted, ...]]] = field(default_factory=list)
    offered: list[tuple[str, tuple[str, ...]]] = field(default_factory=list)

    def get(self, name: str) -> Base:
        if name in self.missing:
            raise BaseError(f"base {name} is not built yet", resolution=f"vboxlab base build {name}")
        stock = name in self.stock
        return Base(
            name, Login("root"), name, prepared=not stock, digest="0", stock=stock, current=name not in self.outdated
        )

    def can_build(self, name: str) -> bool:
        return name in self.missing | self.outdated

    def build(self, name: str, progress: Progress = no_progress, *, layers: Sequence[Wanted] = ()) -> Base:
        self.missing.discard(name)
        self.outdated.discard(name)
        self.built.append((name, tuple(layers)))
        return self.get(name)

    def need_image(self, driver: Driver, base: Base) -> None:
        pass

    def ensure_image(
        self,
        driver: Driver,
        base: Base,
        packages: tuple[str, ...],
        later: tuple[str, ...] = (),
        progress: Progress = no_progress,
        *,
        offered: tuple[str, ...] = (),
    ) -> str:
        self.asked.append((base.name, packages))
        if offered:
            self.offered.append((base.name, offered))
        name = "+".join((base.image, *packages)) if base.prepared else base.image
        name = f"{name} offering {' '.join(offered)}" if offered and base.prepared else name
        driver.import_image(name, self.disk, ours=True)
        return name

    def package_delta(
        self, base: Base, before: tuple[str, ...], after: tuple[str, ...], progress: Progress = no_progress
    ) -> PackageDelta | None:
        return None

    def packages_of(self, image: str) -> tuple[str, ...]:
        return tuple(image.partition(" ")[0].split("+")[1:])

    def package_archives(
        self, base: Base, status: bytes, packages: tuple[str, ...], progress: Progress = no_progress
    ) -> PackageArchives | None:
        return None


@dataclass
class RecordedGuests:
    """Guests without a machine inside: what is configured is kept with the machine, and so by its snapshots.

    `failing` maps a machine's name to how often configuring it shall fail, `silent` to how often it shall not answer,
    `unmet` to how often it shall not answer when it is introduced.
    """

    store: MemoryStore
    calls: list[tuple[str, str]] = field(default_factory=list)
    failing: dict[str, int] = field(default_factory=dict)
    silent: dict[str, int] = field(default_factory=dict)
    unmet: dict[str, int] = field(default_factory=dict)
    written: set[str] = field(default_factory=set)  # contents that are ours
    scripts: list[tuple[str, str, bool]] = field(default_factory=list)  # machine, script, as root
    installed: dict[str, tuple[str, ...]] = field(default_factory=dict)  # what a machine's image was said to come with
    on_configure: Callable[[str], None] = lambda _machine: None
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def introduce(self, directory: LabDirectory, machine: ObservedMachine, base: Base, *, report: Report) -> str:
        self._answer(machine, self.unmet)
        first, management = self._now(machine).adapter(1), self._now(machine).adapter(8)
        assert first is not None
        assert management is not None
        assert [forward.guest_port for forward in first.attachment.forwards] == [22]
        assert management.attachment.forwards == ()
        self._record("introduce", machine)
        return "management address"

    def contact(
        self, directory: LabDirectory, machine: ObservedMachine, base: Base, *, first: bool, report: Report
    ) -> None:
        self._answer(machine, self.silent)
        self._record("first contact" if first else "contact", machine)

    def await_server(
        self, directory: LabDirectory, machine: ObservedMachine, base: Base, *, seconds: float | None = None
    ) -> bool:
        try:
            self.contact(directory, machine, base, first=False, report=lambda _text: None)
        except GuestError:
            return False
        return True

    def configure(
        self,
        directory: LabDirectory,
        machine: ObservedMachine,
        base: Base,
        resources: Sequence[Resource],
        *,
        changes: bool,
        installed: tuple[str, ...],
        fresh: bool = False,
    ) -> StageReport:
        self._reach(machine)
        self._record("configure", machine)
        self.installed[machine.machine] = installed
        self.on_configure(machine.machine)
        if self.failing.get(machine.machine, 0) > 0:
            self.failing[machine.machine] -= 1
            raise GuestError(f"{machine.machine}: file:/etc/motd failed", details=["disk full"], resolution="make room")
        wanted = hashlib.sha256(repr(resources).encode()).hexdigest()
        found = self._now(machine).marks.get(GUEST)
        same = found == wanted
        self.written.add(wanted)
        if changes:
            self.write(machine.handle, wanted)
        kept = () if fresh or found in (None, *self.written) else ("/etc/motd",)
        status: Status = "unchanged" if same else "changed" if changes else "would-change"
        return StageReport(machine.machine, (ResourceResult("everything", status, found or "nothing there"),), kept)

    def executor(self, directory: LabDirectory, machine: ObservedMachine, base: Base) -> Executor:
        def answer(script: str, _stdin: bytes) -> Completed:
            self._reach(machine)
            self.scripts.append((machine.name, script, True))
            return Completed(0, "", "")

        return RecordingExecutor(machine.machine, [("", answer)])

    def forget(self, machine: ObservedMachine) -> None:
        self._record("forget", machine)

    def write(self, handle: str, content: str) -> None:
        """Change what is on a guest's disk."""
        with self.store.guard:
            machine = self.store.machines[handle]
            self.store.machines[handle] = replace(machine, marks={**machine.marks, GUEST: content})

    def _now(self, machine: ObservedMachine) -> ObservedMachine:
        return self.store.machines[machine.handle]

    def _reach(self, machine: ObservedMachine) -> None:
        if self._now(machine).power is not PowerState.RUNNING:
            raise GuestError(f"{machine.machine} does not answer: it is {self._now(machine).power.value}")

    def _answer(self, machine: ObservedMachine, silent: dict[str, int]) -> None:
        self._reach(machine)
        if silent.get(machine.machine, 0) > 0:
            silent[machine.machine] -= 1
            raise GuestError(f"{machine.machine}: no SSH server answers in the guest")

    def _record(self, call: str, machine: ObservedMachine) -> None:
        with self._lock:
            self.calls.append((call, machine.machine))


class LabWorld:
    """One host and user: `context` is what a new vboxlab process would work with."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.store = MemoryStore()
        self.driver = MemoryDriver(self.store)
        disk = home / "disk.qcow2"
        home.mkdir(parents=True, exist_ok=True)
        disk.write_bytes(b"")
        self.bases = InstantBases(disk)
        self.guests = RecordedGuests(self.store)
        self.events: list[Event] = []
        self.asked: list[tuple[LabName, str]] = []  # what was asked before work was thrown away
        self.declines = False
        self.context = self.new_context()

    def new_context(self) -> Context:
        settings = Settings(home=self.home, driver="memory")
        return Context(self.driver, self.bases, self.guests, settings, self.events.append, confirm=self._agree)

    def _agree(self, lab: LabName, question: str) -> None:
        self.asked.append((lab, question))
        if self.declines:
            raise UsageError("declined")

    def blueprint(self, name: str = "failover", values: Mapping[str, str] | None = None) -> Blueprint:
        topology = load_topology(ROOT / "topologies" / f"{name}.yaml", values or {})
        sets = [load_snapshot_set(ROOT / "snapshots" / "apache-base.yaml")]
        return Blueprint(topology, sets, self.blueprint)

    def up(self, name: str = "failover", lab: LabName = LAB, *, until: str | None = None, jobs: int = 4) -> UpResult:
        return up(self.context, self.blueprint(name), lab, until=until, jobs=jobs)

    def plan(self, name: str = "failover", lab: LabName = LAB) -> Plan:
        return make_plan(self.context, self.blueprint(name), lab, look=True)[0]

    def machine(self, name: str, lab: LabName = LAB) -> ObservedMachine:
        return observe(self.driver, lab).machines[name]

    def machines(self, lab: LabName = LAB) -> Mapping[str, ObservedMachine]:
        return observe(self.driver, lab).machines

    def powers(self, lab: LabName = LAB) -> dict[str, str]:
        return {name: machine.power.value for name, machine in sorted(self.machines(lab).items())}

    def damage(self, name: str, lab: LabName = LAB) -> None:
        """Do what a student's slip does to a guest."""
        self.guests.write(self.machine(name, lab).handle, "broken")

    def count(self, call: str) -> int:
        """Return how often the driver got a call."""
        return sum(name == call for name, _ in self.store.calls)

    def texts(self) -> list[str]:
        """Return the notes that were shown."""
        return [event.text for event in self.events if hasattr(event, "text")]
