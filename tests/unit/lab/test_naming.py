"""Who gets the plain names when labs are made at the same moment."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tests.unit.lab_world import LAB, LabWorld
from vboxlab.lab.naming import claiming
from vboxlab.lab.up import up
from vboxlab.topology.addressing import LabName

OTHER = LabName("other")


@pytest.fixture
def world(tmp_path: Path) -> LabWorld:
    return LabWorld(tmp_path)


def make(world: LabWorld, lab: LabName) -> list[str]:
    """Make a lab with failover's machines and return its VMs' names."""
    blueprint = world.blueprint()
    own = replace(blueprint, topology=blueprint.topology.model_copy(update={"lab": lab.lab}))
    up(world.context, own, lab, until="created", jobs=1)
    return sorted(machine.name for machine in world.machines(lab).values())


def test_a_lab_made_while_another_one_begins_leaves_the_plain_names_to_it(world: LabWorld) -> None:
    with claiming(world.context, LAB) as own:
        assert own.plain_free
        assert make(world, OTHER) == [
            f"other-{name}" for name in ("client", "dns", "firewall", "srv-web", "srv-web-bis")
        ]
        said = "another lab that is just being made takes the plain names: this lab's VMs are called other-firewall"
        assert [text.startswith(said) for text in world.texts()].count(True) == 1
    assert make(world, LAB) == ["client", "dns", "firewall", "srv-web", "srv-web-bis"]


def test_the_claim_ends_with_the_operation_also_when_it_fails(world: LabWorld) -> None:
    with pytest.raises(RuntimeError), claiming(world.context, LAB):
        raise RuntimeError
    assert make(world, OTHER) == ["client", "dns", "firewall", "srv-web", "srv-web-bis"]


def test_an_operation_within_another_one_keeps_its_claim(world: LabWorld) -> None:
    with claiming(world.context, LAB) as own, claiming(own, LAB) as inner:
        assert inner is own


def test_a_lab_that_exists_keeps_nobody_from_the_plain_names(world: LabWorld) -> None:
    make(world, LAB)
    with claiming(world.context, LAB) as own:
        assert own.plain_free is None
        with claiming(world.context, OTHER) as other:
            assert other.plain_free


def test_copies_wait_only_for_those_of_their_name(world: LabWorld) -> None:
    with claiming(world.context, LabName("ha", "alice")):
        for lab, free in ((LabName("ha", "bob"), True), (LabName("other", "alice"), False), (OTHER, True)):
            with claiming(world.context, lab) as own:
                assert own.plain_free is free
