"""Whole classes: isolation of copies, capacity, shared images, the overview, leftovers."""

from __future__ import annotations

import json
import threading
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from tests.unit.lab_world import LAB, LabWorld
from vboxlab.errors import LabBusy, LabError
from vboxlab.events import EventSink, discard
from vboxlab.lab.capacity import CLONE_MIB, PROCESS_MIB, Demand, Room, check_capacity, demand, room, shortfalls
from vboxlab.lab.down import destroy
from vboxlab.lab.images import build_missing, ensure_images, wanted_images
from vboxlab.lab.leftovers import leftover_folders, remove_folder
from vboxlab.lab.listing import Listing
from vboxlab.lab.observe import observe
from vboxlab.lab.overview import overview
from vboxlab.lab.up import UpResult, up
from vboxlab.operations.run_copies import run_copies
from vboxlab.planning.observed import AdapterState, Attachment, MachineSpec
from vboxlab.topology.addressing import LabName, Names

CLASS = [LabName("ha", str(number)) for number in range(1, 31)]


@pytest.fixture
def world(tmp_path: Path) -> LabWorld:
    return LabWorld(tmp_path / "home")


def up_all(world: LabWorld, labs: list[LabName], *, width: int = 4) -> None:
    context = replace(world.context, listing=Listing(world.driver))

    def one(lab: LabName, events: EventSink) -> UpResult:
        blueprint = world.blueprint("failover", {"student": f"s{lab.copy}"})
        return up(replace(context, events=events), blueprint, lab, until="created", jobs=1)

    results = run_copies(labs, one, width=width, events=discard, stop=context.stop)
    assert {result.outcome for result in results} == {"done"}


def test_thirty_copies_share_nothing_but_their_images(world: LabWorld) -> None:
    foreign = world.store.add_foreign("somebody")
    up_all(world, CLASS)
    machines = [machine for machine in world.driver.machines() if machine.lab]
    assert len(machines) == 150
    assert len({machine.name for machine in machines}) == 150
    ports = [machine.management_port for machine in machines]
    assert len(set(ports)) == 150
    networks = {
        (adapter.attachment.name, machine.lab)
        for machine in machines
        for adapter in machine.adapters
        if adapter.attachment.kind == "internal"
    }
    assert max(Counter(name for name, _ in networks).values()) == 1
    assert len({machine.image for machine in machines}) == 4
    destroy(world.context, CLASS[0], jobs=2)
    assert len(world.driver.machines()) == 146
    assert world.store.machines[foreign.handle] == foreign


def test_addresses_of_a_copy_stay_the_same(world: LabWorld) -> None:
    def seen() -> list[tuple[str, tuple[AdapterState, ...]]]:
        return sorted((m.name, m.adapters) for m in world.driver.machines())

    up_all(world, CLASS[:3])
    first = seen()
    for lab in CLASS[:3]:
        destroy(world.context, lab, jobs=1)
    up_all(world, CLASS[:3][::-1])
    assert seen() == first


def test_names_of_networks_never_meet() -> None:
    names = [
        Names(LabName("ha", "a")).network("b-c"),
        Names(LabName("ha", "a-b")).network("c"),
        Names(LabName("ha-a", "b")).network("c"),
        Names(LabName("ha"), plain=False).network("a--b-c"),
        Names(LabName("ha"), plain=False).network("a-b--c"),
        Names(LabName("ha"), plain=False).network("c"),
        Names(LabName("ha")).network("c"),
    ]
    assert len(set(names)) == len(names)
    assert Names(LabName("ha", "a"), plain=False).network("c") == Names(LabName("ha", "a")).network("c")


def test_the_work_grows_with_the_class_and_not_with_its_square(world: LabWorld) -> None:
    up_all(world, CLASS[:10])
    few = Counter(name for name, _ in world.store.calls)
    world.store.calls.clear()
    up_all(world, CLASS[10:])
    many = Counter(name for name, _ in world.store.calls)
    assert few["machines"] == many["machines"] == 1
    assert many["inspect"] <= 2.2 * few["inspect"]


