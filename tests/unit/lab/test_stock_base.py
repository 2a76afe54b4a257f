"""A lab of clones that know nothing of vboxlab: first met over adapter 1, afterwards like all others."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tests.unit.lab_world import LAB, LabWorld
from tests.unit.plan_world import World, desired, topology
from vboxlab.errors import GuestError
from vboxlab.hypervisor.memory import Crash
from vboxlab.lab.planned import make_plan
from vboxlab.lab.status import machine_statuses
from vboxlab.planning import actions as act
from vboxlab.planning.observed import PowerState
from vboxlab.planning.planner import UNTIL_CREATED, plan

ALL = {"client", "dns", "firewall", "srv-web", "srv-web-bis"}


@pytest.fixture
def world(tmp_path: Path) -> LabWorld:
    return stock_world(tmp_path / "home")


def stock_world(home: Path) -> LabWorld:
    world = LabWorld(home)
    world.bases.stock.add("debian12")
    return world


def steps_of(world: LabWorld, name: str) -> list[act.Step]:
    return [a.step for a in world.plan().actions if getattr(a.step, "machine", "") == name]


def test_a_clone_is_met_over_adapter_1_which_then_goes_to_its_own_network(world: LabWorld) -> None:
    kinds = [type(step) for step in steps_of(world, "srv-web")]
    assert kinds[:6] == [act.Create, act.SetAdapters, act.Start, act.Introduce, act.SetAdapters, act.Contact]
    lent, own = (step for step in steps_of(world, "srv-web") if isinstance(step, act.SetAdapters))
    assert [str(adapter.attachment) for adapter in lent.adapters] == ["nat", "nat"]
    assert [len(adapter.attachment.forwards) for adapter in lent.adapters] == [1, 0]
    assert [str(adapter.attachment) for adapter in own.adapters] == ["internal sw-dmz", "nat"]
    assert [(a.slot, a.mac) for a in lent.adapters] == [(a.slot, a.mac) for a in own.adapters]
    assert lent.adapters[0].attachment.subnet != lent.adapters[1].attachment.subnet
    assert lent.adapters[0].attachment.forwards == own.adapters[1].attachment.forwards


def test_a_lab_of_a_stock_base_is_up_and_stays_so(world: LabWorld) -> None:
    world.up()
    assert world.powers() == dict.fromkeys(sorted(ALL), "running")
    calls = world.guests.calls
    assert sorted(name for call, name in calls if call == "introduce") == sorted(ALL)
    assert calls.index(("introduce", "srv-web")) < calls.index(("first contact", "srv-web"))
    assert {machine.image for machine in world.machines().values()} == {"debian12"}
    assert world.plan().actions == ()
    calls.clear()
    assert world.up().actions == 0
    assert "introduce" not in {call for call, _ in calls}


def test_its_packages_come_through_the_router_and_are_found_by_the_name_server(world: LabWorld) -> None:
    found = world.plan().actions
    router, names = (next(a.id for a in found if a.step == act.Configure(name, None)) for name in ("firewall", "dns"))
    assert all({router, names} <= set(a.after) for a in found if a.step == act.Configure("srv-web", "web"))
    assert all(router in a.after for a in found if a.step == act.Configure("dns", None))


def test_created_machines_are_wired_as_the_topology_says_and_met_later(world: LabWorld) -> None:
    world.up(until=UNTIL_CREATED)
    assert not [call for call, _ in world.guests.calls]
    web = world.machine("srv-web")
    assert [str(adapter.attachment) for adapter in web.adapters] == ["internal sw-dmz", "nat"]
    world.up()
    assert sorted(name for call, name in world.guests.calls if call == "introduce") == sorted(ALL)


@pytest.mark.parametrize("after", [False, True], ids=["during", "after"])
@pytest.mark.parametrize("call", ["set_adapters", "start", "set_marks", "create"])
def test_killed_at_any_call_the_next_up_goes_on(tmp_path: Path, call: str, after: bool) -> None:
    for nth in range(1, 60):
        world = stock_world(tmp_path / f"{nth}")
        (world.store.crash_after if after else world.store.crash_during)(call, nth)
        try:
            world.up()
        except Crash:
            ports = {name: machine.management_port for name, machine in world.machines().items()}
            world.context = world.new_context()
            world.up()
        else:
            assert nth > 1
            return
        assert world.plan().actions == (), f"{call} {nth}"
        found = {name: machine.management_port for name, machine in world.machines().items()}
        assert found == {**found, **ports}
    pytest.fail(f"{call} is called more than 60 times")


def test_a_machine_left_with_its_adapter_lent_is_put_right(world: LabWorld) -> None:
    world.up(until=UNTIL_CREATED)
    _, wanted, _ = make_plan(world.context, world.blueprint(), LAB)
    web = world.machine("srv-web")
    world.driver.set_adapters(web.handle, wanted.machines["srv-web"].first_adapters)
    kinds = [type(step) for step in steps_of(world, "srv-web")]
    assert kinds[:4] == [act.Start, act.Introduce, act.SetAdapters, act.Contact]
    assert world.machine("srv-web").management_port == web.management_port
    world.up(until=UNTIL_CREATED)
    assert world.machine("srv-web").adapters == wanted.machines["srv-web"].adapters


def test_a_machine_that_was_started_by_hand_is_switched_off_to_lend_its_adapter(world: LabWorld) -> None:
    world.up(until=UNTIL_CREATED)
    world.driver.start(world.machine("srv-web").handle)
    kinds = [type(step) for step in steps_of(world, "srv-web")]
    assert kinds[:5] == [act.PowerOff, act.SetAdapters, act.Start, act.Introduce, act.SetAdapters]
    world.up()
    assert world.plan().actions == ()


def test_a_machine_that_was_met_but_did_not_answer_then_is_not_met_again(world: LabWorld) -> None:
    world.guests.silent["srv-web"] = 1
    with pytest.raises(GuestError, match="srv-web"):
        world.up()
    world.guests.calls.clear()
    assert isinstance(steps_of(world, "srv-web")[0], act.Contact)
    world.up()
    assert ("introduce", "srv-web") not in world.guests.calls
    assert ("first contact", "srv-web") in world.guests.calls
    assert world.plan().actions == ()


def test_status_shows_no_drift_while_nothing_is_wrong(world: LabWorld) -> None:
    world.up()
    _, wanted, observed = make_plan(world.context, world.blueprint(), LAB)
    assert [line for row in machine_statuses(observed, wanted) for line in row.drift] == []


def test_a_machine_without_adapter_1_cannot_be_met(world: LabWorld) -> None:
    observed = World().observed
    wanted = desired(topology(), observed)
    machine = wanted.machines["srv-web"]
    moved = tuple(replace(a, slot=2) if a.slot == 1 else a for a in machine.adapters)
    machines = {**wanted.machines, "srv-web": replace(machine, adapters=moved, stock=True)}
    assert any(
        "srv-web: it has no adapter 1" in text for text in plan(replace(wanted, machines=machines), observed).blockers
    )


def test_a_machine_switched_off_in_the_middle_is_met_again(world: LabWorld) -> None:
    world.store.fail("set_marks", 1)
    with pytest.raises(Exception, match="set_marks"):
        world.up(jobs=1)
    for machine in world.machines().values():
        if machine.power is PowerState.RUNNING:
            world.driver.power_off(machine.handle, "hard")
    world.up()
    assert world.plan().actions == ()
