"""Adopted machines: in one lab at a time, and in that lab's networks."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from tests.unit.lab_world import LAB, ROOT, LabWorld
from tests.unit.plan_world import World, desired, topology
from vboxlab.errors import LabError, TopologyInvalid
from vboxlab.lab.down import destroy
from vboxlab.lab.observe import observe
from vboxlab.lab.planned import Blueprint, make_plan
from vboxlab.lab.status import machine_statuses
from vboxlab.lab.up import UpResult, up
from vboxlab.planning import actions as act
from vboxlab.planning.describe import title
from vboxlab.planning.observed import (
    MARK_ADOPTED,
    MARK_TOPOLOGY,
    AdapterState,
    Attachment,
    ObservedLab,
    ObservedMachine,
    PowerState,
)
from vboxlab.planning.planner import plan
from vboxlab.topology.addressing import LabName
from vboxlab.topology.loader import load_topology

SCHOOL = {"environment": "school"}
OTHER = LabName("other")
VMS = {
    "PF_FIREWALL": ("sw-dmz", "servers", "clients"),
    "DEBIAN_TRAINING_SERVEUR": ("servers",),
    "LUBUNTU_TRAINING_CLIENT": ("clients",),
}
ADOPTED = json.dumps(sorted(VMS))


@pytest.fixture
def world(tmp_path: Path) -> LabWorld:
    """Return a host with the school's machines."""
    made = LabWorld(tmp_path)
    for name, networks in VMS.items():
        plugs = enumerate(networks, start=1)
        made.store.add_foreign(
            name, adapters=tuple(AdapterState(n, Attachment("internal", net), f"08002700000{n}") for n, net in plugs)
        )
    return made


def blueprint(world: LabWorld, lab: LabName, values: Mapping[str, str]) -> Blueprint:
    """Return failover as a topology of a lab."""
    text = (ROOT / "topologies" / "failover.yaml").read_text(encoding="utf-8")
    path = world.home / "failover.yaml"
    path.write_text(text.replace("lab: ha\n", f"lab: {lab.lab}\n"), encoding="utf-8")
    return replace(world.blueprint(), topology=load_topology(path, values))


def bring_up(world: LabWorld, lab: LabName = LAB, values: Mapping[str, str] = SCHOOL) -> UpResult:
    return up(world.context, blueprint(world, lab, values), lab, jobs=2)


def planned(world: LabWorld, lab: LabName = LAB, values: Mapping[str, str] = SCHOOL) -> act.Plan:
    return make_plan(world.context, blueprint(world, lab, values), lab)[0]


def test_a_machine_that_a_lab_adopts_is_not_adopted_by_another(world: LabWorld) -> None:
    bring_up(world)
    assert {machine.marks[MARK_ADOPTED] for machine in world.machines().values()} == {ADOPTED}
    assert planned(world).is_empty
    with pytest.raises(LabError) as caught:
        bring_up(world, OTHER)
    assert caught.value.details[0] == (
        "firewall: lab ha adopts the VM PF_FIREWALL, which can be in one lab at a time; "
        "destroy that lab first, or --set environment"
    )
    assert len(caught.value.details) == len(VMS)
    assert world.machines(OTHER) == {}
    destroy(world.context, LAB, jobs=1)
    bring_up(world, OTHER)
    assert {machine.name for machine in world.machines(OTHER).values()} == {"srv-web", "srv-web-bis"}


def test_the_others_know_from_the_moment_that_the_machines_are_created(world: LabWorld) -> None:
    world_blueprint = blueprint(world, LAB, SCHOOL)
    up(world.context, world_blueprint, LAB, until="created", jobs=2)
    assert len(planned(world, OTHER).blockers) == len(VMS)


def test_a_lab_that_adopts_no_more_lets_them_go(world: LabWorld) -> None:
    bring_up(world)
    bring_up(world, values={})
    assert sorted(world.machines()) == ["client", "dns", "firewall", "srv-web", "srv-web-bis"]
    assert [machine.name for machine in world.machines().values() if MARK_ADOPTED in machine.marks] == []
    assert planned(world, values={}).is_empty
    blockers = planned(world, OTHER).blockers
    assert blockers == (
        (
            "PF_FIREWALL, DEBIAN_TRAINING_SERVEUR, LUBUNTU_TRAINING_CLIENT: plugged into the plain names of networks, "
            "which this lab does not have (lab ha has the plain names); remove what is in the way, destroy this lab if "
            "it exists, and bring it up then"
        ),
    )


