"""The lab under test, for real: over the driver and SSH."""

from __future__ import annotations

import threading
from collections.abc import Collection, Mapping, Sequence, Set
from contextlib import closing
from pathlib import Path

from vboxlab.base.model import Base
from vboxlab.errors import CapabilityMissing, InfrastructureTrouble, LabError, said_by_system
from vboxlab.events import Note
from vboxlab.files import write_durably
from vboxlab.guest.executor import Executor
from vboxlab.lab.context import Context
from vboxlab.lab.journal import pending_restore, record_progress
from vboxlab.lab.observe import observe
from vboxlab.lab.pending_faults import PendingFault, read_faults, write_faults
from vboxlab.language import C_, _
from vboxlab.planning.observed import MARK_CONTACTED, Impairment, ObservedMachine, PowerState
from vboxlab.topology.addressing import LabName
from vboxlab.topology.faults import (
    ClockFault,
    CommandFault,
    DiskFault,
    Fault,
    ImpairFault,
    PartitionFault,
    ServiceFault,
    fault_of,
)
from vboxlab.topology.model import Topology
from vboxlab.verification.faults import Faults, Keep
from vboxlab.verification.history import ENDING
from vboxlab.verification.recorder import Recorder
from vboxlab.verification.report import Report, render_json
from vboxlab.verification.runner import new_run, run_scenario


class LiveLab:
    """A lab that is up, as vboxlab.verification.subject.LabUnderTest wants it."""

    def __init__(self, context: Context, lab: LabName, topology: Topology) -> None:
        self._context = context
        self._lab = lab
        self._topology = topology
        self._executors: dict[str, Executor] = {}
        self._lock = threading.Lock()
        observed = observe(context.driver, lab, topology)
        self._own = {name: machine.handle for name, machine in observed.machines.items()}
        self._handles = {name: machine.handle for name, machine in {**observed.machines, **observed.adopted}.items()}

    @property
    def name(self) -> LabName:
        """Return which lab and copy it is."""
        return self._lab

    @property
    def topology(self) -> Topology:
        """Return the topology that it is in, with the parameters in force."""
        return self._topology

    @property
    def driver(self) -> str:
        """Return the driver's name, for the report."""
        return self._context.driver.name

    @property
    def is_accelerated(self) -> bool:
        """Tell whether its guests run on hardware virtualisation."""
        return self._context.driver.capabilities.accelerated

    @property
    def driver_version(self) -> str:
        """Return the hypervisor's version, for the report."""
        return self._context.driver.version

    def executor(self, machine: str) -> Executor:
        """Return the way into a machine, the same one for the same machine. Raises CapabilityMissing."""
        if not self._topology.machines[machine].configured:
            raise CapabilityMissing(_("{machine} is left alone, so there is no way in").format(machine=machine))
        with self._lock:
            if machine not in self._executors:
                directory = self._context.directory(self._lab)
                self._executors[machine] = self._context.guests.executor(
                    directory, self._inspect(machine), self._base(machine)
                )
            return self._executors[machine]

    def power(self, machine: str) -> PowerState:
        """Return what the hypervisor reports of a machine now."""
        return self._inspect(machine).power

    def power_off(self, machine: str) -> None:
        """Pull the machine's plug."""
        self._context.driver.power_off(self._handle(machine), "hard")
        # Only now: closing the connection before would tell the guest that something is about to happen.
        self._context.guests.forget(self._inspect(machine))

    def start(self, machine: str, *, wait: bool) -> None:
        """Power the machine on; with wait, return once its guest can be worked with, if anybody has been in it yet."""
        self._context.driver.start(self._handle(machine))
        if wait and not self.is_new(machine):
            directory = self._context.directory(self._lab)
            self._context.guests.contact(
                directory, self._inspect(machine), self._base(machine), first=False, report=lambda _text: None
            )

    def set_cable(self, machine: str, slot: int, connected: bool) -> None:
        """Plug the cable of an adapter in or out."""
        self._context.driver.set_cable(self._handle(machine), slot, connected)

    def pause(self, machine: str) -> None:
        """Let the machine stand still until it is started."""
        self._context.driver.pause(self._handle(machine))

    def mac(self, machine: str, slot: int) -> str:
        """Return the hardware address of an adapter."""
        adapter = self._inspect(machine).adapter(slot)
        if adapter is None:
            raise InfrastructureTrouble(
                _("{machine} has no adapter {slot}").format(machine=machine, slot=slot),
                resolution=_up_first(self._topology),
            )
        return adapter.mac

    @property
    def handles(self) -> Mapping[str, str]:
        """Return what the hypervisor knows each machine by; one that is made anew has another."""
        return self._handles

    @property
    def aside(self) -> Set[str]:
        """Return by handle the machines of the lab whose place an adopted one has taken."""
        return {handle for name, handle in self._own.items() if self._handles[name] != handle}

    @property
    def strangers(self) -> Sequence[str]:
        """Return the machines of the lab that are not off and that the topology does not have."""
        unknown = [name for name in self._own if name not in self._topology.machines]
        return [name for name in unknown if self.power(name) is not PowerState.OFF]

    @property
    def shapes_lines(self) -> bool:
        """Tell whether the hypervisor can make lines bad and cut networks."""
        return self._context.driver.capabilities.shapes_lines

    def impair(self, machine: str, slot: int, impairment: Impairment) -> None:
        """Make the line of an adapter as bad as said."""
        self._context.driver.impair(self._handle(machine), slot, impairment)

    def set_groups(self, machine: str, slot: int, groups: Collection[int]) -> None:
        """Let an adapter see only those that share a group with it."""
        self._context.driver.set_groups(self._handle(machine), slot, groups)

    def join_all(self) -> None:
        """Let every adapter of the lab's own machines see all others of its network."""
        for handle in self._own.values():
            for adapter in self._context.driver.inspect(handle).adapters:
                self._context.driver.set_groups(handle, adapter.slot, ())

    def is_new(self, machine: str) -> bool:
        """Tell whether a machine of the lab's own is one whose guest was never worked with."""
        found = self._inspect(machine)
        return found.lab is not None and MARK_CONTACTED not in found.marks

    def has(self, machine: str) -> bool:
        """Tell whether a machine exists."""
        return machine in self._handles

    def _handle(self, machine: str) -> str:
        if machine not in self._handles:
            raise InfrastructureTrouble(
                _("lab {lab}: {machine} does not exist, so nothing can be verified").format(
                    lab=self._lab, machine=machine
                ),
                resolution=_up_first(self._topology),
            )
        return self._handles[machine]

    def _inspect(self, machine: str) -> ObservedMachine:
        return self._context.driver.inspect(self._handle(machine))

    def _base(self, machine: str) -> Base:
        return self._context.bases.get(self._topology.machines[machine].base or self._topology.base)


