"""Restores that were interrupted: what is known of them, who finishes them, and that nobody's work goes with them."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.unit.lab_world import GUEST, LAB, LabWorld
from vboxlab.errors import DriverError, LabError
from vboxlab.hypervisor.memory import Crash
from vboxlab.lab.down import down
from vboxlab.lab.journal import drop_restore, finish_restore, read_journal
from vboxlab.lab.observe import observe, settle
from vboxlab.lab.snapshot_sets import delete, restore, take
from vboxlab.planning.observed import ObservedLab, PendingRestore
from vboxlab.planning.pending import FINISH_OR_DROP

PAIR = ["srv-web", "srv-web-bis"]
BASE = "apache-base"


@pytest.fixture
def world(tmp_path: Path) -> LabWorld:
    made = LabWorld(tmp_path / "home")
    made.up()
    return made


def seen(world: LabWorld) -> ObservedLab:
    return observe(world.driver, LAB)


def pending(world: LabWorld) -> PendingRestore | None:
    return settle(world.context, LAB).pending


def killed(world: LabWorld, call: str = "restore_snapshot", nth: int = 1, *, after: bool = True) -> None:
    """Let a restore be killed at a call of the driver."""
    (world.store.crash_after if after else world.store.crash_during)(call, nth)
    with pytest.raises(Crash):
        restore(world.context, seen(world), PAIR, BASE)


@pytest.mark.parametrize("after", [False, True], ids=["during", "after"])
@pytest.mark.parametrize("nth", [1, 2])
def test_a_restore_killed_in_the_middle_is_finished_by_up_as_nothing_more_is_lost(
    world: LabWorld, nth: int, after: bool
) -> None:
    killed(world, nth=nth, after=after)
    undone = PAIR[nth if after else nth - 1 :]
    left = pending(world)
    assert (left.undone if left else ()) == tuple(undone)
    world.declines = True
    world.up()
    assert pending(world) is None
    assert world.plan().actions == ()
    assert world.asked == []


@pytest.mark.parametrize("call", ["power_off", "start"])
def test_killed_before_or_after_the_restores_nothing_is_pending(world: LabWorld, call: str) -> None:
    killed(world, call)
    assert pending(world) is None
    stage = "heartbeat" if call == "power_off" else "web"
    assert {world.machine(name).marks["stage"] for name in PAIR} == {stage}


def test_the_record_has_a_date_and_says_which_machines_are_done(world: LabWorld) -> None:
    killed(world, after=False, nth=2)
    journal = read_journal(world.context.directory(LAB).journal)
    assert journal is not None
    assert (journal.snapshot, journal.machines, journal.done) == (BASE, tuple(PAIR), ("srv-web",))
    assert abs(datetime.now(UTC) - datetime.fromisoformat(journal.begun)) < timedelta(minutes=5)
    found = pending(world)
    assert found == PendingRestore(BASE, journal.begun, ("srv-web",), ("srv-web-bis",))
    assert found.harmless


def used_since(world: LabWorld) -> None:
    """Let a restore be killed before it came to srv-web-bis, and a student work there then."""
    killed(world, after=False, nth=2)
    world.driver.start(world.machine("srv-web-bis").handle)
    world.guests.write(world.machine("srv-web-bis").handle, "two days of work")
    world.driver.power_off(world.machine("srv-web-bis").handle, "graceful")


def test_work_done_since_an_interrupted_restore_is_thrown_away_by_nobody(world: LabWorld) -> None:
    used_since(world)
    before = dict(world.machines())
    journal = world.context.directory(LAB).journal.read_bytes()
    found = pending(world)
    assert found is not None
    assert found.used == ("srv-web-bis",)
    assert "srv-web-bis was started since: finishing it throws away what was done there" in world.plan().blockers
    for attempt in (
        world.up,
        lambda: take(world.context, settle(world.context, LAB), PAIR, "my-two-days"),
        lambda: delete(world.context, settle(world.context, LAB), PAIR, BASE),
        lambda: restore(world.context, settle(world.context, LAB), ["srv-web"], BASE),
    ):
        with pytest.raises(LabError) as caught:
            attempt()
        assert FINISH_OR_DROP in (caught.value.resolution, *caught.value.details)
    assert world.machines() == before
    assert world.context.directory(LAB).journal.read_bytes() == journal
    down(world.context, LAB, timeout=1, hard=False, jobs=1)
    assert any("was interrupted" in text and FINISH_OR_DROP in text for text in world.texts())
    assert world.machine("srv-web-bis").marks[GUEST] == "two days of work"


def test_finishing_touches_only_the_machines_that_were_left_out(world: LabWorld) -> None:
    used_since(world)
    world.driver.start(world.machine("srv-web").handle)
    world.guests.write(world.machine("srv-web").handle, "done since, on the restored one")
    observed = settle(world.context, LAB)
    assert observed.pending is not None
    finish_restore(world.driver, world.context.directory(LAB), observed, observed.pending)
    assert world.machine("srv-web").marks[GUEST] == "done since, on the restored one"
    assert world.powers()["srv-web"] == "running"
    assert world.machine("srv-web-bis").marks["stage"] == "web"
    assert pending(world) is None


def test_dropping_leaves_every_machine_as_it_is(world: LabWorld) -> None:
    used_since(world)
    before = dict(world.machines())
    drop_restore(world.context.directory(LAB))
    assert world.machines() == before
    assert pending(world) is None
    take(world.context, settle(world.context, LAB), PAIR, "my-two-days")
    world.up()
    assert world.plan().actions == ()


def test_a_restore_that_fails_on_one_machine_says_where_and_can_be_finished(world: LabWorld) -> None:
    world.store.fail("restore_snapshot", error=DriverError("the disk is locked"))
    with pytest.raises(LabError) as caught:
        restore(world.context, seen(world), PAIR, BASE)
    assert caught.value.details == ("srv-web: the disk is locked", "srv-web-bis: restored")
    assert caught.value.resolution == f"once the cause is mended, {FINISH_OR_DROP}"
    world.up()
    assert world.plan().actions == ()


def test_a_power_off_that_fails_means_that_nothing_was_restored(world: LabWorld) -> None:
    world.store.fail("power_off", error=DriverError("the session is locked"))
    with pytest.raises(DriverError) as caught:
        restore(world.context, seen(world), PAIR, BASE)
    assert caught.value.details == ("apache-base was restored on no machine",)
    assert world.machine("srv-web").marks["stage"] == "heartbeat"
    assert pending(world) is None


def test_a_new_restore_of_the_same_machines_replaces_an_interrupted_one(world: LabWorld) -> None:
    used_since(world)
    restore(world.context, settle(world.context, LAB), PAIR, BASE)
    assert pending(world) is None
    assert {world.machine(name).marks["stage"] for name in PAIR} == {"web"}


@pytest.mark.parametrize("text", ["{", "[]", '{"snapshot": "x", "machines": "dns"}', '{"version": 9}', "\0\xff", "{}"])
def test_a_record_that_cannot_be_read_is_kept_and_counts_as_a_restore_of_unknown_extent(
    world: LabWorld, text: str
) -> None:
    journal = world.context.directory(LAB).ensure() / "restore.json"
    journal.write_bytes(text.encode("latin-1"))
    found = pending(world)
    assert found is not None
    assert found.unknown.startswith(str(journal))
    with pytest.raises(LabError):
        world.up()
    with pytest.raises(LabError):
        take(world.context, settle(world.context, LAB), PAIR, "x")
    with pytest.raises(LabError, match="cannot be finished"):
        finish_restore(world.driver, world.context.directory(LAB), settle(world.context, LAB), found)
    assert journal.read_bytes() == text.encode("latin-1")
    drop_restore(world.context.directory(LAB))
    world.up()


def test_a_record_without_date_from_an_older_vboxlab_is_not_finished_unasked(world: LabWorld) -> None:
    journal = world.context.directory(LAB).ensure() / "restore.json"
    journal.write_text(json.dumps({"snapshot": BASE, "machines": PAIR, "start": PAIR}))
    found = pending(world)
    assert found is not None
    assert (found.begun, found.used) == ("", tuple(PAIR))
    journal.write_text(json.dumps({"snapshot": BASE, "machines": [], "start": PAIR}))
    assert pending(world) is None


def test_a_snapshot_that_is_gone_cannot_be_gone_back_to(world: LabWorld) -> None:
    journal = world.context.directory(LAB).ensure() / "restore.json"
    journal.write_text(json.dumps({"version": 2, "snapshot": "gone", "machines": ["dns"], "begun": "2026-11-28"}))
    found = pending(world)
    assert found is not None
    assert found.impossible == ("dns no longer has the snapshot gone",)
    with pytest.raises(LabError, match="cannot be brought to failover"):
        world.up()


def test_a_record_that_cannot_be_written_stops_a_restore_before_it_begins(world: LabWorld) -> None:
    (world.context.directory(LAB).ensure() / "restore.json").mkdir()
    with pytest.raises(LabError, match="cannot be recorded: Is a directory") as caught:
        restore(world.context, seen(world), PAIR, BASE)
    assert caught.value.details == ("restored so far: no machine",)
    assert {world.machine(name).marks["stage"] for name in PAIR} == {"heartbeat"}
