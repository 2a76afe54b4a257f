"""A pure world for planner tests: observed labs, and what a plan does to them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from vboxlab.lab.desire import desire
from vboxlab.planning import actions as act
from vboxlab.planning.desired import Desired
from vboxlab.planning.disks import lacking
from vboxlab.planning.host import Host
from vboxlab.planning.machine import BEFORE_STAGES
from vboxlab.planning.observed import (
    MARK_CONTACTED,
    MARK_DESIRED,
    MARK_STAGE,
    ObservedLab,
    ObservedMachine,
    PowerState,
    SnapshotState,
)
from vboxlab.topology.addressing import LabName
from vboxlab.topology.loader import load_snapshot_set, load_topology
from vboxlab.topology.model import Topology

ROOT = Path(__file__).parents[2]
LAB = LabName("ha")


def topology(name: str = "failover", **values: str) -> Topology:
    return load_topology(ROOT / "topologies" / f"{name}.yaml", values)


def desired(
    source: Topology, observed: ObservedLab, *, until: str | None = None, lab: LabName = LAB, prepared: bool = True
) -> Desired:
    sets = [load_snapshot_set(ROOT / "snapshots" / "apache-base.yaml")]
    host = Host(observed.machines.values())
    return desire(source, lab, host, sets, until=until, prepared=lambda _base: prepared, free=lambda _port: True)


class World:
    """Machines as a driver would report them; `apply` does what the actions say."""

    def __init__(self, lab: LabName = LAB, adopted: Mapping[str, ObservedMachine] | None = None) -> None:
        self.lab = lab
        self.machines: dict[str, ObservedMachine] = {}
        self.adopted = dict(adopted or {})
        self._kept: dict[tuple[str, str], ObservedMachine] = {}

    @property
    def observed(self) -> ObservedLab:
        return ObservedLab(self.lab, dict(self.machines), self.adopted)

    def change(self, name: str, **fields: object) -> None:
        self.machines[name] = replace(self.machines[name], **fields)  # type: ignore[arg-type]

    def mark(self, name: str, **marks: str | None) -> None:
        merged = {**self.machines[name].marks, **marks}
        self.change(name, marks={key: value for key, value in merged.items() if value is not None})

    def apply(self, plan: act.Plan, wanted: Desired, *, only: int | None = None) -> None:
        """Do the first so many actions (all by default), checking that each one may be done where it stands."""
        done: set[str] = set()
        for action in plan.actions[:only]:
            assert done.issuperset(action.after), f"{action} comes before what it depends on"
            self._do(action.step, wanted)
            done.add(action.id)

    def _create(self, name: str, wanted: Desired) -> None:
        assert name not in self.machines
        spec = wanted.machines[name].spec(wanted.naming.names, {})
        self.machines[name] = ObservedMachine(
            f"id-{name}",
            spec.name,
            PowerState.OFF,
            spec.cpus,
            spec.memory,
            spec.image,
            spec.adapters,
            spec.marks,
            disks=wanted.machines[name].disks,
        )

    def _restore(self, name: str, snapshot: str) -> None:
        assert self.machines[name].power is PowerState.OFF
        kept = self._kept[name, snapshot]
        self.change(
            name,
            cpus=kept.cpus,
            memory=kept.memory,
            adapters=kept.adapters,
            marks=kept.marks,
            disks=kept.disks,
            dvd=kept.dvd,
            current_snapshot=f"id-{snapshot}",
        )

    def _do(self, step: act.Step, wanted: Desired) -> None:  # noqa: C901 - one case a kind of step
        match step:
            case act.Create(machine=name):
                self._create(name, wanted)
            case act.SetAdapters(machine=name, adapters=adapters):
                self.change(name, adapters=adapters)
            case act.SetHardware(machine=name, cpus=cpus, memory=memory):
                assert self.machines[name].power is PowerState.OFF
                self.change(name, cpus=cpus, memory=memory)
            case act.AddDisks(machine=name, disks=disks):
                assert self.machines[name].power is PowerState.OFF
                self.change(name, disks=(*self.machines[name].disks, *lacking(disks, self.machines[name].disks)))
            case act.SetDvd(machine=name, dvd=dvd):
                assert self.machines[name].power is PowerState.OFF
                self.change(name, dvd=dvd)
            case act.Start(machine=name) | act.Resume(machine=name):
                self.change(name, power=PowerState.RUNNING)
            case act.PowerOff(machine=name):
                self.change(name, power=PowerState.OFF)
            case act.Contact(machine=name):
                assert self.machines[name].power is PowerState.RUNNING
                self.mark(name, **{MARK_CONTACTED: "yes"})
            case act.Configure(machine=name, stage=stage):
                assert self.machines[name].power is PowerState.RUNNING
                assert MARK_CONTACTED in self.machines[name].marks
                digest = wanted.machines[name].digests[stage]
                self.mark(name, **wanted.marks, **{MARK_STAGE: stage or BEFORE_STAGES, MARK_DESIRED: digest})
            case act.SetMarks(machine=name, marks=marks):
                self.mark(name, **marks)
            case act.TakeSnapshots(machines=names, snapshot=snapshot):
                for name in names:
                    self._take(name, snapshot)
            case act.RestoreSnapshots(machines=names, snapshot=snapshot):
                for name in names:
                    self._restore(name, snapshot)
            case act.CheckAdopted(machine=name):
                self.adopted[name] = replace(self.adopted[name], power=PowerState.RUNNING)
            case act.FinishRestore() | act.RemoveLeftovers():
                raise AssertionError(step)  # this world leaves nothing half done
            case act.Recheck(machine=name) | act.Repair(machine=name):
                assert self.machines[name].power is PowerState.RUNNING

    def _take(self, name: str, snapshot: str) -> None:
        machine = self.machines[name]
        assert machine.power is PowerState.OFF
        assert not machine.has_snapshot(snapshot)
        self._kept[name, snapshot] = machine
        taken = SnapshotState(snapshot, machine.current_snapshot, "2026-01-01T00:00:00", id=f"id-{snapshot}")
        self.change(name, snapshots=(*machine.snapshots, taken), current_snapshot=taken.id)
