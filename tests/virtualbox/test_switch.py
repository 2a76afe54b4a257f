"""One lab through its topologies on real VirtualBox, down to adapters and snapshots.

Guests cannot boot without the kernel driver, so machines are taken for running once they were started, and guests for
configured once they were asked to be; all else is VirtualBox's own doing, and VBoxManage is asked what came of it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from tests.unit.base_on_disk import put_layers
from tests.unit.lab_world import LAB, ROOT
from tests.virtualbox.world import VirtualBoxWorld
from vboxlab.base.model import Base
from vboxlab.base.store import BaseStore
from vboxlab.guest.configurator import ResourceResult, StageReport
from vboxlab.guest.executor import Executor
from vboxlab.guest.recording import RecordingExecutor
from vboxlab.guest.resources import Resource
from vboxlab.hypervisor.virtualbox.driver import VirtualBoxDriver
from vboxlab.lab.context import Confirm, Context
from vboxlab.lab.directory import LabDirectory
from vboxlab.lab.guests import Report
from vboxlab.lab.planned import Blueprint, make_plan
from vboxlab.lab.up import UpResult, up
from vboxlab.planning import actions as act
from vboxlab.planning.observed import ObservedMachine, PowerOffHow, PowerState
from vboxlab.settings import Settings
from vboxlab.topology.loader import load_snapshot_set, load_topology

WEB_SERVERS = ("srv-web", "srv-web-bis")


class NeverBooting(VirtualBoxDriver):
    """VirtualBox, where a machine that was started is said to run, and stays as it is."""

    def __init__(self, home: Path) -> None:
        super().__init__(home)
        self.started: set[str] = set()

    def _shown(self, machine: ObservedMachine) -> ObservedMachine:
        return replace(machine, power=PowerState.RUNNING) if machine.handle in self.started else machine

    def machines(self, *, early: bool = False) -> Sequence[ObservedMachine]:
        return [self._shown(machine) for machine in super().machines(early=early)]

    def inspect(self, handle: str) -> ObservedMachine:
        return self._shown(super().inspect(handle))

    def start(self, handle: str, *, gui: bool = False) -> None:
        assert not gui
        self.started.add(handle)

    def power_off(self, handle: str, how: PowerOffHow, *, timeout: float = 60.0) -> bool:
        self.started.discard(handle)
        return super().power_off(handle, how, timeout=timeout)

    def restore_snapshot(self, handle: str, name: str) -> None:
        assert handle not in self.started
        super().restore_snapshot(handle, name)


@dataclass
class WillingGuests:
    """Guests that do what they are asked, and say so."""

    configured: list[str] = field(default_factory=list)

    def introduce(self, directory: LabDirectory, machine: ObservedMachine, base: Base, *, report: Report) -> str:
        raise AssertionError(machine)

    def contact(
        self, directory: LabDirectory, machine: ObservedMachine, base: Base, *, first: bool, report: Report
    ) -> None:
        assert machine.power is PowerState.RUNNING

    def await_server(
        self, directory: LabDirectory, machine: ObservedMachine, base: Base, *, seconds: float | None = None
    ) -> bool:
        return machine.power is PowerState.RUNNING

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
        self.configured.append(machine.machine)
        return StageReport(machine.machine, tuple(ResourceResult(each.key, "unchanged") for each in resources))

    def executor(self, directory: LabDirectory, machine: ObservedMachine, base: Base) -> Executor:
        return RecordingExecutor(machine.machine)

    def forget(self, machine: ObservedMachine) -> None:
        pass


def blueprint(name: str) -> Blueprint:
    topology = load_topology(ROOT / "topologies" / f"{name}.yaml")
    return Blueprint(topology, [load_snapshot_set(ROOT / "snapshots" / "apache-base.yaml")], blueprint)


@dataclass
class Lab:
    """The lab, and what VBoxManage says of it."""

    world: VirtualBoxWorld
    context: Context
    guests: WillingGuests

    def up(self, name: str) -> UpResult:
        self.guests.configured.clear()
        return up(self.context, blueprint(name), LAB, jobs=2)

    def steps(self, name: str) -> list[act.Step]:
        return [action.step for action in make_plan(self.context, blueprint(name), LAB)[0].actions]

    def facts(self, machine: str) -> dict[str, str]:
        said = self.world.manage("showvminfo", machine, "--machinereadable")
        return dict(re.findall(r'^"?([^"=\n]+)"?="?(.*?)"?$', said, re.M))

    def nics(self, machine: str) -> dict[int, str]:
        """Return what VirtualBox says that the adapters before the management adapter are plugged into."""
        facts = self.facts(machine)
        kinds = {slot: facts[f"nic{slot}"] for slot in range(1, 8) if facts.get(f"nic{slot}", "none") != "none"}
        return {slot: facts[f"intnet{slot}"] if kind == "intnet" else kind for slot, kind in kinds.items()}

    def unchanging(self, machine: str) -> dict[str, str]:
        """Return what must not change in a machine that both topologies have alike."""
        keep = ("UUID", "macaddress", "nic", "intnet", "natnet", "Forwarding", "SATA-0-0")
        return {key: value for key, value in self.facts(machine).items() if key.startswith(keep)}

    def snapshot_of(self, machine: str) -> tuple[str, str]:
        facts = self.facts(machine)
        return facts.get("CurrentSnapshotName", ""), facts.get("CurrentSnapshotUUID", "")


@pytest.fixture
def lab(world: VirtualBoxWorld, home: Path) -> Lab:
    members: dict[str, tuple[str, ...]] = {"apache-base": WEB_SERVERS}
    put_layers(BaseStore(Settings(home=home)), load_topology(ROOT / "topologies" / "loadbalancing.yaml"), members)
    for disk in home.rglob("disk.qcow2"):
        if not disk.stat().st_size:
            disk.write_bytes(next(each for each in home.rglob("disk.qcow2") if each.stat().st_size).read_bytes())
    driver, guests = NeverBooting(home), WillingGuests()
    world.opened.append(driver)
    settings = Settings(home=home, driver="virtualbox")
    agree: Confirm = lambda _lab, _question: None  # noqa: E731
    return Lab(world, Context(driver, BaseStore(settings), guests, settings, confirm=agree), guests)


def test_failover_to_loadbalancing_and_back(lab: Lab) -> None:
    lab.up("failover")
    assert lab.up("failover").actions == 0
    assert [lab.nics(name) for name in WEB_SERVERS] == [{1: "sw-dmz"}] * 2
    taken = [lab.snapshot_of(name) for name in WEB_SERVERS]
    assert [name for name, _ in taken] == ["apache-base"] * 2
    shared = {name: lab.unchanging(name) for name in ("firewall", "dns", "client")}
    disks = [lab.facts(name)["SATA-0-0"] for name in WEB_SERVERS]

    steps = lab.steps("loadbalancing")
    restored = next(step for step in steps if isinstance(step, act.RestoreSnapshots))
    assert (restored.machines, restored.snapshot) == (WEB_SERVERS, "apache-base")
    assert [step.machine for step in steps if isinstance(step, act.Create)] == ["load-balancer"]
    touched = {step.machine for step in steps if isinstance(step, act.SetAdapters | act.PowerOff | act.Start)}
    assert touched == {*WEB_SERVERS, "load-balancer"}

    lab.up("loadbalancing")
    assert lab.up("loadbalancing").actions == 0
    assert [lab.nics(name) for name in WEB_SERVERS] == [{1: "cluster"}] * 2
    assert lab.nics("load-balancer") == {1: "sw-dmz", 2: "cluster"}
    assert [lab.snapshot_of(name) for name in WEB_SERVERS] == taken
    assert all(old != lab.facts(name)["SATA-0-0"] for name, old in zip(WEB_SERVERS, disks, strict=True))
    assert {name: lab.unchanging(name) for name in shared} == shared
    assert {*WEB_SERVERS, "load-balancer"} <= set(lab.guests.configured)

    lab.up("failover")
    assert lab.up("failover").actions == 0
    assert [lab.nics(name) for name in WEB_SERVERS] == [{1: "sw-dmz"}] * 2
    assert [lab.snapshot_of(name) for name in WEB_SERVERS] == taken
    assert {name: lab.unchanging(name) for name in shared} == shared
    assert lab.context.driver.inspect(lab.facts("load-balancer")["UUID"]).power is PowerState.OFF
