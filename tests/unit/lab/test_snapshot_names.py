"""Two snapshots of one name on a machine, as VirtualBox lets somebody else take them: seen apart, never guessed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tests.unit.lab_world import LAB, LabWorld
from vboxlab.errors import LabError, MachineConflict, SnapshotAmbiguous, SnapshotNotFound
from vboxlab.lab.journal import read_journal, restore_on
from vboxlab.lab.observe import observe
from vboxlab.lab.planned import make_plan
from vboxlab.lab.reset import reset
from vboxlab.lab.snapshot_sets import check_has, delete, restore, snapshot_rows, take
from vboxlab.lab.snapshot_views import restore_diff, tree_lines
from vboxlab.planning.observed import ObservedLab, SnapshotState
from vboxlab.planning.snapshots import short_id

PAIR = ["srv-web", "srv-web-bis"]
BASE = "apache-base"


@pytest.fixture
def world(tmp_path: Path) -> LabWorld:
    """Return a lab that is off, whose srv-web has a second snapshot of the set's name below the first."""
    made = LabWorld(tmp_path / "home")
    made.up()
    for machine in made.machines().values():
        made.driver.power_off(machine.handle, "hard")
    made.store.take(made.machine("srv-web").handle, BASE)
    return made


def seen(world: LabWorld) -> ObservedLab:
    return observe(world.driver, LAB)


def ids(world: LabWorld) -> list[str]:
    return [snapshot.id for snapshot in world.machine("srv-web").snapshots]


def check_refused(world: LabWorld, caught: pytest.ExceptionInfo[SnapshotAmbiguous], before: ObservedLab) -> None:
    first, second = world.machine("srv-web").snapshots
    assert caught.value.brief == "srv-web: several snapshots may be meant by 'apache-base'; nothing was changed"
    assert caught.value.details == (
        f"srv-web: {first.id}  apache-base, {first.taken_at}",
        f"srv-web: {second.id}  apache-base, {second.taken_at}",
    )
    assert "id" in str(caught.value.resolution)
    assert seen(world) == before
    assert read_journal(world.context.directory(LAB).journal) is None


def test_a_set_with_a_doubtful_name_is_neither_restored_nor_deleted(world: LabWorld) -> None:
    before = seen(world)
    for attempt in (restore, delete):
        with pytest.raises(SnapshotAmbiguous) as caught:
            attempt(world.context, before, PAIR, BASE)
        check_refused(world, caught, before)
    with pytest.raises(SnapshotAmbiguous) as caught:
        restore_on(world.driver, world.context.directory(LAB), {n: before.machines[n] for n in PAIR}, BASE)
    check_refused(world, caught, before)
    with pytest.raises(MachineConflict):
        take(world.context, before, ["srv-web"], BASE)


def test_a_reset_to_a_doubtful_name_changes_nothing(world: LabWorld) -> None:
    before = seen(world)
    with pytest.raises(SnapshotAmbiguous) as caught:
        reset(world.context, world.blueprint(), LAB, jobs=1)
    check_refused(world, caught, before)
    wanted = ids(world)[0]
    assert reset(world.context, world.blueprint(), LAB, snapshot=wanted, jobs=1).machines == ("srv-web",)
    assert world.machine("srv-web").current_snapshot == wanted


def test_a_change_of_topology_does_not_guess_which_is_meant(world: LabWorld) -> None:
    before = seen(world)
    (blocker,) = world.plan("loadbalancing").blockers
    assert blocker.startswith("srv-web: several snapshots may be meant by apache-base (")
    assert all(identifier in blocker for identifier in ids(world))
    with pytest.raises(LabError) as caught:
        world.up("loadbalancing")
    assert blocker in caught.value.details
    assert seen(world) == before
    assert world.plan().blockers == ()  # nothing is restored for it
    delete(world.context, before, ["srv-web"], ids(world)[1])
    assert world.plan("loadbalancing").blockers == ()
    world.up("loadbalancing")


def test_an_id_names_the_snapshot_of_one_machine(world: LabWorld) -> None:
    first, second = ids(world)
    restore(world.context, seen(world), ["srv-web"], first[:8])
    assert world.machine("srv-web").current_snapshot == first
    restore(world.context, seen(world), ["srv-web"], second)
    assert world.machine("srv-web").current_snapshot == second
    with pytest.raises(SnapshotNotFound, match="srv-web-bis"):
        restore(world.context, seen(world), PAIR, second)
    delete(world.context, seen(world), ["srv-web"], second)
    restore(world.context, seen(world), PAIR, BASE)


