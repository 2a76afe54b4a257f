"""The school's own three machines in the lab: used as they are, and never changed."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.lab_world import ROOT
from tests.virtualbox.conftest import Vboxlab
from tests.virtualbox.test_foreign import fingerprints
from tests.virtualbox.world import VirtualBoxWorld

SCHOOL = {
    "PF_FIREWALL": ("nat", "sw-dmz", "servers", "clients"),
    "DEBIAN_TRAINING_SERVEUR": ("servers",),
    "LUBUNTU_TRAINING_CLIENT": ("clients",),
}
SET = ("--set", "environment=school")
UP = ("up", "failover", *SET, "--until", "created")


def add_schools_vm(world: VirtualBoxWorld, name: str, networks: tuple[str, ...]) -> None:
    handle = world.add_foreign(name)
    for slot, network in enumerate(networks, start=1):
        if network == "nat":
            world.manage("modifyvm", handle, f"--nic{slot}", "nat")
        else:
            world.manage("modifyvm", handle, f"--nic{slot}", "intnet", f"--intnet{slot}", network)


@pytest.mark.usefixtures("home")
def test_the_schools_machines_are_adopted_and_stay_as_they_are(world: VirtualBoxWorld, vboxlab: Vboxlab) -> None:
    for name, networks in SCHOOL.items():
        add_schools_vm(world, name, networks)
    before = {name: fingerprints(world.folder / name) for name in SCHOOL}
    plan = vboxlab("plan", "failover", *SET, code=2).stdout
    assert plan.count("start adopted VM") == 3
    vboxlab(*UP)
    made = sorted(machine.name for machine in world.open().machines() if machine.lab)
    assert made == ["srv-web", "srv-web-bis"]
    assert '"actions": 0' in vboxlab(*UP, "--json").stdout
    vboxlab("destroy", "failover", "--yes")
    assert sorted(machine.name for machine in world.open().machines()) == sorted(SCHOOL)
    assert {name: fingerprints(world.folder / name) for name in SCHOOL} == before


@pytest.mark.usefixtures("home")
def test_they_are_in_one_lab_at_a_time_and_in_no_copy(world: VirtualBoxWorld, vboxlab: Vboxlab) -> None:
    for name, networks in SCHOOL.items():
        add_schools_vm(world, name, networks)
    text = (ROOT / "topologies" / "failover.yaml").read_text(encoding="utf-8")
    other = world.home / "failover.yaml"
    other.write_text(text.replace("lab: ha\n", "lab: other\n"), encoding="utf-8")
    vboxlab(*UP)
    before = {name: fingerprints(world.folder / name) for name in SCHOOL}
    said = vboxlab("up", str(other), *SET, code=4).stderr
    assert all(f"lab ha adopts the VM {name}, which can be in one lab at a time" in said for name in SCHOOL)
    said = vboxlab("up", "failover", *SET, "--copy", "alice", code=3).stderr
    assert said.count("[adopted-in-copy]") == len(SCHOOL)
    vboxlab("up", str(other), "--until", "created")
    found = {machine.name: machine for machine in world.open().machines() if machine.lab}
    assert sorted(found) == sorted(
        [
            "srv-web",
            "srv-web-bis",
            *(f"other-{name}" for name in ("client", "dns", "firewall", "srv-web", "srv-web-bis")),
        ]
    )
    vboxlab("destroy", "failover", "--yes")
    said = vboxlab("plan", str(other), *SET, code=4).stdout
    assert "PF_FIREWALL, DEBIAN_TRAINING_SERVEUR, LUBUNTU_TRAINING_CLIENT: plugged into the plain names" in said
    vboxlab("destroy", "other", "--yes")
    assert vboxlab("plan", str(other), *SET, code=2).stdout.count("start adopted VM") == len(SCHOOL)
    assert {name: fingerprints(world.folder / name) for name in SCHOOL} == before


@pytest.mark.usefixtures("home")
def test_a_machine_that_does_not_fit_is_said_and_nothing_is_made(world: VirtualBoxWorld, vboxlab: Vboxlab) -> None:
    add_schools_vm(world, "PF_FIREWALL", ("nat", "sw-dmz", "servers"))
    add_schools_vm(world, "DEBIAN_TRAINING_SERVEUR", ("servers",))
    before = fingerprints(world.folder / "PF_FIREWALL")
    for said in (vboxlab("plan", "failover", *SET, code=4).stdout, vboxlab(*UP, code=4).stderr):
        assert "PF_FIREWALL has no adapter on clients" in said
        assert "LUBUNTU_TRAINING_CLIENT to adopt does not exist" in said
    assert not [machine for machine in world.open().machines() if machine.lab]
    assert fingerprints(Path(world.folder / "PF_FIREWALL")) == before
