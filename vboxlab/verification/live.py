"""The lab under test, for real: over the driver and SSH."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from contextlib import closing

from vboxlab.base.model import Base
from vboxlab.errors import InfrastructureTrouble
from vboxlab.events import Note
from vboxlab.files import write_durably
from vboxlab.guest.executor import Executor
from vboxlab.lab.context import Context
from vboxlab.lab.observe import observe
from vboxlab.language import C_, _
from vboxlab.planning.observed import ObservedMachine, PowerState
from vboxlab.topology.addressing import LabName
from vboxlab.topology.model import Topology
from vboxlab.verification.history import ENDING, Recorder
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
        """Return the way into a machine, the same one for the same machine."""
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
        """Power the machine on; with wait, return once its guest can be worked with."""
        self._context.driver.start(self._handle(machine))
        if wait:
            directory = self._context.directory(self._lab)
            self._context.guests.contact(
                directory, self._inspect(machine), self._base(machine), first=False, report=lambda _text: None
            )

    def set_cable(self, machine: str, slot: int, connected: bool) -> None:
        """Plug the cable of an adapter in or out."""
        self._context.driver.set_cable(self._handle(machine), slot, connected)

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


def prove(
    context: Context, lab: LabName, topology: Topology, *, time_scale: float | None, only: Sequence[str] = ()
) -> Report:
    """Run the topology's scenario on the lab and return the report; the history is kept with the lab.

    Without a time scale the guests' own speed makes it. Raises InfrastructureTrouble when machines that the scenario
    needs do not run, or the lab is in another topology.
    """
    scenario = topology.verify.only(topology.values, only) if only else topology.verify
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
    with closing(Recorder(path)) as recorder:
        report = run_scenario(
            topology.verify, live, time_scale=time_scale, events=context.events, recorder=recorder, run=run, only=only
        )
    write_durably(path.with_suffix(".json"), render_json(report))
    context.events(Note(_("history of this run: {file}").format(file=path)))
    return report
