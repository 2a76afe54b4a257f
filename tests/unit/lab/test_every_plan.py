"""`up` from every state that somebody may bring a lab into: it converges, or refuses before it changes anything."""

from __future__ import annotations

import itertools
import socket
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.unit.lab_world import LabWorld
from vboxlab.errors import LabError, UsageError, VboxlabError
from vboxlab.hypervisor.memory import MemoryDriver
from vboxlab.lab.planned import Blueprint, make_plan
from vboxlab.lab.up import up
from vboxlab.planning import actions as act
from vboxlab.planning.observed import (
    MARK_CONTACTED,
    MARK_DESIRED,
    MARK_STAGE,
    AdapterState,
    Attachment,
    ObservedMachine,
    PowerState,
)
from vboxlab.planning.planner import machines_of
from vboxlab.topology.addressing import LabName
from vboxlab.topology.loader import load_snapshot_set, load_topology

TINY = LabName("tiny")
HEAD = """lab: tiny
base: debian12
parameters: {kind: {default: internal}, memory: {default: "512"}}
networks: {net: {kind: internal, subnet: 10.1.0.0/24}, extra: {kind: "{kind}"}}
"""
TEXTS = {
    "left": """
machines:
  a: {hostname: a, memory: "{memory}", adapters: [{network: net, address: 10.1.0.1/24}],
      stages: {one: [{role: web, page: left}]}}
  b: {hostname: b, adapters: [{network: net, address: 10.1.0.2/24}],
      stages: {one: [{role: web, page: b}], two: [{role: client}]}}
  c: {hostname: c, adapters: [{network: net, address: 10.1.0.3/24}, {network: extra, address: dhcp}],
      roles: [{role: client}]}
stages: [{name: one, snapshot: clean}, {name: two}]
""",
    "right": """
from: clean
machines:
  a: {hostname: a, memory: "{memory}", adapters: [{network: net, address: 10.1.0.1/24}],
      stages: {other: [{role: client}]}}
  b: {hostname: b, adapters: [{network: net, address: 10.1.0.2/24}], roles: [{role: client}]}
  d: {hostname: d, adapters: [{network: net, address: 10.1.0.4/24}], roles: [{role: client}]}
stages: [{name: other}]
""",
}
CLEAN = "lab: tiny\nmachines: [a, b]\ntopology: left\nstage: one\n"
Change = Callable[[LabWorld, ObservedMachine], ObservedMachine]


class Tiny(LabWorld):
    """A host with the lab of these two topologies."""

    def __init__(self, home: Path) -> None:
        super().__init__(home)
        for name, text in TEXTS.items():
            (home / f"{name}.yaml").write_text(HEAD + text, encoding="utf-8")
        (home / "clean.yaml").write_text(CLEAN, encoding="utf-8")

    def blueprint(self, name: str = "left", values: Mapping[str, str] | None = None) -> Blueprint:
        topology = load_topology(self.home / f"{name}.yaml", values or {})
        sets = [
            load_snapshot_set(path) for path in (self.home / "clean.yaml", self.home / "done.yaml") if path.exists()
        ]
        return Blueprint(topology, sets, self.blueprint)

    def converge(self, name: str, values: Mapping[str, str] | None = None) -> None:
        up(self.context, self.blueprint(name, values), TINY, jobs=2)

    def left_to_do(self, name: str, values: Mapping[str, str] | None = None) -> tuple[act.Action, ...]:
        return make_plan(self.context, self.blueprint(name, values), TINY, look=True)[0].actions


def change(**fields: object) -> Change:
    return lambda _world, machine: replace(machine, **fields)  # type: ignore[arg-type]


def adapters(edit: Callable[[tuple[AdapterState, ...]], tuple[AdapterState, ...]]) -> Change:
    return lambda _world, machine: replace(machine, adapters=edit(machine.adapters) if machine.adapters else ())


def without(*marks: str) -> Change:
    return lambda _world, machine: replace(machine, marks={k: v for k, v in machine.marks.items() if k not in marks})


def port_taken(world: LabWorld, machine: ObservedMachine) -> ObservedMachine:
    """Let another program have its port: one that runs has it already."""
    if machine.management_port is not None and machine.power in (PowerState.OFF, PowerState.SAVED):
        world.store.taken_ports.add(machine.management_port)
    return machine