def test_an_id_that_is_another_machines_snapshots_name_is_refused(world: LabWorld) -> None:
    first, _ = ids(world)
    world.driver.take_snapshot(world.machine("srv-web-bis").handle, first)
    with pytest.raises(SnapshotAmbiguous) as caught:
        check_has(seen(world), PAIR, first)
    assert [line.split(":")[0] for line in caught.value.details] == PAIR
    check_has(seen(world), ["srv-web"], first)


def test_trees_and_lists_show_them_apart(world: LabWorld) -> None:
    first, second = world.machine("srv-web").snapshots
    lines = tree_lines(seen(world))
    assert lines[lines.index("srv-web") :] == [
        "srv-web",
        f"  └─ apache-base [{first.id[:8]}] ({first.taken_at})",
        f"     └─ apache-base [{second.id[:8]}] ({second.taken_at})",
        "        └─ now",
        "srv-web-bis",
        f"  └─ apache-base ({world.machine('srv-web-bis').snapshots[0].taken_at})",
        "     └─ now",
    ]
    rows = [(row.name, row.machines, dict(row.ids), row.short_id, row.current) for row in snapshot_rows(seen(world))]
    bis = world.machine("srv-web-bis").snapshots[0].id
    assert sorted(rows, key=str) == sorted(
        [
            (BASE, ("srv-web-bis",), {"srv-web-bis": bis}, "", ("srv-web-bis",)),
            (BASE, ("srv-web",), {"srv-web": first.id}, first.id[:8], ()),
            (BASE, ("srv-web",), {"srv-web": second.id}, second.id[:8], ("srv-web",)),
        ],
        key=str,
    )


def test_siblings_of_one_name_are_shown_apart(world: LabWorld) -> None:
    driver, handle = world.driver, world.machine("srv-web").handle
    driver.restore_snapshot(handle, ids(world)[0])
    world.store.take(handle, BASE)
    lines = [line.split(" (")[0] for line in tree_lines(seen(world))]
    start = lines.index("srv-web")
    one, two, three = (identifier[:8] for identifier in ids(world))
    assert lines[start + 1 : start + 5] == [
        f"  └─ apache-base [{one}]",
        f"     ├─ apache-base [{two}]",
        f"     └─ apache-base [{three}]",
        "        └─ now",
    ]


def test_a_diff_is_of_the_snapshot_that_is_meant(world: LabWorld) -> None:
    _, desired, observed = make_plan(world.context, world.blueprint(), LAB)
    first, second = ids(world)
    assert restore_diff(desired, observed, ["srv-web"], first).changes == ("srv-web: stage heartbeat -> web",)
    assert restore_diff(desired, observed, ["srv-web"], second).unknown
    with pytest.raises(SnapshotAmbiguous):
        restore_diff(desired, observed, PAIR, BASE)


def test_no_shape_of_a_tree_is_followed_without_end(world: LabWorld) -> None:
    machine = world.machine("srv-web")
    chain = tuple(SnapshotState("same", f"{n - 1:08}" if n else None, "t", id=f"{n:08}") for n in range(3000))
    deep = replace(machine, snapshots=chain, current_snapshot="00002999")
    assert len(tree_lines(ObservedLab(LAB, {"srv-web": deep}))) == 3002
    orphan = SnapshotState("orphan", "gone", "t", id="orphan-1")
    loop = (SnapshotState("a", "id-b", "t", id="id-a"), SnapshotState("b", "id-a", "t", id="id-b"))
    strange = replace(machine, snapshots=(orphan, *loop), current_snapshot="gone too")
    assert tree_lines(ObservedLab(LAB, {"srv-web": strange}))[1:] == ["  ├─ orphan (t)", "  └─ now"]


def test_a_short_id_is_as_long_as_it_takes(world: LabWorld) -> None:
    ones = [SnapshotState("x", None, "t", id=f"12345678-{n}") for n in ("ab", "ac", "b")]
    named = SnapshotState("12345678-b", None, "t", id="ffffffff")
    machine = replace(world.machine("srv-web"), snapshots=(*ones, named))
    assert [short_id(machine, one) for one in machine.snapshots] == [
        "12345678-ab",
        "12345678-ac",
        "12345678-b",  # a name of another: it cannot be named
        "ffffffff",
    ]
