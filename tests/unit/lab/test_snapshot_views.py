"""Looking at snapshots before they are restored."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.lab_world import LAB, LabWorld
from vboxlab.lab.observe import observe
from vboxlab.lab.planned import make_plan
from vboxlab.lab.snapshot_sets import restore, take
from vboxlab.lab.snapshot_views import RestoreDiff, restore_diff, split_clusters, tree_lines
from vboxlab.planning.describe import subject, title
from vboxlab.planning.observed import SnapshotState
from vboxlab.planning.snapshot_states import content_of

PAIR = ["srv-web", "srv-web-bis"]


@pytest.fixture
def world(tmp_path: Path) -> LabWorld:
    made = LabWorld(tmp_path / "home")
    made.up()
    return made


def diff(world: LabWorld, snapshot: str, topology: str = "failover") -> RestoreDiff:
    _, desired, observed = make_plan(world.context, world.blueprint(topology), LAB)
    return restore_diff(desired, observed, PAIR, snapshot)


def test_trees_of_a_lab(world: LabWorld) -> None:
    take(world.context, observe(world.driver, LAB), PAIR, "monday")
    restore(world.context, observe(world.driver, LAB), ["srv-web"], "apache-base")
    lines = [line.split(" (")[0] for line in tree_lines(observe(world.driver, LAB))]
    assert lines == [
        "client, dns, firewall",
        "  └─ now",
        "srv-web",
        "  └─ apache-base",
        "     ├─ monday",
        "     └─ now",
        "srv-web-bis",
        "  └─ apache-base",
        "     └─ monday",
        "        └─ now",
    ]


def test_what_a_restore_would_change(world: LabWorld) -> None:
    found = diff(world, "apache-base")
    assert found.changes == ("srv-web: stage heartbeat -> web", "srv-web-bis: stage heartbeat -> web")
    assert [line for line in found.then if "reach guest" not in line] == [
        "srv-web: configure heartbeat (heartbeat not reached yet)",
        "srv-web-bis: configure heartbeat (heartbeat not reached yet)",
    ]
    assert (found.no_longer, found.unknown) == ((), ())


def test_what_a_restore_would_change_in_another_topology(world: LabWorld) -> None:
    world.up("loadbalancing")
    found = diff(world, "apache-base", "loadbalancing")
    assert "srv-web: topology loadbalancing -> failover" in found.changes
    assert "srv-web: adapter 1 internal cluster -> internal sw-dmz" in found.changes
    assert any(line.startswith("srv-web, srv-web-bis: restore snapshot apache-base") for line in found.then)
    same = diff(world, "apache-base")
    assert any(line.startswith("srv-web, srv-web-bis: restore snapshot") for line in same.no_longer)


def test_a_restore_prediction_is_what_then_happens(world: LabWorld) -> None:
    predicted = diff(world, "apache-base").then
    restore(world.context, observe(world.driver, LAB), PAIR, "apache-base")
    assert tuple(f"{subject(a.step)}: {title(a.step)} ({a.reason})" for a in world.plan().actions) == predicted


def test_what_cannot_be_known_is_said(world: LabWorld) -> None:
    for name in PAIR:
        world.driver.power_off(world.machine(name).handle, "hard")
        world.driver.take_snapshot(world.machine(name).handle, "by-hand", description="before lunch")
    found = diff(world, "by-hand")
    assert len(found.unknown) == 2
    assert found.changes == ()
    assert content_of(SnapshotState("x", None, "", description="")) is None


def test_restoring_half_of_a_running_cluster_is_warned_about(world: LabWorld) -> None:
    topology = world.blueprint().topology
    observed = observe(world.driver, LAB)
    (warning,) = split_clusters(topology, observed, ["srv-web", "dns"])
    assert warning.startswith("srv-web goes back without srv-web-bis: Heartbeat on srv-web-bis will take its packets")
    assert "vboxlab ssh srv-web-bis -- sudo systemctl restart heartbeat" in warning
    assert split_clusters(topology, observed, PAIR) == []
    world.driver.power_off(world.machine("srv-web-bis").handle, "hard")
    assert split_clusters(topology, observe(world.driver, LAB), ["srv-web"]) == []


def test_a_node_that_is_no_machine_of_the_topology_is_not_asked_for_its_roles(world: LabWorld) -> None:
    """Whether the nodes of a cluster exist is a rule of the role's own, which another role may not have."""
    topology = world.blueprint().topology
    left = {name: machine for name, machine in topology.machines.items() if name != "srv-web-bis"}
    observed = observe(world.driver, LAB)
    assert split_clusters(topology.model_copy(update={"machines": left}), observed, ["srv-web"]) == []