def same_port(world: LabWorld, machine: ObservedMachine) -> ObservedMachine:
    """Let it forward the port of another machine of the lab, as after the restore of an old snapshot."""
    others = [each for each in world.machines(TINY).values() if each.handle != machine.handle]
    if machine.power is not PowerState.OFF or not others or others[0].power not in (PowerState.OFF, PowerState.SAVED):
        return machine
    if not machine.adapters or not others[0].adapters:
        return machine
    theirs = others[0].adapters[-1].attachment.forwards
    *own, last = machine.adapters
    return replace(machine, adapters=(*own, replace(last, attachment=replace(last.attachment, forwards=theirs))))


def no_snapshot(world: LabWorld, machine: ObservedMachine) -> ObservedMachine:
    return replace(machine, snapshots=(), current_snapshot=None)


def twice(world: LabWorld, machine: ObservedMachine) -> ObservedMachine:
    if machine.power is PowerState.OFF:
        world.store.take(machine.handle, "clean")
    return world.store.machines[machine.handle]


CHANGES: dict[str, Change] = {
    "nothing": change(),
    "memory": change(memory=128),
    "processors": change(cpus=4),
    "network": adapters(lambda all_: (replace(all_[0], attachment=Attachment("internal", "other")), *all_[1:])),
    "kind": adapters(lambda all_: (replace(all_[0], attachment=Attachment("bridged", "eth0")), *all_[1:])),
    "mac": adapters(lambda all_: (replace(all_[0], mac="0800270000AA"), *all_[1:])),
    "one more": adapters(
        lambda all_: (
            *(a for a in all_[:-1] if a.slot != 7),
            AdapterState(7, Attachment("nat"), "0800270000AB"),
            all_[-1],
        )
    ),
    "one less": adapters(lambda all_: all_[1:]),
    "no management": adapters(lambda all_: all_[:-1]),
    "cable": adapters(lambda all_: (replace(all_[0], cable=not all_[0].cable), *all_[1:])),
    "port taken": port_taken,
    "same port": same_port,
    "stage forgotten": without(MARK_STAGE, MARK_DESIRED),
    "other state": lambda _w, m: replace(m, marks={**m.marks, MARK_DESIRED: "of an earlier vboxlab"}),
    "never met": without(MARK_CONTACTED),
    "no snapshot": no_snapshot,
    "twice": twice,
}
POWERS = [PowerState.OFF, PowerState.RUNNING, PowerState.PAUSED, PowerState.SAVED, PowerState.INACCESSIBLE]


def disturb(world: Tiny, name: str, power: PowerState, *changes: str) -> None:
    """Do to a machine what somebody may do in the hypervisor's window; settings first, as they need it off."""
    found = world.machines(TINY).get(name)
    if found is None:
        return
    if power in (PowerState.RUNNING, PowerState.PAUSED) and found.management_port is not None:
        world.store.taken_ports.discard(found.management_port)  # it would not run else
    world.store.switch(found.handle, power)
    for each in changes:
        world.store.machines[found.handle] = CHANGES[each](world, world.store.machines[found.handle])


def check(world: Tiny, name: str, values: Mapping[str, str] | None = None) -> bool:
    """Bring the lab up; return whether it converged, having checked that it did, or else that nothing was changed."""
    before = dict(world.store.machines)
    free = world.store.taken_ports.__contains__
    world.store.discarded.clear()
    world.asked.clear()
    refusal: VboxlabError | None = None
    try:
        with taken_for_real(world.store.taken_ports):
            world.converge(name, values)
    except VboxlabError as error:
        refusal = error
    if refusal is not None:
        assert isinstance(refusal, LabError), refusal
        assert "nothing was changed" in refusal.brief, (refusal, refusal.details)
        assert refusal.details
        assert world.store.machines == before
        return False
    assert world.left_to_do(name, values) == ()
    topology = world.blueprint(name, values).topology
    brought = [world.machines(TINY)[machine] for machine in topology.machines]
    assert {machine.power for machine in brought} == {PowerState.RUNNING}
    assert not any(free(machine.management_port) for machine in brought)
    if not world.asked:
        assert world.store.discarded == []
    return True


@contextmanager
def taken_for_real(ports: set[int]) -> Iterator[None]:
    """Listen on the ports that the store says are taken: vboxlab looks at the host itself."""
    with ExitStack() as stack:
        for port in ports:
            taken = stack.enter_context(socket.socket())
            taken.bind(("127.0.0.1", port))
            taken.listen(1)
        yield


