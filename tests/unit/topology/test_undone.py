"""The exercise of a topology: what is left to the student, and what is given."""

from __future__ import annotations

from pathlib import Path

import pytest

from vboxlab.guest.role_registry import resources_for
from vboxlab.topology.loader import load_topology
from vboxlab.topology.model import Topology
from vboxlab.topology.undone import as_exercise, exercise_set, is_left

TOPOLOGIES = Path(__file__).parents[3] / "topologies"


def failover(**exercise: object) -> Topology:
    topology = load_topology(TOPOLOGIES / "failover.yaml")
    assert topology.exercise is not None
    return topology.model_copy(update={"exercise": topology.exercise.model_copy(update=exercise)})


def keys(topology: Topology, machine: str) -> set[str]:
    return {resource.key for resource in resources_for(topology, topology.machines[machine], "exercise")}


def test_the_students_stages_are_empty_and_end_in_one_snapshot_of_all() -> None:
    topology = failover()
    found = as_exercise(topology)
    assert found.machines["srv-web"].stages == {"web": (), "heartbeat": ()}
    assert found.machines["dns"] == topology.machines["dns"]
    assert [(stage.name, stage.snapshot) for stage in found.stages] == [
        ("web", None), ("heartbeat", None), ("exercise", "exercise")
    ]  # fmt: skip
    assert found.reset == "exercise"
    assert exercise_set(found).machines == tuple(topology.machines)
    assert [name for name in found.machines if is_left(found, name)] == ["srv-web", "srv-web-bis"]
    assert not any(is_left(topology, name) for name in topology.machines)
    assert (found.whole, as_exercise(found)) == (topology, found)


def test_a_stage_before_the_students_is_given_with_its_snapshot() -> None:
    found = as_exercise(failover(stages=("heartbeat",)))
    assert found.stages[0].snapshot == "apache-base"
    assert found.machines["srv-web"].stages["web"]
    assert found.machines["srv-web"].stages["heartbeat"] == ()
    assert "package:apache2" in keys(found, "srv-web")
    assert "hostname" in keys(found, "srv-web")


@pytest.mark.parametrize(
    ("exercise", "bare"),
    [({}, True), ({"initial": "left"}, True), ({"initial": "given"}, False), ({"stages": ("heartbeat",)}, False)],
)
def test_names_and_addresses_are_left_or_given(exercise: dict[str, object], bare: bool) -> None:
    found = as_exercise(failover(**exercise))
    assert (keys(found, "srv-web") == set()) is bare


def test_what_is_given_is_what_it_is_in_the_whole_lab() -> None:
    topology = failover()
    found = as_exercise(topology)
    for name in ("firewall", "dns", "client"):
        whole = resources_for(topology, topology.machines[name], topology.last_stage)
        assert resources_for(found, found.machines[name], "exercise") == whole
