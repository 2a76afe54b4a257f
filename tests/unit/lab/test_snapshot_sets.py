"""Snapshots of a whole lab: all or nothing, also when something fails or the process is killed in the middle."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tests.unit.lab_world import LAB, LabWorld
from vboxlab.errors import DriverError, LabError, MachineConflict, SnapshotNotFound
from vboxlab.events import Event, Note
from vboxlab.hypervisor.memory import CAPABILITIES, MemoryDriver
from vboxlab.lab.journal import read_journal
from vboxlab.lab.observe import observe
from vboxlab.lab.snapshot_sets import delete, restore, snapshot_rows, take, take_on
from vboxlab.planning.observed import ObservedLab, PowerState
from vboxlab.planning.snapshot_states import content_of

PAIR = ["srv-web", "srv-web-bis"]
BASE = "apache-base"


@pytest.fixture
def world(tmp_path: Path) -> LabWorld:
    made = LabWorld(tmp_path / "home")
    made.up()
    return made


def seen(world: LabWorld) -> ObservedLab:
    return observe(world.driver, LAB)


def test_a_snapshot_is_taken_with_the_machines_off_and_they_run_again(world: LabWorld) -> None:
    take(world.context, seen(world), PAIR, "before-exam")
    assert all(world.machine(name).current_snapshot == world.machine(name).snapshots[-1].id for name in PAIR)
    assert {world.machine(name).snapshots[-1].name for name in PAIR} == {"before-exam"}
    assert set(world.powers().values()) == {"running"}
    rows = {row.name: row for row in snapshot_rows(seen(world))}
    assert (rows["before-exam"].machines, rows["before-exam"].live) == (tuple(PAIR), False)
    content = content_of(world.machine("srv-web").snapshots[-1])
    assert content is not None
    assert (content.marks["topology"], content.marks["stage"]) == ("failover", "heartbeat")
    assert content.plugs == {1: "internal sw-dmz", 8: "nat"}


def test_a_snapshot_that_fails_in_the_middle_is_taken_back(world: LabWorld) -> None:
    for name in PAIR:
        world.driver.power_off(world.machine(name).handle, "hard")
    seen_before = {name: world.machine(name) for name in PAIR}
    world.driver.take_snapshot(seen_before["srv-web-bis"].handle, "x")  # by somebody, since the lab was looked at
    with pytest.raises(DriverError) as caught:
        take_on(world.driver, seen_before, "x")
    assert caught.value.brief.startswith("snapshot x was not taken: srv-web-bis has a snapshot 'x' already")
    assert not world.machine("srv-web").has_snapshot("x")
    assert world.machine("srv-web-bis").has_snapshot("x")
    world.store.fail("delete_snapshot")
    with pytest.raises(DriverError) as caught:
        take_on(world.driver, seen_before, "x")
    assert caught.value.details[-1] == "if it is on srv-web, it stays there: it could not be deleted"


def test_a_snapshot_is_taken_back_where_the_call_failed_after_its_effect(world: LabWorld) -> None:
    for name in PAIR:
        world.driver.power_off(world.machine(name).handle, "hard")
    machines = {name: world.machine(name) for name in PAIR}

    class Losing(MemoryDriver):
        """A driver that loses its connection once the second snapshot is taken."""

        def take_snapshot(self, handle: str, name: str, *, live: bool = False, description: str = "") -> None:
            super().take_snapshot(handle, name, live=live, description=description)
            if handle == machines["srv-web-bis"].handle:
                raise DriverError("the connection was lost")

    with pytest.raises(DriverError, match="the connection was lost"):
        take_on(Losing(world.store), machines, "x")
    assert not any(world.machine(name).has_snapshot("x") for name in PAIR)


def test_machines_run_again_after_a_snapshot_that_failed(world: LabWorld) -> None:
    world.store.fail("take_snapshot", error=DriverError("no space"))
    with pytest.raises(DriverError, match="no space"):
        take(world.context, seen(world), PAIR, "x")
    assert set(world.powers().values()) == {"running"}
    assert not any(world.machine(name).has_snapshot("x") for name in PAIR)


def test_a_name_that_exists_is_refused_before_anything_is_switched_off(world: LabWorld) -> None:
    with pytest.raises(MachineConflict) as caught:
        take(world.context, seen(world), [*PAIR, "dns"], BASE)
    assert caught.value.details == (
        "srv-web: has it (its snapshots: apache-base)",
        "srv-web-bis: has it (its snapshots: apache-base)",
        "dns: LACKS it (its snapshots: none)",
    )
    assert set(world.powers().values()) == {"running"}


def test_what_a_driver_cannot_do_is_refused_before_anything_is_touched(world: LabWorld) -> None:
    plain = MemoryDriver(world.store, replace(CAPABILITIES, live_snapshots=False))
    with pytest.raises(DriverError, match="takes no snapshots of running machines"):
        take(replace(world.context, driver=plain), seen(world), PAIR, "x", live=True)
    saved = replace(world.machine("dns"), power=PowerState.SAVED)
    world.store.machines[saved.handle] = saved
    with pytest.raises(LabError) as caught:
        take(world.context, seen(world), [*PAIR, "dns"], "x")
    assert caught.value.details == ("dns is saved",)
    assert world.powers()["srv-web"] == "running"


def test_restore_brings_back_all_and_starts_those_that_ran(world: LabWorld) -> None:
    world.driver.power_off(world.machine("srv-web-bis").handle, "hard")
    restore(world.context, seen(world), PAIR, BASE)
    assert {name: world.machine(name).marks["stage"] for name in PAIR} == dict.fromkeys(PAIR, "web")
    assert world.powers()["srv-web"] == "running"
    assert world.powers()["srv-web-bis"] == "off"
    assert read_journal(world.context.directory(LAB).journal) is None


def test_restore_touches_nothing_unless_all_have_the_snapshot(world: LabWorld) -> None:
    before = dict(world.machines())
    with pytest.raises(SnapshotNotFound) as caught:
        restore(world.context, seen(world), [*PAIR, "client"], BASE)
    assert caught.value.brief == "lab ha: client cannot go back to apache-base; nothing was changed"
    assert caught.value.details[2] == "client: LACKS it (its snapshots: none)"
    assert world.machines() == before


def test_a_snapshot_that_cannot_be_taken_is_the_message_also_when_the_start_fails_then(world: LabWorld) -> None:
    world.store.fail("take_snapshot", error=DriverError("the disk is full", resolution="free 2 GB"))
    world.store.fail("start", times=2, error=DriverError("no memory"))
    with pytest.raises(DriverError) as caught:
        take(world.context, seen(world), PAIR, "x")
    assert caught.value.brief == "snapshot x was not taken: the disk is full"
    assert caught.value.resolution == "free 2 GB"
    assert caught.value.details == (
        "and then: lab ha: start failed on srv-web, srv-web-bis", "srv-web: no memory", "srv-web-bis: no memory",
    )  # fmt: skip


def test_after_a_live_restore_clocks_are_set_before_anything_else(world: LabWorld) -> None:
    real = MemoryDriver(world.store, replace(CAPABILITIES, boots_guests=True))
    context = replace(world.context, driver=real)
    take(context, seen(world), PAIR, "running", live=True)
    for name in PAIR:
        world.driver.power_off(world.machine(name).handle, "hard")
    world.guests.calls.clear()
    restore(context, seen(world), PAIR, "running", base_of=world.bases.get)
    assert world.powers()["srv-web"] == "running"
    assert sorted((name, "hwclock -s" in script) for name, script, _ in world.guests.scripts) == [
        (name, True) for name in PAIR
    ]
    assert sorted(world.guests.calls) == [(what, name) for what in ("contact", "forget") for name in PAIR]
    world.guests.silent["srv-web"] = 1
    with pytest.raises(LabError, match="reach guest failed on srv-web") as caught:
        restore(context, seen(world), PAIR, "running", base_of=world.bases.get)
    assert caught.value.details == ("srv-web: no SSH server answers in the guest",)


def test_a_set_is_taken_and_restored_when_its_guests_answer_again(world: LabWorld) -> None:
    events: list[Event] = []
    real = MemoryDriver(world.store, replace(CAPABILITIES, boots_guests=True))
    context = replace(world.context, driver=real, events=events.append)
    world.guests.calls.clear()
    take(context, seen(world), PAIR, "exam", base_of=world.bases.get)
    assert sorted(world.guests.calls)[:2] == [("contact", name) for name in PAIR]
    world.guests.calls.clear()
    world.guests.silent["srv-web"] = 1
    restore(context, seen(world), PAIR, "exam", base_of=world.bases.get)
    assert ("contact", "srv-web-bis") in world.guests.calls
    assert [event.text for event in events if isinstance(event, Note)] == [
        "srv-web: started, and not reached: no SSH server answers in the guest"
    ]
    assert set(world.powers().values()) == {"running"}
    world.guests.calls.clear()
    restore(context, seen(world), PAIR, "exam", start=False, base_of=world.bases.get)
    assert "contact" not in {what for what, _ in world.guests.calls}


def test_up_sets_the_clock_of_a_machine_that_was_saved(world: LabWorld) -> None:
    saved = replace(world.machine("dns"), power=PowerState.SAVED)
    world.store.machines[saved.handle] = saved
    world.up()
    assert [name for name, _, _ in world.guests.scripts] == ["dns"]


def test_up_goes_back_to_a_snapshot_that_was_taken_live(world: LabWorld) -> None:
    for name in PAIR:
        world.driver.power_off(world.machine(name).handle, "hard")
        world.driver.delete_snapshot(world.machine(name).handle, BASE)
        world.driver.start(world.machine(name).handle)
        world.driver.take_snapshot(world.machine(name).handle, BASE, live=True)
    world.up("loadbalancing")
    assert world.plan("loadbalancing").actions == ()


def test_delete_wants_the_machines_off_and_all_to_have_it(world: LabWorld) -> None:
    with pytest.raises(LabError, match="srv-web, srv-web-bis must be off to delete apache-base"):
        delete(world.context, seen(world), PAIR, BASE)
    for name in PAIR:
        world.driver.power_off(world.machine(name).handle, "hard")
    with pytest.raises(SnapshotNotFound, match="srv-web, srv-web-bis cannot delete nothing-like-it"):
        delete(world.context, seen(world), PAIR, "nothing-like-it")
    delete(world.context, seen(world), PAIR, BASE)
    assert snapshot_rows(seen(world)) == []