@pytest.fixture(scope="module")
def start(tmp_path_factory: pytest.TempPathFactory) -> Callable[[], Tiny]:
    """Return what makes a host with the lab brought to `left`, each time a fresh one."""
    folder = tmp_path_factory.mktemp("tiny")
    numbers = itertools.count()

    def make() -> Tiny:
        world = Tiny(folder / str(next(numbers)))
        world.converge("left")
        return world

    return make


@pytest.mark.parametrize("power", POWERS, ids=lambda power: power.value)
@pytest.mark.parametrize("changed", CHANGES)
def test_each_state_with_each_change_goes_to_both_topologies(
    start: Callable[[], Tiny], power: PowerState, changed: str
) -> None:
    for name in ("left", "right"):
        world = start()
        disturb(world, "b", power, changed)
        converged = check(world, name)
        refuses = power is PowerState.INACCESSIBLE or (
            name == "right" and (changed == "no snapshot" or (changed == "twice" and power is PowerState.OFF))
        )
        assert converged is not refuses


CHANGED = st.sampled_from(sorted(CHANGES))
DISTURBED = st.tuples(st.sampled_from("abcd"), st.sampled_from(POWERS), CHANGED, CHANGED)
STEP = st.tuples(st.lists(DISTURBED, max_size=4), st.sampled_from(["left", "right"]), st.sampled_from(["512", "768"]))


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=st.lists(STEP, min_size=1, max_size=3), stock=st.booleans())
def test_any_sequence_of_them_converges_or_refuses(
    start: Callable[[], Tiny],
    steps: list[tuple[list[tuple[str, PowerState, str, str]], str, str]],
    stock: bool,
) -> None:
    world = start()
    if stock:
        world.bases.stock.add("debian12")
    for disturbed, name, memory in steps:
        for machine, power, *changes in disturbed:
            disturb(world, machine, power, *changes)
        check(world, name, {"memory": memory})
        for found in world.machines(TINY).values():  # mended, so that the next step has something to say
            if found.power is PowerState.INACCESSIBLE:
                world.store.switch(found.handle, PowerState.OFF)
        world.store.taken_ports.clear()


@pytest.mark.parametrize(
    ("power", "resumed"),
    [
        # The power button of a guest that is paused resumes it, or pulls the plug of one that cannot be.
        (PowerState.PAUSED, []),
        (PowerState.SAVED, [(act.Resume("a"), "it is saved: its guest shuts down in order first")]),
    ],
    ids=["paused", "saved"],
)
def test_what_a_guest_holds_is_ended_in_order_before_its_memory_is_changed(
    start: Callable[[], Tiny], power: PowerState, resumed: list[tuple[act.Step, str]]
) -> None:
    world = start()
    disturb(world, "a", power, "memory")
    planned = world.left_to_do("left")
    assert [(action.step, action.reason) for action in planned] == [
        *resumed,
        (act.PowerOff("a"), "memory: 128 MiB, expected 512 MiB"),
        (act.SetHardware("a", 1, 512), "memory: 128 MiB, expected 512 MiB"),
        (act.Start("a"), "it is off"),
        (act.Contact("a"), "its guest is reached over SSH"),
        (act.Recheck("a", "one"), "what its guest is can be seen only once it runs"),
    ]
    assert check(world, "left")
    assert world.machine("a", TINY).memory == 512


@pytest.mark.parametrize("power", [PowerState.PAUSED, PowerState.SAVED], ids=lambda power: power.value)
def test_a_guest_that_stands_still_is_resumed_and_not_switched_off_where_nothing_has_to_be_off(
    start: Callable[[], Tiny], power: PowerState
) -> None:
    world = start()
    disturb(world, "a", power, "cable")
    kinds = [type(action.step) for action in world.left_to_do("left")]
    assert kinds == [act.SetAdapters, act.Resume, act.Contact, act.Recheck]
    assert check(world, "left")


def test_a_saved_guest_whose_port_somebody_took_gets_another_before_it_is_resumed(start: Callable[[], Tiny]) -> None:
    world = start()
    disturb(world, "a", PowerState.SAVED, "port taken", "memory")
    with taken_for_real(world.store.taken_ports):
        kinds = [type(action.step) for action in world.left_to_do("left")]
    assert kinds[:4] == [act.SetAdapters, act.Resume, act.PowerOff, act.SetHardware]
    assert check(world, "left")