def _up_first(topology: Topology) -> str:
    return _("`vboxlab up {topology}` first").format(topology=topology.name)


PATIENCE = 3.0  # times the seconds of a command: nobody knows how slow the guests are


class FaultsLeft(InfrastructureTrouble):
    """What a verification that was broken off has left cannot be undone."""


def end_faults(context: Context, lab: LabName, topology: Topology) -> None:
    """Undo what a verification that was broken off has left in a lab, and tell of it.

    Machines that are gone, or were made anew, have nothing left; those that the topology does not have are left as they
    are, and so is what is written down of them. So are those that an interrupted restore has left, as nobody could
    finish it unasked once they are started: it ends their faults. Raises FaultsLeft, LabError.
    """
    directory = context.directory(lab)
    path = directory.faults
    if not read_faults(path):
        return
    pending = pending_restore(directory, observe(context.driver, lab))
    record_progress(directory, pending)  # what is started here is to be known as what had gone back by then
    left = read_faults(path)
    live = LiveLab(context, lab, topology)
    steps = [fault_of(each.step) for each in left]
    going_back = () if pending is None else pending.undone
    is_known = [
        _is_known(each, step, live) and not _goes_back(step, live, going_back)
        for each, step in zip(left, steps, strict=True)
    ]
    others = [each for each, known in zip(left, is_known, strict=True) if not known]
    faults = Faults(
        live, max(context.settings.time_scale or 1.0, PATIENCE), keeping(path, others, live.handles), moved=True
    )
    for each, step, known in zip(left, steps, is_known, strict=True):
        is_there = isinstance(step, PartitionFault) or any(_is_same(each, step, live, name) for name in step.machines)
        if known and step.key is not None and is_there:
            faults.in_force[step.key] = step
    problems = []
    for words, error in faults.undo():
        if error is None:
            text = _("left by a verification that was broken off, and undone: {fault}")
            context.events(Note(text.format(fault=words)))
        else:
            problems += [words, *(f"  {line}" for line in str(error).splitlines())]
    if problems:
        raise FaultsLeft(
            _("lab {lab}: what a verification left is still in force").format(lab=lab),
            details=problems,
            resolution=_("start those machines anew, or restore a snapshot; then try again"),
        )
    write_faults(path, others)


