"""A secret that the topology names and the lab has lost: another is made, said, and brought to the machines."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.lab_world import LabWorld
from tests.unit.topology.language_world import made
from vboxlab.guest.role_registry import resources_for
from vboxlab.guest.secrets import SecretStore
from vboxlab.lab.planned import Blueprint, make_plan
from vboxlab.lab.up import up
from vboxlab.planning import actions as act
from vboxlab.topology.addressing import LabName

LAB = LabName("small")
TOPOLOGY = """
lab: small
base: debian12
networks: {lan: {subnet: 192.168.7.0/24}}
machines:
  one:
    hostname: one
    adapters: [{network: lan, address: 192.168.7.1/24}]
    roles: [{role: ssh_server, secret: root}]
  two:
    hostname: two
    adapters: [{network: lan, address: 192.168.7.2/24}]
    stages: {trust: [{role: lab_ca}]}
  three:
    hostname: three
    adapters: [{network: lan, address: 192.168.7.3/24}]
    roles: [{role: ssh_server, secret: not-declared}]
stages: [{name: trust}]
"""
SECRETS = "secrets: {root: {}, web: {kind: certificate, on: two}}\n"


@pytest.fixture
def world(tmp_path: Path) -> LabWorld:
    return LabWorld(tmp_path / "home")


def blueprint(text: str = TOPOLOGY.replace("not-declared", "root") + SECRETS) -> Blueprint:
    def load(_name: str) -> Blueprint:
        raise AssertionError

    return Blueprint(made(text), [], load)


def brought_up(world: LabWorld, plan: Blueprint) -> None:
    """Bring the lab up, and make the secrets as real guests let them be made."""
    up(world.context, plan, LAB, jobs=2)
    store = SecretStore(world.context.directory(LAB).secrets, {})
    for machine in plan.topology.machines.values():
        store.for_resources(resources_for(plan.topology, machine, plan.topology.last_stage))


def test_a_lab_that_has_its_secrets_has_nothing_to_do(world: LabWorld) -> None:
    brought_up(world, blueprint())
    found, _desired, _observed = make_plan(world.context, blueprint(), LAB)
    assert (found.actions, found.notes) == ((), ())


def test_a_lost_password_is_said_and_brought_to_those_that_have_it(world: LabWorld) -> None:
    brought_up(world, blueprint())
    folder = world.context.directory(LAB).secrets
    before = (folder / "root").read_text()
    (folder / "root").unlink()
    found, _desired, _observed = make_plan(world.context, blueprint(), LAB)
    said = "the lab has lost its secret root: another one is made, and one, three get it"
    assert found.notes == (said,)
    configured = {action.step.machine for action in found.actions if isinstance(action.step, act.Configure)}
    assert configured == {"one", "three"}
    assert not (folder / "root").exists()  # a plan makes nothing
    brought_up(world, blueprint())
    assert said in world.texts()
    assert (folder / "root").read_text() != before
    assert make_plan(world.context, blueprint(), LAB)[0].notes == ()


def test_a_lost_authority_is_brought_to_those_that_trust_it(world: LabWorld) -> None:
    brought_up(world, blueprint())
    (world.context.directory(LAB).secrets / "@ca").unlink()
    found, _desired, _observed = make_plan(world.context, blueprint(), LAB)
    assert found.notes == ("the lab has lost its secret ca certificate: another one is made, and two get it",)
    assert [action.step for action in found.actions if isinstance(action.step, act.Configure)] == [
        act.Configure("two", "trust")
    ]


def test_secrets_that_the_topology_does_not_name_are_not_looked_for(world: LabWorld) -> None:
    plan = blueprint(TOPOLOGY.replace("secret: root", "secret: other").replace("not-declared", "other"))
    up(world.context, plan, LAB, jobs=2)
    found, _desired, _observed = make_plan(world.context, plan, LAB)
    assert (found.actions, found.notes) == ((), ())


def test_a_new_lab_has_lost_nothing(world: LabWorld) -> None:
    assert make_plan(world.context, blueprint(), LAB)[0].notes == ()


def test_the_secrets_of_a_copy_are_its_own(world: LabWorld) -> None:
    one, other = (world.context.directory(LabName("small", copy)).secrets for copy in ("a", "b"))
    assert SecretStore(one, {}).get("root", 24) != SecretStore(other, {}).get("root", 24)
