"""A lab with disks besides the first: made, added to, never made otherwise, held by snapshots or not."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.unit.lab_world import LabWorld
from vboxlab.errors import LabError
from vboxlab.lab.capacity import CLONE_MIB, FRESH_CLONE_MIB, WRITTEN_MIB, demand, disks_room
from vboxlab.lab.observe import observe, settle
from vboxlab.lab.overview import overview
from vboxlab.lab.planned import Blueprint, make_plan
from vboxlab.lab.snapshot_sets import restore, take
from vboxlab.lab.status import machine_statuses
from vboxlab.lab.up import up
from vboxlab.planning import actions as act
from vboxlab.planning.describe import lines
from vboxlab.planning.observed import DiskState, ObservedLab, PowerState
from vboxlab.topology.addressing import LabName
from vboxlab.topology.loader import load_snapshot_set, load_topology

STORAGE = LabName("storage")
TEXT = """\
lab: storage
base: debian12
networks:
  lan: {}
disks:
  quorum: {size: 64 MiB}
machines:
  one:
    hostname: one
    adapters: [{network: lan}]
    disks:
      - {name: data, size: 1 GiB}
      - {shared: quorum}
    dvd: tools.iso
  two:
    hostname: two
    adapters: [{network: lan}]
    disks: [{shared: quorum}]
  three:
    hostname: three
    adapters: [{network: lan}]
stages:
  - {name: base, snapshot: clean}
