"""All labs of a host, one line each: from one report of the driver, whatever the number of copies."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

from vboxlab.files import read_json
from vboxlab.lab.desire import recorded_values
from vboxlab.lab.directory import LabDirectory
from vboxlab.lab.journal import pending_restore
from vboxlab.lab.observe import labs
from vboxlab.lab.pending_faults import faults_in_lines
from vboxlab.lab.topology_file import noted_file
from vboxlab.language import _
from vboxlab.lazily import dataclass
from vboxlab.planning.adapters import in_words
from vboxlab.planning.desired import adapters
from vboxlab.planning.disks import differences as disk_differences
from vboxlab.planning.disks import disks_of, dvd_difference
from vboxlab.planning.names import recorded_names
from vboxlab.planning.observed import (
    MARK_STAGE,
    MARK_TOPOLOGY,
    ObservedLab,
    ObservedMachine,
    PowerState,
    current_topology,
    exercise_of,
)
from vboxlab.planning.pending import describe_pending
from vboxlab.topology.addressing import LabName
from vboxlab.topology.exercise import EXERCISE
from vboxlab.topology.model import Topology

TopologyOf = Callable[[str], Topology | None]
"""Returns a topology by its name, None when it cannot be loaded."""


@dataclass(frozen=True)
class Verified:
    """The last verification of a lab."""

    topology: str
    at: str  # ISO 8601, UTC
    passed: bool


@dataclass(frozen=True)
class LabStatus:
    """One line of `vboxlab status --all`. `stage` is the least stage that a machine with stages has reached."""

    lab: str
    copy: str | None
    topology: str | None
    stage: str
    machines: int
    running: int
    drift: tuple[str, ...]
    verified: Verified | None

    @property
    def name(self) -> LabName:
        """Return lab and copy as a name."""
        return LabName(self.lab, self.copy)


def overview(
    home: Path, everything: Iterable[ObservedMachine], topology_of: TopologyOf, *, lab: str | None = None
) -> list[LabStatus]:
    """Report every lab and copy (of one lab, when named). Each topology is loaded once, no machine is asked again."""
    known: dict[str, Topology | None] = {}

    def cached(name: str) -> Topology | None:
        if name not in known:
            known[name] = topology_of(name)
        return known[name]

    found = labs(everything)
    return [_status(home, name, found[name], cached) for name in found if lab in (None, name.lab)]


def _status(home: Path, lab: LabName, machines: Sequence[ObservedMachine], topology_of: TopologyOf) -> LabStatus:
    by_name = {machine.machine: machine for machine in machines}
    name = current_topology(machines)
    directory = LabDirectory(home, lab)
    file = noted_file(directory, name) if name else None
    topology = topology_of(str(file or name)) if name else None
    told = _("{subject}: {problem}")
    drift = [told.format(subject=found.machine, problem=found.problem) for found in machines if found.problem]
    if name is None and any(MARK_TOPOLOGY in machine.marks for machine in machines):
        drift.append(_("its machines are in different topologies"))
    elif name is not None and topology is None:
        drift.append(_("topology {topology} cannot be read").format(topology=name))
    if topology is not None:
        drift += _drift(topology, lab, by_name)
    drift[:0] = faults_in_lines(directory.faults)
    pending = pending_restore(directory, ObservedLab(lab, by_name))
    if pending is not None:
        drift.insert(0, describe_pending(pending)[0])
    return LabStatus(
        lab=lab.lab,
        copy=lab.copy,
        topology=name,
        stage=_stage(topology, by_name),
        machines=len(machines),
        running=sum(machine.power is PowerState.RUNNING for machine in machines),
        drift=tuple(drift),
        verified=last_verified(directory.reports),
    )


def _drift(topology: Topology, lab: LabName, machines: Mapping[str, ObservedMachine]) -> list[str]:
    """Return how machines differ from the topology in what needs no look into guests and no free port."""
    values = {**topology.values, **recorded_values(list(machines.values()))}
    in_force = topology.model_copy(update={"values": values})
    names = recorded_names(lab, machines.values())
    drift = []
    for machine in in_force.owned_machines:
        found = machines.get(machine.name)
        if found is None:
            drift.append(_("{machine}: not created").format(machine=machine.name))
            continue
        port = (found.management_port or 0) if machine.configured else None
        differences = in_words(adapters(in_force, names, machine, port), found.adapters)
        differences += disk_differences(disks_of(in_force, machine), found.disks)
        differences += dvd_difference(machine.dvd or "", found.dvd)
        drift += [_("{subject}: {problem}").format(subject=machine.name, problem=line) for line in differences]
    return drift


def _stage(topology: Topology | None, machines: Mapping[str, ObservedMachine]) -> str:
    if topology is None:
        return "-"
    order = topology.stage_order
    if exercise_of(machines.values()) is not None:
        return EXERCISE
    reached = []
    for machine in topology.machines.values():
        found = machines.get(machine.name)
        if machine.stages and found is not None:
            stage = found.marks.get(MARK_STAGE, "")
            reached.append(order.index(stage) if stage in order else -1)
    return order[min(reached)] if reached and min(reached) >= 0 else "-"


def last_verified(reports: Path) -> Verified | None:
    """Return the newest report of a folder in short; None when there is none, or it cannot be read."""
    try:
        newest = max(reports.glob("*.json"), key=lambda path: path.stat().st_mtime, default=None)
        if newest is None:
            return None
        report = read_json(newest)
        return Verified(str(report["topology"]), str(report["started_at"]), bool(report["passed"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None
