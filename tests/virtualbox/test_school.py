"""The school's own three machines in the lab: used as they are, and never changed."""

from __future__ import annotations

from pathlib import Path

import pytest

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
def test_a_machine_that_does_not_fit_is_said_and_nothing_is_made(world: VirtualBoxWorld, vboxlab: Vboxlab) -> None:
    add_schools_vm(world, "PF_FIREWALL", ("nat", "sw-dmz", "servers"))
    add_schools_vm(world, "DEBIAN_TRAINING_SERVEUR", ("servers",))
    before = fingerprints(world.folder / "PF_FIREWALL")
    for said in (vboxlab("plan", "failover", *SET, code=4).stdout, vboxlab(*UP, code=4).stderr):
        assert "PF_FIREWALL has no adapter on clients" in said
        assert "LUBUNTU_TRAINING_CLIENT to adopt does not exist" in said
    assert not [machine for machine in world.open().machines() if machine.lab]
    assert fingerprints(Path(world.folder / "PF_FIREWALL")) == before