"""
SET = "lab: storage\ntopology: storage\nstage: base\nmachines: [{machines}]\n"
DATA, QUORUM = DiskState("data", 1024), DiskState("quorum", 64, shared=True)
Say = Callable[..., Blueprint]


@pytest.fixture
def world(tmp_path: Path) -> LabWorld:
    return LabWorld(tmp_path / "home")


@pytest.fixture
def storage(tmp_path: Path) -> Say:
    """Return what reads the topology with some text replaced, and its snapshot set with these machines."""

    def read(*replaced: tuple[str, str], members: str = "three") -> Blueprint:
        text = TEXT
        for before, after in replaced:
            assert before in text
            text = text.replace(before, after)
        (tmp_path / "storage.yaml").write_text(text)
        (tmp_path / "clean.yaml").write_text(SET.format(machines=members))
        (tmp_path / "tools.iso").write_bytes(b"")
        topology = load_topology(tmp_path / "storage.yaml")
        return Blueprint(topology, [load_snapshot_set(tmp_path / "clean.yaml")], lambda _name: read())

    return read


def seen(world: LabWorld) -> ObservedLab:
    return settle(world.context, STORAGE)


def test_up_makes_the_disks_and_then_has_nothing_to_do(world: LabWorld, storage: Say, tmp_path: Path) -> None:
    up(world.context, storage(), STORAGE, jobs=2)
    assert world.machine("one", STORAGE).disks == (DATA, QUORUM)
    assert world.machine("one", STORAGE).dvd == str(tmp_path / "tools.iso")
    assert world.machine("two", STORAGE).disks == (QUORUM,)
    found, _desired, _observed = make_plan(world.context, storage(), STORAGE)
    assert (found.actions, found.notes, found.blockers) == ((), (), ())
    assert world.store.shared == {("storage", "quorum"): ""}


def test_the_plan_tells_of_disks(world: LabWorld, storage: Say) -> None:
    found, _desired, _observed = make_plan(world.context, storage(), STORAGE)
    text = "\n".join(lines(found))
    assert "there is no VM one of this lab yet; besides its first disk: data (1 GiB), quorum (64 MiB)" in text
    assert "insert tools.iso" in text


def test_a_disk_that_is_new_in_the_topology_is_added_while_the_machine_is_off(world: LabWorld, storage: Say) -> None:
    up(world.context, storage(), STORAGE, jobs=2)
    more = storage(("{name: data, size: 1 GiB}\n", "{name: data, size: 1 GiB}\n      - {name: logs, size: 512 MiB}\n"))
    found, _desired, _observed = make_plan(world.context, more, STORAGE)
    steps = [action.step for action in found.actions]
    assert steps[:2] == [act.PowerOff("one"), act.AddDisks("one", (DiskState("logs", 512),))]
    assert found.actions[0].reason == "disk logs (512 MiB) is missing"
    assert any("add disk logs (512 MiB)" in line for line in lines(found))
    up(world.context, more, STORAGE, jobs=2)
    one = world.machine("one", STORAGE)
    assert (one.power, one.disks) == (PowerState.RUNNING, (DATA, QUORUM, DiskState("logs", 512)))
    after, _desired, _observed = make_plan(world.context, more, STORAGE)
    assert after.actions == ()
    assert after.notes == (
        (
            "one: its disks come in the order data, quorum, logs, not data, logs, quorum; use their names below "
            "/dev/disk/by-id"
        ),
    )


def test_a_disk_that_is_gone_from_the_topology_stays_and_is_told_of(world: LabWorld, storage: Say) -> None:
    up(world.context, storage(), STORAGE, jobs=2)
    fewer = storage(("      - {name: data, size: 1 GiB}\n", ""))
    found, _desired, _observed = make_plan(world.context, fewer, STORAGE)
    assert (found.actions, found.blockers) == ((), ())
    assert found.notes == ("one: disk data is not in the topology; it is kept",)


def test_a_disk_of_another_size_stops_the_plan(world: LabWorld, storage: Say) -> None:
    up(world.context, storage(), STORAGE, jobs=2)
    smaller = storage(("1 GiB", "512 MiB"))
    found, _desired, _observed = make_plan(world.context, smaller, STORAGE)
    (blocker,) = found.blockers
    assert blocker == (
        "one: disk data has 1 GiB, expected 512 MiB; a disk that holds work is never changed: correct the topology, or "
        "give the disk another name there to have a new one beside it"
    )
    with pytest.raises(LabError):
        up(world.context, smaller, STORAGE, jobs=2)
    assert world.machine("one", STORAGE).disks == (DATA, QUORUM)


def test_status_tells_of_disks_and_of_those_that_are_missing(world: LabWorld, storage: Say) -> None:
    up(world.context, storage(), STORAGE, jobs=2)
    more = storage(("disks: [{shared: quorum}]", "disks: [{shared: quorum}, {size: 2 GiB}]"))
    found, wanted, observed = make_plan(world.context, more, STORAGE)
    del found
    rows = {row.machine: row for row in machine_statuses(observed, wanted)}
    assert rows["one"].disks == ("data (1 GiB)", "quorum (64 MiB, shared)", "tools.iso in the drive")
    assert rows["one"].drift == ()
    assert rows["two"].drift == ("disk disk3 (2 GiB) is missing",)
    (row,) = overview(world.home, world.driver.machines(), lambda _name: more.topology)
    assert row.drift == ("two: disk disk3 (2 GiB) is missing",)


def test_a_stage_cannot_end_in_a_snapshot_of_machines_that_share_a_disk(world: LabWorld, storage: Say) -> None:
    found, _desired, _observed = make_plan(world.context, storage(members="one, two, three"), STORAGE)
    (blocker,) = found.blockers
    assert blocker == (
        "snapshot clean would leave out the disk quorum, which one, two share; take these machines out of the snapshot "
        "set, or give each a disk of its own"
    )


def test_no_snapshot_is_taken_that_would_leave_a_shared_disk_out(world: LabWorld, storage: Say) -> None:
    up(world.context, storage(), STORAGE, jobs=2)
    with pytest.raises(LabError) as caught:
        take(world.context, seen(world), ["one", "two", "three"], "x")
    assert caught.value.brief == (
        "lab storage: snapshot x would leave out what snapshots cannot hold; nothing was changed"
    )
    assert caught.value.details == ("disk quorum, shared by one, two",)
    assert set(world.powers(STORAGE).values()) == {"running"}
    take(world.context, seen(world), ["three"], "x")
    assert world.machine("three", STORAGE).has_snapshot("x")


def test_a_restore_says_that_a_shared_disk_stays_as_it_is(world: LabWorld, storage: Say) -> None:
    unshared = storage(("      - {shared: quorum}\n", ""))
    up(world.context, unshared, STORAGE, jobs=2)
    take(world.context, seen(world), ["one"], "x")
    up(world.context, storage(), STORAGE, jobs=2)
    world.events.clear()
    restore(world.context, seen(world), ["one"], "x")
    assert "disk quorum, shared by one stays as it is: snapshots do not hold it" in world.texts()
    assert world.machine("one", STORAGE).disks == (DATA,)
    found, _desired, _observed = make_plan(world.context, storage(), STORAGE)
    assert act.AddDisks("one", (QUORUM,)) in [action.step for action in found.actions]


def test_each_copy_has_disks_of_its_own(world: LabWorld, storage: Say) -> None:
    for copy in ("zoe", "ben"):
        up(world.context, storage(), LabName("storage", copy), jobs=2)
    assert sorted(world.store.shared) == [("storage/ben", "quorum"), ("storage/zoe", "quorum")]
    assert len({handle for handle, name in world.store.contents if name == "data"}) == 2


def test_a_topology_without_disks_plans_nothing_about_them(world: LabWorld) -> None:
    world.up()
    assert not any(isinstance(action.step, act.AddDisks | act.SetDvd) for action in world.plan().actions)


def test_what_disks_will_take(world: LabWorld, storage: Say) -> None:
    """A disk of its own counts like a clone's, at most its size; a shared one whole, and once for its lab."""
    topology = storage(("- {name: data, size: 1 GiB}", "- {name: data, size: 1 GiB}\n      - {size: 10 MiB}")).topology
    before = demand(topology, observe(world.driver, STORAGE), boots=True)
    assert before.disk == 3 * CLONE_MIB + WRITTEN_MIB + 10 + 64
    assert demand(topology, observe(world.driver, STORAGE), boots=False).disk == 5 * FRESH_CLONE_MIB + 64
    assert disks_room(topology) == WRITTEN_MIB + 10 + 64
    up(world.context, storage(), STORAGE, until="created", jobs=1)
    made = observe(world.driver, STORAGE)
    assert demand(storage().topology, made, boots=True).disk == 0
    assert demand(topology, made, boots=True).disk == 10, "the disk that is new"
    more = storage(("hostname: three", "hostname: three\n    disks: [{shared: quorum}]")).topology
    assert demand(more, made, boots=True).disk == 0, "the shared disk is there"


def test_a_disc_that_is_not_there_is_told_by_the_plan(world: LabWorld, storage: Say) -> None:
    blueprint = storage()
    image = Path(blueprint.topology.machines["one"].dvd or "")
    assert make_plan(world.context, blueprint, STORAGE, look=True)[0].blockers == ()
    image.unlink()
    (blocker,) = make_plan(world.context, blueprint, STORAGE, look=True)[0].blockers
    assert blocker == f"one: there is no disc image {image}; put it there, or change `dvd` in the topology"
