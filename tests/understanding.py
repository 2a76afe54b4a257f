"""What vboxlab must make of the labs of tests.fixtures.first_lab, on each driver."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.fixtures.first_lab import USER
from tests.never_booting import NeverBooting
from tests.unit.lab_world import InstantBases
from tests.virtualbox.test_switch import WillingGuests
from vboxlab.cli.main import run
from vboxlab.hypervisor.driver import Driver
from vboxlab.lab.context import Context
from vboxlab.lab.observe import observe
from vboxlab.lab.planned import Blueprint, make_plan
from vboxlab.lab.up import up
from vboxlab.planning import actions as act
from vboxlab.planning.observed import MARK_DESIRED, MARK_STAGE
from vboxlab.planning.snapshot_states import content_of
from vboxlab.settings import Settings
from vboxlab.topology.addressing import LabName
from vboxlab.topology.loader import load_snapshot_set, load_topology

HA, ALICE = LabName("ha"), LabName("ha", "alice")
MACHINES = ["client", "dns", "firewall", "srv-web", "srv-web-bis"]
WEB_SERVERS = ("srv-web", "srv-web-bis")
CHANGES = {"Create", "SetAdapters", "SetHardware", "Configure", "TakeSnapshots", "RestoreSnapshots", "SetMarks"}


class Understanding:
    """The labs at a home, looked at by the vboxlab of today."""

    def __init__(
        self,
        home: Path,
        kind: str,
        open_driver: Callable[[], Driver],
        monkeypatch: pytest.MonkeyPatch,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        self.home = home
        self._open = open_driver
        self._capsys = capsys
        for name, value in (("HOME", home), ("SETTINGS", home / "none.yaml"), ("DRIVER", kind)):
            monkeypatch.setenv(f"VBOXLAB_{name}", str(value))
        monkeypatch.setenv("LOGNAME", USER)
        monkeypatch.chdir(home.parent)

    def blueprint(self, _name: str = "failover") -> Blueprint:
        """Return the topology as it was then."""
        topology = load_topology(self.home.parent / "topologies" / "failover.yaml")
        sets = [load_snapshot_set(self.home.parent / "snapshots" / "apache-base.yaml")]
        return Blueprint(topology, sets, self.blueprint)

    def said(self, *arguments: str, code: int = 0) -> str:
        """Run vboxlab, which must end with that code, and return what it printed."""
        self._capsys.readouterr()
        ended = run(list(arguments))
        out, err = self._capsys.readouterr()
        assert ended == code, out + err
        return out

    def check_status(self) -> None:
        rows = json.loads(self.said("status", "--all", "--json"))
        seen = {(row["copy"], row["topology"], row["stage"], row["machines"], tuple(row["drift"])) for row in rows}
        assert seen == {(None, "failover", "heartbeat", 5, ()), ("alice", "failover", "-", 5, ())}

    def check_plan_and_up_without_guests(self) -> None:
        for which in ([], ["--copy", "alice"]):
            assert json.loads(self.said("plan", "failover", "--until", "created", "--json", *which))["actions"] == []
            assert json.loads(self.said("up", "failover", "--until", "created", "--json", *which))["actions"] == 0
        actions = json.loads(self.said("plan", "failover", "--json", code=2))["actions"]
        assert {machine for action in actions for machine in action["machines"]} == set(MACHINES)
        assert not CHANGES & {action["action"] for action in actions}

    def check_nothing_to_do_on_running_machines(self) -> None:
        driver = NeverBooting(self._open())
        before = observe(driver.as_driver, HA).machines
        assert sorted(before) == MACHINES
        driver.started.update(machine.handle for machine in before.values())
        bases = InstantBases(self.home / "none.qcow2")
        context = Context(driver.as_driver, bases, WillingGuests(), Settings(home=self.home))
        found, _, _ = make_plan(context, self.blueprint(), HA)
        assert (found.actions, found.blockers, found.notes) == ((), (), ())
        done = up(context, self.blueprint(), HA, jobs=2)
        assert (done.actions, done.repaired) == (0, ())
        after = observe(driver.as_driver, HA).machines
        assert {name: machine.marks for name, machine in after.items()} == {
            name: machine.marks for name, machine in before.items()
        }
        self._check_snapshots(context, driver)

    def _check_snapshots(self, context: Context, driver: NeverBooting) -> None:
        for name in WEB_SERVERS:
            machine = observe(driver.as_driver, HA).machines[name]
            (snapshot,) = machine.snapshots
            told = content_of(snapshot)
            assert told is not None
            driver.power_off(machine.handle, "hard")
            driver.restore_snapshot(machine.handle, "apache-base")
            marks = driver.inspect(machine.handle).marks
            assert told.marks.items() <= marks.items()
            assert marks[MARK_STAGE] == "web"
            assert ":" not in marks[MARK_DESIRED]
        found, desired, observed = make_plan(context, self.blueprint(), HA)
        assert all(
            desired.machines[name].is_digest(observed.machines[name].marks["desired"], "web") for name in WEB_SERVERS
        )
        configured = [action.step for action in found.actions if isinstance(action.step, act.Configure)]
        assert [(step.machine, step.stage) for step in configured] == [(name, "heartbeat") for name in WEB_SERVERS]

    def check_destroy(self) -> None:
        others = [machine for machine in self._open().machines() if machine.lab != HA]
        assert len([machine for machine in others if machine.lab == ALICE]) == len(MACHINES)
        self.said("destroy", "failover", "--yes")
        assert sorted(machine.name for machine in self._open().machines()) == sorted(other.name for other in others)
        self.said("destroy", "ha", "--copies", "alice", "--yes")
        assert not [machine for machine in self._open().machines() if machine.lab]

    def check(self) -> None:
        """Check everything, one after the other: each step leaves the labs as they are but for the last."""
        self.check_status()
        self.check_plan_and_up_without_guests()
        self.check_nothing_to_do_on_running_machines()
        self.check_destroy()