def _is_known(fault: PendingFault, step: Fault, live: LiveLab) -> bool:
    """Tell whether all that a fault is of is reached from a topology: a cut is, but in guests that it does not have."""
    if not live.aside.isdisjoint(fault.handles.values()):
        return False
    if isinstance(step, PartitionFault):
        return live.shapes_lines or not live.strangers
    return live.topology.machines.keys() >= set(step.machines)


def _goes_back(step: Fault, live: LiveLab, machines: Collection[str]) -> bool:
    """Tell whether a fault is one that ends when one of these machines goes back to a snapshot."""
    if isinstance(step, PartitionFault) or (isinstance(step, ImpairFault) and live.shapes_lines):
        return False
    return not set(step.machines).isdisjoint(machines)


def _is_same(fault: PendingFault, step: Fault, live: LiveLab, machine: str) -> bool:
    """Tell whether a machine is the one that a fault was made in, as far as was written down.

    In a guest that nobody has been in, as after a restore, is nothing of ours.
    """
    if not live.has(machine) or fault.handles.get(machine) not in (None, live.handles[machine]):
        return False
    return not (live.is_new(machine) and isinstance(step, ServiceFault | ClockFault | DiskFault | CommandFault))


def keeping(path: Path, others: Sequence[PendingFault] = (), handles: Mapping[str, str] | None = None) -> Keep:
    """Return what writes the faults in force down, with others that are to stay there, and whose they are."""
    known = handles or {}

    def keep(faults: Sequence[Fault]) -> None:
        own = [
            PendingFault(
                each.state(),
                each.model_dump(mode="json"),
                {name: known[name] for name in each.machines if name in known},
            )
            for each in faults
        ]
        write_faults(path, [*others, *own])

    return keep


def prove(
    context: Context,
    lab: LabName,
    topology: Topology,
    *,
    time_scale: float | None,
    only: Sequence[str] = (),
    break_on_failure: bool = False,
) -> Report:
    """Run the topology's scenario on the lab and return the report; the history is kept with the lab.

    Without a time scale the guests' own speed makes it. Raises InfrastructureTrouble when machines that the scenario
    needs do not run, or the lab is in another topology.
    """
    scenario = topology.verify.only(topology.values, only)
    end_faults(context, lab, topology)
    live = LiveLab(context, lab, topology)
    where = observe(context.driver, lab).topology
    if where not in (None, topology.name):
        raise InfrastructureTrouble(
            _("lab {lab} is in topology {found}, not {wanted}").format(lab=lab, found=where, wanted=topology.name),
            resolution=_up_first(topology),
        )
    states = {name: live.power(name) for name in sorted(scenario.machines)}
    off = [
        _("{machine} is {power}").format(machine=name, power=C_("machine", state.value))
        for name, state in states.items()
        if state is not PowerState.RUNNING
    ]
    if off:
        raise InfrastructureTrouble(
            _("lab {lab} is not up, so nothing can be verified").format(lab=lab),
            details=off,
            resolution=_up_first(topology),
        )
    run = new_run()
    path = context.directory(lab).reports / f"{topology.name}-{run}{ENDING}"
    left = context.directory(lab).faults
    try:
        recording = Recorder(path)
    except OSError as error:
        brief = _("lab {lab}: no history of the verification can be written").format(lab=lab)
        raise LabError(brief, details=[said_by_system(error)]) from error
    with closing(recording) as recorder:
        report = run_scenario(
            topology.verify, live, time_scale=time_scale, events=context.events, recorder=recorder, run=run, only=only,
            keep=keeping(left, read_faults(left), live.handles), break_on_failure=break_on_failure,
        )  # fmt: skip
    _keep(context, path, report, recorder.trouble)
    return report


def _keep(context: Context, path: Path, report: Report, trouble: OSError | None) -> None:
    """Keep the report beside the history; where either cannot be written say so: what was seen is not lost for it."""
    try:
        if trouble is not None:
            raise trouble
        write_durably(path.with_suffix(".json"), render_json(report))
    except OSError as error:
        told = _("{file}: the history of this run could not be kept: {problem}")
        text = told.format(file=path, problem=said_by_system(error))
        context.events(Note(text, level="warning"))
    else:
        context.events(Note(_("history of this run: {file}").format(file=path)))
