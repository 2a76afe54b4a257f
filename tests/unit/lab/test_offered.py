"""The packages that an exercise has at hand for the student, who installs them."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.lab_world import LabWorld
from vboxlab.lab.desire import members_of, package_sets
from vboxlab.lab.images import build_missing, ensure_images, wanted_images
from vboxlab.lab.planned import Blueprint
from vboxlab.topology.model import Topology
from vboxlab.topology.undone import as_exercise

# The servers are bare: what they have in every stage is the student's too.
OFFERED = ("apache2", "heartbeat", "net-tools", "openssh-server", "tzdata")


@pytest.fixture
def world(tmp_path: Path) -> LabWorld:
    return LabWorld(tmp_path / "home")


def begun(world: LabWorld) -> Blueprint:
    return world.blueprint("failover").as_exercise()


def offered(topology: Topology, blueprint: Blueprint) -> dict[str, tuple[str, ...]]:
    sets = members_of(blueprint.sets)
    return {machine.name: package_sets(topology, machine, sets).offered for machine in topology.owned_machines}


def test_what_the_stages_left_to_a_student_would_install_is_offered_and_nothing_else(world: LabWorld) -> None:
    blueprint = begun(world)
    found = offered(blueprint.topology, blueprint)
    assert {name: packages for name, packages in found.items() if packages} == {
        "srv-web": OFFERED, "srv-web-bis": OFFERED
    }  # fmt: skip


def test_nothing_is_offered_outside_of_an_exercise(world: LabWorld) -> None:
    blueprint = world.blueprint("failover")
    assert set(offered(blueprint.topology, blueprint).values()) == {()}


def test_what_is_installed_already_is_not_offered(world: LabWorld) -> None:
    """A stage that is given has apache2, so that only the rest is left to be installed."""
    blueprint = world.blueprint("failover")
    whole = blueprint.topology
    assert whole.exercise is not None
    less = whole.model_copy(update={"exercise": whole.exercise.model_copy(update={"stages": ("heartbeat",)})})
    assert offered(as_exercise(less), blueprint)["srv-web"] == ("heartbeat", "net-tools")


def test_machines_of_an_exercise_are_made_of_an_image_that_offers(world: LabWorld) -> None:
    blueprint = begun(world)
    images = wanted_images([blueprint])
    assert [offered for _base, _packages, offered in images if offered] == [OFFERED]
    ensure_images(world.context, [blueprint])
    assert world.bases.offered == [("debian12", OFFERED)]
    (made,) = (name for key, name in world.context.images.items() if key[2])
    assert world.bases.packages_of(made) == ()


def test_an_image_that_offers_waits_for_its_base(world: LabWorld) -> None:
    world.bases.missing.add("debian12")
    build_missing(world.context, [begun(world)])
    ((_name, layers),) = world.bases.built
    assert all(not {"apache2", "heartbeat"} & set(packages) for packages, _later in layers)
