"""What a verb works with: settings, driver and the lab that its argument names."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

from vboxlab.cli import output
from vboxlab.errors import EXIT_INTERRUPTED, TopologyInvalid, UsageError
from vboxlab.events import EventSink, discard
from vboxlab.lab.context import Context
from vboxlab.lab.desire import recorded_values
from vboxlab.lab.observe import labs
from vboxlab.lab.up import Blueprint
from vboxlab.planning.observed import MARK_ORIGIN, MARK_TOPOLOGY, ObservedMachine, PowerState, current_topology
from vboxlab.settings import Settings, load_settings
from vboxlab.topology.addressing import LabName
from vboxlab.topology.catalog import find_snapshot_set, find_topology
from vboxlab.topology.library import Library
from vboxlab.topology.loader import load_snapshot_set, load_topology
from vboxlab.topology.model import SnapshotSet, Topology
from vboxlab.topology.origins import made_first
from vboxlab.topology.validation import Known

# How much longer than on hardware virtualisation guests are waited for when they run in software emulation.
EMULATION = 4.0


@contextmanager
def opened(driver: str | None = None, events: EventSink = discard, *, quiet: bool = False) -> Iterator[Context]:
    """Open the driver and all that goes with it; close it at the end. Machines go on running."""
    from vboxlab.base.store import BaseStore
    from vboxlab.hypervisor.registry import open_driver
    from vboxlab.lab.access import SshGuests

    settings = load_settings()
    chosen = open_driver(settings, driver, output.remark)
    if chosen.note and not quiet:
        output.remark(f"note: {chosen.note}")
    bases = BaseStore(settings)

    def alive(handle: str) -> bool:
        return chosen.driver.inspect(handle).power in (PowerState.RUNNING, PowerState.CHANGING)

    patience = settings.time_scale if chosen.driver.capabilities.accelerated else max(settings.time_scale, EMULATION)
    guests = SshGuests(settings, bases, alive, patience=patience)
    try:
        yield Context(chosen.driver, bases, guests, settings, events)
    finally:
        guests.close()
        chosen.driver.close()


@contextmanager
def stopping_gently(stop: threading.Event) -> Iterator[None]:
    """Let the first Ctrl-C only set the event, so that running actions end well; the second one leaves at once."""

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        if stop.is_set():
            output.remark("stopped at once; `vboxlab up` puts right what was left half-done")
            os._exit(EXIT_INTERRUPTED)
        stop.set()
        output.remark("stopping: running actions are finished first; Ctrl-C again leaves at once")

    previous = signal.signal(signal.SIGINT, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, previous)


@dataclass(frozen=True)
class Target:
    """The lab that a verb works on, with its topology where one could be loaded."""

    lab: LabName
    blueprint: Blueprint | None
    problem: TopologyInvalid | UsageError | None = None

    @property
    def needed(self) -> Blueprint:
        """Return the topology. Raises what kept it from being loaded."""
        if self.blueprint is None:
            raise self.problem or UsageError(f"lab {self.lab}: its topology is not known; name the topology instead")
        return self.blueprint


def blueprint(
    settings: Settings, name: str, values: Mapping[str, str], copy: str | None, everything: list[ObservedMachine]
) -> Blueprint:
    """Load a topology with its snapshot sets; values recorded with the lab hold unless given anew."""
    path = find_topology(name, settings)
    plain = load_topology(path)
    lab = LabName(plain.lab, copy)
    recorded = recorded_values([machine for machine in everything if machine.lab == lab])
    known = {key: value for key, value in recorded.items() if key in plain.parameters}
    if copy and "student" in plain.parameters:
        known.setdefault("student", copy)
    merged = {**known, **values}
    known_here = Known(made_first=made_first(path, Library(settings)))
    topology = plain
    if merged or copy is not None or plain.start_from is not None:
        topology = load_topology(path, merged, known=known_here, for_copy=copy is not None)

    def load(other: str) -> Blueprint:
        return blueprint(settings, other, _declared(settings, other, values), copy, everything)

    return Blueprint(topology, _sets(settings, topology, path), load)


def _declared(settings: Settings, name: str, values: Mapping[str, str]) -> dict[str, str]:
    parameters = load_topology(find_topology(name, settings)).parameters
    return {key: value for key, value in values.items() if key in parameters}


def _sets(settings: Settings, topology: Topology, path: Path) -> list[SnapshotSet]:
    names = {stage.snapshot for stage in topology.stages if stage.snapshot}
    names |= {name for name in (topology.start_from, topology.reset) if name}
    return [load_snapshot_set(find_snapshot_set(name, settings, near=path)) for name in sorted(names)]


def target(context: Context, name: str, values: Mapping[str, str] | None = None, copy: str | None = None) -> Target:
    """Find what a verb's argument names: a topology, or a lab by its ownership mark.

    A topology file that is broken or gone does not hide a lab that exists: the problem is kept in the target.
    """
    everything = list(context.machines())
    existing = {lab for lab in labs(everything) if lab.copy == copy}
    try:
        found = blueprint(context.settings, name, values or {}, copy, everything)
    except (TopologyInvalid, UsageError) as error:
        by_mark = _lab_by_mark(everything, name, copy)
        if by_mark is None:
            raise
        return Target(by_mark, *_current(context.settings, by_mark, values or {}, everything, error, name))
    lab = LabName(found.topology.lab, copy)
    clash = LabName(name, copy)
    if clash != lab and clash in existing and lab not in existing:
        return Target(clash, None)
    return Target(lab, found)


def _current(
    settings: Settings,
    lab: LabName,
    values: Mapping[str, str],
    everything: list[ObservedMachine],
    error: TopologyInvalid | UsageError,
    name: str,
) -> tuple[Blueprint | None, TopologyInvalid | UsageError | None]:
    topology = current_topology(machine for machine in everything if machine.lab == lab)
    if topology is None or topology == name:
        return None, error
    try:
        return blueprint(settings, topology, values, lab.copy, everything), None
    except (TopologyInvalid, UsageError) as problem:
        return None, problem


def _lab_by_mark(everything: list[ObservedMachine], name: str, copy: str | None) -> LabName | None:
    for lab, machines in labs(everything).items():
        if lab.copy == copy and (lab.lab == name or _stands_for(machines, name)):
            return lab
    return None


def _stands_for(machines: list[ObservedMachine], topology: str) -> bool:
    return any(topology in (m.marks.get(MARK_TOPOLOGY), m.marks.get(MARK_ORIGIN)) for m in machines)


def only_lab(context: Context, name: str | None, copy: str | None) -> Target:
    """Return the named lab, or the only one there is. Raises UsageError naming those that exist."""
    if name is not None:
        return target(context, name, copy=copy)
    found = [lab for lab in labs(list(context.driver.machines())) if copy is None or lab.copy == copy]
    if len(found) == 1:
        return target(context, found[0].lab, copy=found[0].copy)
    if not found:
        raise UsageError(
            "there is no lab on this computer yet", resolution="`vboxlab list`, then `vboxlab up TOPOLOGY`"
        )
    raise UsageError("there are several labs; say which one", details=[str(lab) for lab in found])


def base_of(target: Target, machine: str) -> str:
    """Return the base of a machine. Raises what kept the topology from being loaded."""
    topology = target.needed.topology
    return (topology.machines[machine].base if machine in topology.machines else None) or topology.base