def test_images_are_made_once_and_before(world: LabWorld) -> None:
    blueprints = [world.blueprint("failover", {"student": f"s{number}"}) for number in range(5)]
    assert ensure_images(world.context, blueprints) == len(world.bases.asked) == 4


def test_a_missing_base_is_built_with_the_layers_of_all_topologies_on_the_way(world: LabWorld) -> None:
    world.bases.missing.add("debian12")
    blueprint = world.blueprint("loadbalancing")
    build_missing(world.context, [blueprint])
    ((name, layers),) = world.bases.built
    wanted = wanted_images([blueprint, blueprint.load("failover")])
    assert (name, [packages for packages, _later in layers]) == (
        "debian12",
        [packages for _base, packages, _offered in wanted],
    )
    assert len(layers) > len(wanted_images([blueprint]))
    build_missing(world.context, [blueprint])
    assert len(world.bases.built) == 1


def test_what_a_lab_will_take(world: LabWorld) -> None:
    topology = world.blueprint().topology
    nothing = observe(world.driver, LAB)
    assert demand(topology, nothing, boots=True) == Demand(LAB, 5 * (512 + PROCESS_MIB), 5 * CLONE_MIB, 5)
    assert demand(topology, nothing, boots=False).memory == 0
    world.up(until="created")
    world.driver.start(world.machine("dns").handle)
    made = observe(world.driver, LAB)
    assert demand(topology, made, boots=True) == Demand(LAB, 4 * (512 + PROCESS_MIB), 0, 0)
    left = room(world.home / "not" / "yet", world.driver.machines())
    assert left.ports == 10000 - 5
    assert left.memory > 0 < left.disk


DEMANDS = [Demand(lab, 2000, 1000, 5) for lab in CLASS]


def test_too_much_is_refused_with_sums_and_shortfalls() -> None:
    with pytest.raises(LabError) as caught:
        check_capacity(DEMANDS, Room(memory=9000, disk=20000, ports=100))
    assert caught.value.brief == "30 labs are more than this computer has room for; nothing was changed"
    assert caught.value.details == (
        "memory: 60000 MiB wanted, 9000 MiB free: 51000 MiB too little",
        "disk: 30000 MiB wanted, 20000 MiB free: 10000 MiB too little",
        "ports: 150 wanted, 100 free: 50 too little",
    )
    assert caught.value.resolution is not None
    assert caught.value.resolution.startswith("`--at-most-running 4` works through them in turn")


def test_waves_need_only_the_memory_of_those_that_run_at_once() -> None:
    assert shortfalls(DEMANDS, Room(9000, 40000, 200), at_most_running=4) == []
    assert len(shortfalls(DEMANDS, Room(9000, 40000, 200), at_most_running=5)) == 1


def test_overview_of_a_class_from_one_report(world: LabWorld) -> None:
    up_all(world, CLASS)
    loads: list[str] = []
    topology = world.blueprint().topology
    for machine in world.driver.machines():
        world.driver.set_marks(machine.handle, {"topology": "failover", "stage": "web"})
    lab = CLASS[1]
    handle = world.machine("srv-web", lab).handle
    world.driver.attach(handle, 1, Attachment("internal", "cluster"))
    world.driver.start(handle)
    world.driver.delete(world.machine("dns", lab).handle)
    reports = world.context.directory(lab).reports
    reports.mkdir(parents=True)
    report = {"topology": "failover", "started_at": "2026-01-02T03:04:05+00:00", "passed": False}
    (reports / "failover-1.json").write_text(json.dumps(report))
    world.store.calls.clear()

    def load(name: str) -> object:
        loads.append(name)
        return topology

    rows = overview(world.home, world.driver.machines(), load)  # type: ignore[arg-type]
    assert loads == ["failover"]
    assert world.store.calls == [("machines", "")]
    assert len(rows) == 30
    row = next(row for row in rows if row.copy == "2")
    assert (row.topology, row.stage, row.machines, row.running) == ("failover", "web", 4, 1)
    assert row.drift == (
        "dns: not created",
        "srv-web: adapter 1 is on internal cluster, expected internal vboxlab-ha--2--sw-dmz",
    )
    assert row.verified is not None
    assert (row.verified.topology, row.verified.passed) == ("failover", False)
    assert {row.drift for row in rows if row.copy != "2"} == {()}


