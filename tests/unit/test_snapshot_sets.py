"""Snapshots of a whole lab: all or nothing, also when something fails or the process is killed in the middle."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tests.unit.lab_world import LAB, LabWorld
from vboxlab.errors import DriverError, LabError, MachineConflict, SnapshotNotFound
from vboxlab.events import Event, Note
from vboxlab.hypervisor.memory import CAPABILITIES, Crash, MemoryDriver
from vboxlab.lab.journal import Journal, finish_restore, read_journal
from vboxlab.lab.observe import observe
from vboxlab.lab.snapshot_sets import delete, restore, snapshot_rows, take, take_on
from vboxlab.lab.snapshot_states import content_of
from vboxlab.planning.observed import ObservedLab, PowerState

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
    handles = {name: world.machine(name).handle for name in PAIR}
    for name in PAIR:
        world.driver.power_off(handles[name], "hard")
    world.driver.take_snapshot(handles["srv-web-bis"], "x")
    with pytest.raises(DriverError) as caught:
        take_on(world.driver, handles, "x")
    assert caught.value.brief.startswith("snapshot x was not taken: srv-web-bis has a snapshot 'x' already")
    assert not world.machine("srv-web").has_snapshot("x")
    world.store.fail("delete_snapshot")
    with pytest.raises(DriverError) as caught:
        take_on(world.driver, handles, "x")
    assert caught.value.details[-1] == "it stays on srv-web, where it could not be deleted again"


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


@pytest.mark.parametrize("after", [False, True], ids=["during", "after"])
@pytest.mark.parametrize(("call", "nth"), [(c, n) for c in ("power_off", "restore_snapshot", "start") for n in (1, 2)])
def test_a_restore_killed_in_the_middle_is_finished_by_the_next_command(
    world: LabWorld, call: str, nth: int, after: bool
) -> None:
    (world.store.crash_after if after else world.store.crash_during)(call, nth)
    with pytest.raises(Crash):
        restore(world.context, seen(world), PAIR, BASE)
    told = finish_restore(world.context, seen(world))
    assert told is not None
    assert {name: world.machine(name).marks["stage"] for name in PAIR} == dict.fromkeys(PAIR, "web")
    assert set(world.powers().values()) == {"running"}
    assert finish_restore(world.context, seen(world)) is None


def test_up_finishes_an_interrupted_restore_and_goes_on(world: LabWorld) -> None:
    world.store.crash_after("restore_snapshot")
    with pytest.raises(Crash):
        restore(world.context, seen(world), PAIR, BASE)
    world.up()
    assert "an interrupted restore of apache-base on srv-web, srv-web-bis was finished" in world.texts()
    assert world.plan().actions == ()


def test_a_restore_that_fails_on_one_machine_says_where_and_is_finished_later(world: LabWorld) -> None:
    world.store.fail("restore_snapshot", error=DriverError("the disk is locked"))
    with pytest.raises(LabError) as caught:
        restore(world.context, seen(world), PAIR, BASE)
    assert caught.value.details == ("srv-web: the disk is locked", "srv-web-bis: restored")
    assert read_journal(world.context.directory(LAB).journal) == Journal(BASE, tuple(PAIR), tuple(PAIR))
    world.up()
    assert world.plan().actions == ()


def test_a_power_off_that_fails_means_that_nothing_was_restored(world: LabWorld) -> None:
    world.store.fail("power_off", error=DriverError("the session is locked"))
    with pytest.raises(DriverError) as caught:
        restore(world.context, seen(world), PAIR, BASE)
    assert caught.value.details == ("apache-base was restored on no machine",)
    assert world.machine("srv-web").marks["stage"] == "heartbeat"
    assert finish_restore(world.context, seen(world)) is None


def test_a_new_restore_of_the_same_machines_replaces_an_interrupted_one(world: LabWorld) -> None:
    world.store.crash_after("restore_snapshot")
    with pytest.raises(Crash):
        restore(world.context, seen(world), PAIR, BASE)
    assert finish_restore(world.context, seen(world), unless=[*PAIR, "dns"]) is None
    assert read_journal(world.context.directory(LAB).journal) is None


def test_a_journal_that_cannot_be_read_or_done_is_dropped(world: LabWorld) -> None:
    journal = world.context.directory(LAB).journal
    world.context.directory(LAB).ensure()
    for text in ("{", "[]", '{"snapshot": "x"}', '{"snapshot": "gone", "machines": ["dns"]}'):
        journal.write_text(text)
        finish_restore(world.context, seen(world))
        assert not journal.exists()
    assert set(world.powers().values()) == {"running"}


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
