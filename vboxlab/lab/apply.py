"""Doing the actions of a plan: each step of the plan to its effect."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import field, replace

from vboxlab.errors import VboxlabError
from vboxlab.events import Note
from vboxlab.guest.role_registry import resources_for
from vboxlab.lab.clock import set_clock
from vboxlab.lab.context import Context, ImageKey
from vboxlab.lab.desire import digest_of, package_sets
from vboxlab.lab.engine import Reporter
from vboxlab.lab.journal import finish_restore, restore_on
from vboxlab.lab.snapshot_sets import take_on
from vboxlab.language import C_, _, n_
from vboxlab.lazily import dataclass
from vboxlab.planning import actions as act
from vboxlab.planning.desired import Desired
from vboxlab.planning.machine import BEFORE_STAGES
from vboxlab.planning.observed import (
    HELD,
    MARK_CONTACTED,
    MARK_DESIRED,
    MARK_INTRODUCED,
    MARK_ORIGIN,
    MARK_STAGE,
    MARK_TOPOLOGY,
    ObservedLab,
    ObservedMachine,
    PowerOffHow,
)
from vboxlab.topology.addressing import LabName
from vboxlab.topology.model import Machine

GRACEFUL_SECONDS = 60.0
CONSOLE_LINES = 16  # of a machine in trouble: what went wrong comes before the words of an emergency shell


@dataclass
class Applier:
    """Performs the steps of one plan. Safe to call from several threads for different machines."""

    context: Context
    lab: LabName
    desired: Desired
    observed: ObservedLab
    gui: bool = False
    changed: list[str] = field(default_factory=list)  # machines whose recheck repaired something
    _handles: dict[str, str] = field(default_factory=dict)
    _no_image: dict[ImageKey, VboxlabError] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        self._handles.update({name: machine.handle for name, machine in self.observed.machines.items()})

    def __call__(self, action: act.Action, report: Reporter) -> str:
        """Perform one action and return what came out of it, in a few words."""
        match action.step:
            case act.Create(machine=name):
                return self._create(name, report)
            case act.Introduce(machine=name):
                return self._introduce(name, report)
            case act.Contact(machine=name):
                return self._contact(name, report)
            case act.Configure(machine=name, stage=stage):
                return self._configure(name, stage)
            case act.Recheck(machine=name, stage=stage) | act.Repair(machine=name, stage=stage):
                return self._recheck(name, stage)
            case act.PowerOff(machine=name, how=how):
                return self._power_off(name, how)
            case act.TakeSnapshots(machines=names, snapshot=snapshot):
                take_on(self.context.driver, {name: self._inspect(name) for name in names}, snapshot)
            case act.RestoreSnapshots(machines=names, snapshot=snapshot):
                return self._restore(names, snapshot)
            case act.FinishRestore(machines=names):
                return self._finish_restore(names)
            case act.CheckAdopted(machine=name):
                # A machine of ours that it took the place of may be there still, switched off.
                self.context.driver.start(self.observed.adopted[name].handle)
            case act.RemoveLeftovers():
                return ", ".join(self.context.driver.collect_garbage(self.lab)) or C_("leftovers", "gone already")
            case step:
                self._change_hardware(step)
        return ""

    def _change_hardware(
        self,
        step: act.SetAdapters | act.SetHardware | act.AddDisks | act.SetDvd | act.Start | act.Resume | act.SetMarks,
    ) -> None:
        driver, handle = self.context.driver, self._handles[step.machine]
        match step:
            case act.SetAdapters(adapters=adapters):
                driver.set_adapters(handle, adapters)
            case act.SetHardware(cpus=cpus, memory=memory):
                driver.set_hardware(handle, cpus=cpus, memory=memory)
            case act.AddDisks(disks=disks):
                driver.add_disks(handle, disks)
            case act.SetDvd(dvd=dvd):
                driver.set_dvd(handle, dvd)
            case act.Start() | act.Resume():
                driver.start(handle, gui=self.gui)
            case act.SetMarks(marks=marks):
                driver.set_marks(handle, marks)

    def _machine(self, name: str) -> Machine:
        return self.desired.topology.machines[name]

    def _base_name(self, name: str) -> str:
        return self._machine(name).base or self.desired.topology.base

    def _inspect(self, name: str) -> ObservedMachine:
        return self.context.driver.inspect(self._handles[name])

    def _create(self, name: str, report: Reporter) -> str:
        wanted = package_sets(self.desired.topology, self._machine(name), self.desired.snapshot_members)
        image = self._image((self._base_name(name), wanted.image, wanted.offered), report)
        marks = {key: value for key, value in self.desired.marks.items() if value and key != MARK_TOPOLOGY}
        marks[MARK_ORIGIN] = self.desired.topology.name
        spec = self.desired.machines[name].spec(self.desired.naming.names, marks)
        created = self.context.driver.create(replace(spec, image=image), report)
        if self.context.listing is not None:
            self.context.listing.add(created)
        with self._lock:
            self._handles[name] = created.handle
        if disks := self.desired.machines[name].disks:
            self.context.driver.add_disks(created.handle, disks, report)
        return _("from {image}").format(image=image)

    def _image(self, wanted: ImageKey, report: Reporter) -> str:
        """Return the image with those packages; one that could not be made is not tried again for the next machine."""
        bases, images, driver = self.context.bases, self.context.images, self.context.driver
        base, packages, offered = wanted
        if wanted in self._no_image:
            raise self._no_image[wanted]
        try:
            if wanted not in images:
                found = bases.get(base)
                images[wanted] = bases.ensure_image(driver, found, packages, progress=report, offered=offered)
        except VboxlabError as error:
            self._no_image[wanted] = error
            raise
        return images[wanted]

    def _introduce(self, name: str, report: Reporter) -> str:
        machine = self._inspect(name)
        base = self.context.bases.get(self._base_name(name))
        directory = self.context.directory(self.lab)
        with self._showing_console(machine):
            said = self.context.guests.introduce(directory, machine, base, report=lambda text: report(text, None))
        self.context.driver.set_marks(machine.handle, {MARK_INTRODUCED: "yes"})
        return said

    @contextmanager
    def _showing_console(self, machine: ObservedMachine) -> Iterator[None]:
        """Add the last lines of the machine's console to an error."""
        try:
            yield
        except VboxlabError as error:
            tail = self.context.driver.console_tail(machine.handle, CONSOLE_LINES)
            if tail:
                error.details = (*error.details, _("last lines of its console:"), *tail.splitlines())
            raise

    def _contact(self, name: str, report: Reporter) -> str:
        machine = self._inspect(name)
        first = MARK_CONTACTED not in machine.marks
        base = self.context.bases.get(self._base_name(name))
        directory = self.context.directory(self.lab)
        with self._showing_console(machine):
            self.context.guests.contact(directory, machine, base, first=first, report=lambda text: report(text, None))
        known = self.observed.machines.get(name)
        if known is not None and known.power in HELD:
            set_clock(self.context, self.lab, machine, base)
        if first:
            self.context.driver.set_marks(machine.handle, {MARK_CONTACTED: "yes"})
            return _("first contact, identity reset")
        return ""

    def _run_configurator(self, name: str, stage: str | None) -> tuple[ObservedMachine, str, bool]:
        topology, machine = self.desired.topology, self._machine(name)
        observed = self._inspect(name)
        report = self.context.guests.configure(
            self.context.directory(self.lab),
            observed,
            self.context.bases.get(self._base_name(name)),
            resources_for(topology, machine, stage),
            changes=True,
            installed=self.context.bases.packages_of(observed.image),
            fresh=self._is_fresh(name),
        )
        for kept in report.kept:
            text = _("{subject}: {problem}").format(subject=name, problem=kept)
            self.context.events(Note(text, level="warning"))
        return observed, report.summary, bool(report.changed)

    def _is_fresh(self, name: str) -> bool:
        """Tell whether nobody can have worked in the guest: it was made in this run, or never reached before."""
        known = self.observed.machines.get(name)
        return known is None or MARK_CONTACTED not in known.marks

    def _configure(self, name: str, stage: str | None) -> str:
        observed, summary, _changed = self._run_configurator(name, stage)
        marks: Mapping[str, str | None] = {
            **self.desired.marks,
            MARK_STAGE: stage or BEFORE_STAGES,
            MARK_DESIRED: digest_of(self.desired.topology, self._machine(name), stage),
        }
        self.context.driver.set_marks(observed.handle, marks)
        return summary

    def _recheck(self, name: str, stage: str | None) -> str:
        _observed, summary, changed = self._run_configurator(name, stage)
        if changed:
            with self._lock:
                self.changed.append(name)
        return summary

    def _power_off(self, name: str, how: PowerOffHow) -> str:
        machine = self._inspect(name)
        self.context.guests.forget(machine)
        by_itself = self.context.driver.power_off(machine.handle, how, timeout=GRACEFUL_SECONDS)
        if how == "graceful" and not by_itself:
            return _("did not end within {seconds:.0f} s, plug pulled").format(seconds=GRACEFUL_SECONDS)
        return ""

    def _restore(self, names: Sequence[str], snapshot: str) -> str:
        machines = {name: self._inspect(name) for name in names}
        for machine in machines.values():
            self.context.guests.forget(machine)
        restore_on(self.context.driver, self.context.directory(self.lab), machines, snapshot)
        self._discard_memory(names)
        return _machines(len(machines))

    def _finish_restore(self, names: Sequence[str]) -> str:
        assert self.observed.pending is not None  # noqa: S101 -- the action is planned of it
        finish_restore(
            self.context.driver, self.context.directory(self.lab), self.observed, self.observed.pending
        )  # fmt: skip
        self._discard_memory(names)
        return _machines(len(names))

    def _discard_memory(self, names: Sequence[str]) -> None:
        """Switch restored machines off: what follows changes adapters, which a live snapshot's memory would not fit."""
        for name in names:
            self.context.driver.power_off(self._handles[name], "hard")


def _machines(count: int) -> str:
    return n_("{count} machines", "{count} machines", count).format(count=count)