def test_overview_of_labs_that_cannot_be_read(world: LabWorld) -> None:
    world.bases.ensure_image(world.driver, world.bases.get("debian12"), ())
    for number, topology in enumerate(("gone", "other")):
        marks = {"lab": "x", "machine": f"m{number}", "topology": topology}
        world.driver.create(MachineSpec(f"m{number}", "debian12", 1, 64, (), marks))
    (row,) = overview(world.home, world.driver.machines(), lambda _name: None)
    assert (row.topology, row.drift) == (None, ("its machines are in different topologies",))
    world.driver.set_marks(world.machine("m1", LabName("x")).handle, {"topology": "gone"})
    (row,) = overview(world.home, world.driver.machines(), lambda _name: None)
    assert (row.topology, row.stage, row.drift) == ("gone", "-", ("topology gone cannot be read",))
    assert overview(world.home, world.driver.machines(), lambda _name: None, lab="ha") == []


def test_folders_of_labs_that_are_gone(world: LabWorld) -> None:
    world.up(until="created")
    alice, bob = LabName("ha", "alice"), LabName("ha", "bob")
    for lab in (LAB, alice, bob):
        directory = world.context.directory(lab)
        directory.secrets.mkdir(parents=True)
        (directory.secrets / "key").write_text("secret")
    world.context.directory(bob).reports.mkdir()
    (world.context.directory(bob).reports / "failover-1.json").write_text("{}")
    found = leftover_folders(world.home, world.driver.machines())
    assert [(folder.lab, folder.reports) for folder in found] == [(alice, 0), (bob, 1)]
    with world.context.directory(alice).locked(discard, patience=0), pytest.raises(LabBusy):
        remove_folder(found[0], world.home, world.driver.machines, discard)
    for folder in found:
        assert remove_folder(folder, world.home, world.driver.machines, discard)
    assert not world.context.directory(alice).path.exists()
    assert [path.name for path in world.context.directory(bob).path.iterdir() if path.name != "lock"] == ["reports"]
    assert leftover_folders(world.home, world.driver.machines()) == []
    (left,) = leftover_folders(world.home, world.driver.machines(), with_reports=True)
    remove_folder(left, world.home, world.driver.machines, discard, with_reports=True)
    assert [path.name for path in (world.home / "labs").iterdir()] == ["ha"]


def test_the_folder_of_a_lab_that_has_come_up_since_it_was_looked_at_stays(world: LabWorld) -> None:
    directory = world.context.directory(LAB)
    directory.secrets.mkdir(parents=True)
    (directory.secrets / "key").write_text("secret")
    (found,) = leftover_folders(world.home, world.driver.machines())
    world.up(until="created")
    assert not remove_folder(found, world.home, world.driver.machines, discard)
    assert (directory.secrets / "key").read_text() == "secret"


def test_who_waits_for_the_lock_of_a_folder_that_goes_gets_one_that_holds(world: LabWorld) -> None:
    directory = world.context.directory(LAB)
    inside, done = threading.Event(), threading.Event()

    def work() -> None:
        with directory.locked(discard, patience=30):
            inside.set()
            done.wait(30)

    waiting = threading.Thread(target=work)
    with directory.locked(discard, patience=0):
        waiting.start()
        time.sleep(0.3)  # long enough to have the file open, whatever becomes of it
        directory.remove_lock()
    assert inside.wait(30)
    with pytest.raises(LabBusy), directory.locked(discard, patience=0):
        pass
    done.set()
    waiting.join()