def test_a_lab_of_other_names_says_so_also_when_the_first_is_gone(world: LabWorld) -> None:
    bring_up(world, values={})
    bring_up(world, OTHER, {})
    destroy(world.context, LAB, jobs=1)
    (blocker,) = planned(world, OTHER).blockers
    assert "which this lab does not have (its machines were made when another lab had them)" in blocker
    destroy(world.context, OTHER, jobs=1)
    bring_up(world, OTHER)
    assert planned(world, OTHER).is_empty


def test_a_lab_of_a_version_that_did_not_record_what_it_adopts(world: LabWorld) -> None:
    bring_up(world)
    for machine in world.machines().values():
        world.driver.set_marks(machine.handle, {MARK_ADOPTED: None})
    found = planned(world)
    assert [action.step for action in found.actions] == [
        act.SetMarks(name, {MARK_ADOPTED: ADOPTED}) for name in ("srv-web", "srv-web-bis")
    ]
    assert {action.reason for action in found.actions} == {"it tells other labs which VMs this one adopts"}
    assert {title(action.step) for action in found.actions} == {"record topology"}
    bring_up(world)
    assert planned(world).is_empty
    assert planned(world, OTHER).blockers


def test_a_machine_kept_aside_adopts_nothing() -> None:
    world = World()
    wanted = desired(topology(), world.observed)
    world.apply(plan(wanted, world.observed), wanted)
    marks = {**world.machines["client"].marks, MARK_ADOPTED: ADOPTED}
    world.machines["load-balancer"] = replace(world.machines["client"], handle="id-lb", marks=marks)
    (_, aside) = plan(wanted, world.observed).actions
    assert aside.step == act.SetMarks("load-balancer", {MARK_TOPOLOGY: None, MARK_ADOPTED: None})
    assert title(aside.step) == "set aside"


def test_a_labs_own_vm_is_not_adopted_by_another(world: LabWorld) -> None:
    foreign = next(machine for machine in world.store.machines.values() if machine.name == "PF_FIREWALL")
    world.store.machines[foreign.handle] = replace(foreign, marks={"lab": "dhcp", "copy": "a", "machine": "x"})
    assert planned(world).blockers == ("firewall: the VM PF_FIREWALL to adopt is lab dhcp/a's; adopt one of your own",)


@pytest.mark.parametrize("mark", ["", "nonsense", "3", "{}", "null"])
def test_a_mark_that_cannot_be_read_adopts_nothing(mark: str) -> None:
    machine = ObservedMachine("h", "x", PowerState.OFF, 1, 64, "", (), {"lab": "ha", MARK_ADOPTED: mark})
    assert machine.adopts == ()


def test_in_copies_adoption_is_refused_with_file_and_line() -> None:
    path = ROOT / "topologies" / "failover.yaml"
    load_topology(path, for_copy=True)
    with pytest.raises(TopologyInvalid) as caught:
        load_topology(path, SCHOOL, for_copy=True)
    part = path.parent / "parts" / "firewall.yaml"
    line = next(n for n, text in enumerate(part.read_text().splitlines(), start=1) if "vm: PF_FIREWALL" in text)
    said = str(caught.value)
    assert (
        f"parts/firewall.yaml:{line}:5: [adopted-in-copy] machine `firewall` is the existing VM `PF_FIREWALL`" in said
    )
    assert (
        said.count("copies are isolated; expected a variant that makes the machine (`--set environment=standalone`)")
        == 3
    )


def test_a_machine_of_the_labs_own_gives_its_place_to_the_adopted_one(world: LabWorld) -> None:
    bring_up(world, values={})
    bring_up(world)
    assert planned(world).is_empty
    powers = {machine.name: machine.power for machine in world.store.machines.values()}
    assert {powers[name] for name in VMS} == {PowerState.RUNNING}
    assert {powers[name] for name in ("firewall", "dns", "client")} == {PowerState.OFF}
    rows = [(row.machine, row.vm, row.power) for row in machine_statuses(seen(world), None)]
    assert rows[2:4] == [("dns", "DEBIAN_TRAINING_SERVEUR", "running"), ("dns", "dns", "off")]


def seen(world: LabWorld) -> ObservedLab:
    return observe(world.driver, LAB, blueprint(world, LAB, SCHOOL).topology)
