"""Bringing labs back to the beginning of their exercise."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tests.unit.lab_world import GUEST, LAB, LabWorld
from vboxlab.errors import CopyStopped, DriverError, MachineConflict, SnapshotNotFound
from vboxlab.hypervisor.memory import Crash
from vboxlab.lab.listing import Listing
from vboxlab.lab.observe import observe
from vboxlab.lab.reset import ResetResult, reset, reset_snapshot
from vboxlab.lab.snapshot_sets import take
from vboxlab.operations.run_copies import exit_code, run_copies
from vboxlab.topology.addressing import LabName

PAIR = ("srv-web", "srv-web-bis")
ALICE, BOB = LabName("ha", "alice"), LabName("ha", "bob")


@pytest.fixture
def world(tmp_path: Path) -> LabWorld:
    made = LabWorld(tmp_path / "home")
    made.up()
    return made


def back(world: LabWorld, lab: LabName = LAB, **options: object) -> ResetResult:
    return reset(world.context, world.blueprint(), lab, jobs=4, **options)  # type: ignore[arg-type]


def test_the_snapshot_to_go_back_to(world: LabWorld) -> None:
    failover = world.blueprint().topology
    assert reset_snapshot(failover) == "apache-base"
    assert reset_snapshot(world.blueprint("loadbalancing").topology) == "apache-base"
    last = failover.stages[-1].model_copy(update={"snapshot": "done"})
    assert reset_snapshot(failover.model_copy(update={"stages": (failover.stages[0], last)})) == "done"
    assert reset_snapshot(failover.model_copy(update={"stages": ()})) is None
    assert reset_snapshot(failover.model_copy(update={"reset": "monday"})) == "monday"


def test_a_broken_lab_is_what_it_was(world: LabWorld) -> None:
    before = {name: machine.marks[GUEST] for name, machine in world.machines().items()}
    world.damage("srv-web")
    world.damage("dns")
    world.driver.power_off(world.machine("srv-web-bis").handle, "hard")
    result = back(world)
    assert (result.snapshot, result.machines) == ("apache-base", PAIR)
    assert result.brought_up is not None
    assert result.brought_up.repaired == ("dns",)
    assert {name: machine.marks[GUEST] for name, machine in world.machines().items()} == before
    assert set(world.powers().values()) == {"running"}
    assert world.plan().actions == ()


def test_what_was_done_is_kept_first_when_wished(world: LabWorld) -> None:
    world.damage("srv-web")
    back(world, keep="alice-monday")
    assert all(machine.has_snapshot("alice-monday") for machine in world.machines().values())
    assert world.machine("srv-web").marks[GUEST] != "broken"
    with pytest.raises(MachineConflict, match="nothing was changed"):
        back(world, keep="alice-monday")
    assert set(world.powers().values()) == {"running"}


def test_a_lab_that_was_off_stays_off_unless_wished(world: LabWorld) -> None:
    for machine in world.machines().values():
        world.driver.power_off(machine.handle, "hard")
    assert back(world).brought_up is None
    assert set(world.powers().values()) == {"off"}
    assert world.machine("srv-web").marks["stage"] == "web"
    back(world, bring_up=True)
    assert world.plan().actions == ()


def test_nothing_is_touched_when_a_machine_lacks_the_snapshot(world: LabWorld) -> None:
    world.driver.power_off(world.machine("srv-web").handle, "hard")
    world.driver.delete_snapshot(world.machine("srv-web").handle, "apache-base")
    before = dict(world.machines())
    with pytest.raises(SnapshotNotFound) as caught:
        back(world, keep="x")
    assert caught.value.details[0] == "srv-web: LACKS it (its snapshots: none)"
    assert world.machines() == before


def test_machines_run_again_when_what_was_done_cannot_be_kept(world: LabWorld) -> None:
    world.store.fail("take_snapshot", error=DriverError("no space left"))
    with pytest.raises(DriverError, match="no space left"):
        back(world, keep="x")
    assert set(world.powers().values()) == {"running"}
    assert world.machine("srv-web").marks["stage"] == "heartbeat"


@pytest.mark.parametrize("call", ["power_off", "restore_snapshot", "start", "set_marks"])
def test_a_reset_that_was_killed_is_finished_by_up(world: LabWorld, call: str) -> None:
    world.store.crash_after(call)
    with pytest.raises(Crash):
        back(world)
    world.up()
    assert world.plan().actions == ()
    assert set(world.powers().values()) == {"running"}


def test_a_reset_goes_back_to_a_snapshot_taken_by_hand(world: LabWorld) -> None:
    take(world.context, observe(world.driver, LAB), ["dns", "client"], "monday")
    world.damage("dns")
    assert set(back(world, snapshot="monday").machines) == {"dns", "client"}
    assert world.machine("dns").marks[GUEST] != "broken"


def test_the_values_in_force_survive_a_snapshot_that_is_older(world: LabWorld) -> None:
    fast = world.blueprint("failover", {"tuning": "fast"})
    from vboxlab.lab.planned import make_plan
    from vboxlab.lab.up import up

    up(world.context, fast, LAB, jobs=4)
    reset(world.context, fast, LAB, jobs=4)
    assert '"tuning": "fast"' in world.machine("srv-web").marks["values"]
    assert make_plan(world.context, fast, LAB)[0].actions == ()


def test_stopped_by_ctrl_c(world: LabWorld) -> None:
    world.guests.on_configure = lambda _machine: world.context.stop.set()
    with pytest.raises(CopyStopped):
        back(world)


def test_two_copies_at_once_and_one_that_cannot(world: LabWorld) -> None:
    for lab in (ALICE, BOB):
        world.up(lab=lab)
    world.damage("srv-web", ALICE)
    other = dict(world.machines())
    handle = world.machine("srv-web", BOB).handle
    world.driver.power_off(handle, "hard")
    world.driver.delete_snapshot(handle, "apache-base")
    context = replace(world.context, listing=Listing(world.driver))
    results = run_copies(
        [ALICE, BOB],
        lambda lab, events: reset(replace(context, events=events), world.blueprint(), lab, jobs=2),
        width=2,
        events=world.events.append,
        stop=context.stop,
    )
    assert [result.outcome for result in results] == ["done", "failed"]
    assert results[1].why == "lab ha/bob: srv-web cannot go back to apache-base; nothing was changed"
    assert exit_code(results) == 8
    assert world.plan(lab=ALICE).actions == ()
    assert world.machines() == other