def test_a_saved_guest_of_which_the_stages_snapshot_is_missing_is_shut_down_for_it(start: Callable[[], Tiny]) -> None:
    world = start()
    disturb(world, "a", PowerState.SAVED, "no snapshot")
    kinds = [type(action.step) for action in world.left_to_do("left")]
    assert kinds[:4] == [act.Resume, act.PowerOff, act.TakeSnapshots, act.Start]
    assert check(world, "left")


def test_a_paused_guest_that_has_no_place_in_the_topology_ends_in_order(start: Callable[[], Tiny]) -> None:
    world = start()
    disturb(world, "c", PowerState.PAUSED)
    kinds = [type(action.step) for action in world.left_to_do("right") if "c" in machines_of(action.step)]
    assert kinds == [act.PowerOff, act.SetMarks]


def test_a_machine_that_cannot_go_back_with_the_others_of_its_set_is_refused(start: Callable[[], Tiny]) -> None:
    world = start()
    world.converge("right")
    disturb(world, "b", PowerState.OFF, "no snapshot")
    before = dict(world.store.machines)
    with pytest.raises(LabError, match="nothing was changed") as caught:
        world.converge("left")
    (why,) = caught.value.details
    assert why == (
        "b: there is no snapshot clean to go back to, as others of lab tiny do; destroy the lab, or remove the machine "
        "in the hypervisor, to make it anew"
    )
    assert world.store.machines == before


def test_a_saved_guest_whose_work_a_restore_throws_away_is_asked_about(start: Callable[[], Tiny]) -> None:
    world = start()
    disturb(world, "a", PowerState.SAVED)
    world.declines = True
    with pytest.raises(UsageError, match="declined"):
        world.converge("right")
    assert "throw away what was done on a, b" in world.asked[0][1]
    assert world.store.discarded == []


def test_a_kind_of_network_that_the_driver_has_not_is_refused_before_anything_is_made(tmp_path: Path) -> None:
    world = Tiny(tmp_path)
    world.driver = MemoryDriver(
        world.store, replace(world.driver.capabilities, network_kinds=frozenset({"internal", "nat"}))
    )
    world.context = world.new_context()
    with pytest.raises(LabError, match="nothing was changed") as caught:
        world.converge("left", {"kind": "host-only"})
    assert caught.value.details == (
        "c: adapter 2 is on a host-only network, which this driver does not have; it has: internal, nat",
    )
    assert world.store.machines == {}


def test_what_a_topology_starts_from_is_not_made_when_the_topology_itself_cannot_be_brought_up(tmp_path: Path) -> None:
    world = Tiny(tmp_path)
    world.store.add_foreign("d")
    # The plain names are another's then, and so those of the lab begin with its own.
    world.store.add_foreign("tiny-d")
    with pytest.raises(LabError, match="cannot be brought to right; nothing was changed"):
        world.converge("right")
    assert [machine for machine in world.store.machines.values() if machine.lab] == []


def test_topologies_that_start_from_each_other_end_in_words(tmp_path: Path) -> None:
    world = Tiny(tmp_path)
    (tmp_path / "left.yaml").write_text(HEAD + TEXTS["left"] + "from: done\n", encoding="utf-8")
    (tmp_path / "right.yaml").write_text(
        HEAD + TEXTS["right"].replace("{name: other}", "{name: other, snapshot: done}"), encoding="utf-8"
    )
    (tmp_path / "done.yaml").write_text("lab: tiny\nmachines: [a]\ntopology: right\nstage: other\n", encoding="utf-8")
    with pytest.raises(LabError) as caught:
        world.converge("left")
    assert caught.value.brief == (
        "lab tiny: topologies start from each other (left -> right -> left); nothing was changed"
    )
    assert world.store.machines == {}


def test_an_adopted_vm_that_cannot_be_read_stops_the_plan(tmp_path: Path) -> None:
    world = LabWorld(tmp_path)
    for vm in ("PF_FIREWALL", "DEBIAN_TRAINING_SERVEUR", "LUBUNTU_TRAINING_CLIENT"):
        world.store.add_foreign(vm, power=PowerState.INACCESSIBLE)
    blueprint = world.blueprint("failover", {"environment": "school"})
    with pytest.raises(LabError, match="nothing was changed") as caught:
        up(world.context, blueprint, LabName("ha"), jobs=2)
    assert caught.value.details[0] == (
        "firewall: the VM PF_FIREWALL to adopt cannot be read (no reason given); mend it in VirtualBox, or "
        "--set environment"
    )
    assert len(caught.value.details) == 3
