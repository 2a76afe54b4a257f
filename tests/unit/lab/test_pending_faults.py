"""What a verification that was killed has left: `plan` tells of it, `up` and `verify --undo` end it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.lab_world import LAB, LabWorld
from vboxlab.errors import LabError
from vboxlab.lab.journal import restore_on
from vboxlab.lab.observe import observe
from vboxlab.lab.pending_faults import read_faults
from vboxlab.lab.snapshot_sets import check_takable
from vboxlab.planning.observed import Impairment, PowerState
from vboxlab.topology.faults import Fault, fault_of
from vboxlab.verification.faults import Faults
from vboxlab.verification.live import FaultsLeft, LiveLab, end_faults, keeping


@pytest.fixture
def world(tmp_path: Path) -> LabWorld:
    made = LabWorld(tmp_path / "home")
    made.up()
    return made


def fault(kind: str, machine: str = "srv-web", **more: object) -> Fault:
    return fault_of({"fault": kind, "machine": machine, **more})


def broken_off(world: LabWorld, *faults: Fault) -> None:
    """Make faults as a verification does that is killed then."""
    topology = world.blueprint().topology
    live = LiveLab(world.context, LAB, topology)
    making = Faults(live, keep=keeping(world.context.directory(LAB).faults, (), live.handles))
    for one in faults:
        making.inject(one, wait=True)
    world.context = world.new_context()


def left(world: LabWorld) -> list[str]:
    return [one.words for one in read_faults(world.context.directory(LAB).faults)]


def test_a_plan_tells_what_is_still_in_force(world: LabWorld) -> None:
    broken_off(world, fault("hang-service", service="heartbeat"), fault("power-off", "srv-web-bis"))
    assert left(world) == ["heartbeat hangs on srv-web", "srv-web-bis is powered off"]
    (note,) = [note for note in world.plan().notes if "broken off" in note]
    assert note == (
        "a verification was broken off, and this is still in force: heartbeat hangs on srv-web; srv-web-bis is powered "
        "off; `vboxlab up failover` undoes it"
    )


def test_it_is_undone_the_last_first_and_told(world: LabWorld) -> None:
    broken_off(world, fault("hang-service", service="heartbeat"), fault("power-off", "srv-web-bis"))
    end_faults(world.context, LAB, world.blueprint().topology)
    assert world.machine("srv-web-bis").power is PowerState.RUNNING
    assert world.guests.scripts[-1][1] == "systemctl kill --signal=CONT -- heartbeat"
    assert left(world) == []
    assert not world.context.directory(LAB).faults.exists()
    told = [text for text in world.texts() if "broken off" in text]
    assert told == [
        "left by a verification that was broken off, and undone: srv-web-bis is powered off",
        "left by a verification that was broken off, and undone: heartbeat hangs on srv-web",
    ]
    assert [note for note in world.plan().notes if "broken off" in note] == []


def test_pauses_cuts_and_bad_lines_are_ended(world: LabWorld) -> None:
    cut = fault_of({"fault": "partition", "network": "sw-dmz", "groups": [["srv-web"], ["srv-web-bis"]]})
    bad = fault("impair", slot=1, loss=0.5, delay=0.25, rate=9000)
    broken_off(world, cut, bad, fault("pause", "srv-web-bis"))
    store, handle = world.store, world.machine("srv-web").handle
    assert left(world) == [
        "network sw-dmz is cut (srv-web | srv-web-bis)",
        "the line of adapter 1 of srv-web is bad (loss 50 %, delay 0.25 s, rate 9000 bytes/s)",
        "srv-web-bis is paused",
    ]
    assert world.machine("srv-web-bis").power is PowerState.PAUSED
    assert store.impairments[handle, 1] == Impairment(0.5, 0.25, 9000)
    assert store.groups[handle, 1] == {1}
    assert {0} in store.groups.values()  # of machines that no group names
    end_faults(world.context, LAB, world.blueprint().topology)
    assert left(world) == []
    assert world.machine("srv-web-bis").power is PowerState.RUNNING
    assert set(store.impairments.values()) == {Impairment()}
    assert set(store.groups.values()) == {frozenset()}


def test_a_cut_among_machines_that_are_gone_ends_among_those_that_are_there(world: LabWorld) -> None:
    broken_off(world, fault_of({"fault": "partition", "network": "sw-dmz", "groups": [["srv-web"]]}))
    world.driver.power_off(world.machine("srv-web").handle, "hard")
    world.driver.delete(world.machine("srv-web").handle)
    end_faults(world.context, LAB, world.blueprint().topology)
    bis = world.machine("srv-web-bis").handle
    assert world.store.groups[bis, 1] == frozenset()
    assert left(world) == []


def test_a_cut_of_a_network_of_another_topology_is_ended_all_the_same(world: LabWorld) -> None:
    """Adapters take it along to another network; it stayed on record for the other topology, and in force."""
    broken_off(world, fault_of({"fault": "partition", "network": "sw-dmz", "groups": [["srv-web"]]}))
    topology = world.blueprint().topology
    networks = {name: network for name, network in topology.networks.items() if name != "sw-dmz"}
    end_faults(world.context, LAB, topology.model_copy(update={"networks": networks}))
    assert left(world) == []
    assert set(world.store.groups.values()) == {frozenset()}


def test_a_machine_that_was_made_anew_does_not_have_the_fault(world: LabWorld) -> None:
    """The undoing failed in it, as it had nothing to undo, and no `up` could be done any more."""
    broken_off(world, fault("hang-service", service="heartbeat"))
    world.driver.power_off(world.machine("srv-web").handle, "hard")
    world.driver.delete(world.machine("srv-web").handle)
    world.up()
    scripts = len(world.guests.scripts)
    end_faults(world.context, LAB, world.blueprint().topology)
    assert left(world) == []
    assert len(world.guests.scripts) == scripts


def test_a_machine_that_somebody_has_saved_goes_on(world: LabWorld) -> None:
    """It was started anew where its guest was not reached, and what it was doing was lost."""
    broken_off(world, fault("hang-service", service="heartbeat"))
    world.store.switch(world.machine("srv-web").handle, PowerState.SAVED)
    end_faults(world.context, LAB, world.blueprint().topology)
    assert world.store.discarded == []
    assert world.machine("srv-web").power is PowerState.RUNNING


def test_a_restored_machine_has_only_the_faults_of_its_network(world: LabWorld) -> None:
    cut = fault_of({"fault": "partition", "network": "sw-dmz", "groups": [["srv-web"]]})
    bad, hangs = fault("impair", slot=1, loss=0.5), fault("hang-service", service="heartbeat")
    broken_off(world, cut, bad, hangs, fault("power-off", "srv-web-bis"))
    machine = world.machine("srv-web")
    restore_on(world.driver, world.context.directory(LAB), {"srv-web": machine}, "apache-base")
    assert left(world) == [cut.state(), bad.state(), "srv-web-bis is powered off"]


def test_no_snapshot_is_taken_of_a_fault(world: LabWorld) -> None:
    """A snapshot would bring it back, and no record would say so."""
    broken_off(world, fault("hang-service", service="heartbeat"))
    with pytest.raises(LabError) as caught:
        check_takable(world.context, observe(world.driver, LAB), ["srv-web"], "monday", live=True)
    assert caught.value.brief == (
        "lab ha: taking monday has to wait: a verification's faults are in force; nothing was changed"
    )
    assert caught.value.details == ("heartbeat hangs on srv-web",)
    assert caught.value.resolution == "`vboxlab verify failover --undo` ends them"


def test_what_cannot_be_undone_stays_written_down(world: LabWorld) -> None:
    broken_off(world, fault("hang-service", service="heartbeat"), fault("unplug", slot=1))
    world.driver.set_cable = None  # type: ignore[assignment,method-assign]
    with pytest.raises(FaultsLeft) as caught:
        end_faults(world.context, LAB, world.blueprint().topology)
    assert caught.value.details[0] == "adapter 1 of srv-web is unplugged"
    assert left(world) == ["adapter 1 of srv-web is unplugged"]


def test_a_machine_that_is_gone_has_nothing_left(world: LabWorld) -> None:
    broken_off(world, fault("unplug", slot=1))
    world.driver.power_off(world.machine("srv-web").handle, "hard")
    world.driver.delete(world.machine("srv-web").handle)
    end_faults(world.context, LAB, world.blueprint().topology)
    assert left(world) == []


def test_what_another_topology_knows_stays_for_it(world: LabWorld) -> None:
    broken_off(world, fault("unplug", slot=1))
    topology = world.blueprint().topology
    without = topology.model_copy(update={"machines": {"client": topology.machines["client"]}})
    end_faults(world.context, LAB, without)
    assert left(world) == ["adapter 1 of srv-web is unplugged"]


@pytest.mark.parametrize("text", ["", "[]", '{"version": 1}', '{"version": 1, "faults": [{"words": "x"}]}'])
def test_a_damaged_record_is_told_and_stays(world: LabWorld, text: str) -> None:
    path = world.context.directory(LAB).faults
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    with pytest.raises(LabError, match="the faults of a verification cannot be read"):
        end_faults(world.context, LAB, world.blueprint().topology)
    assert path.read_text() == text


def test_a_record_of_a_newer_vboxlab_is_told_and_stays(world: LabWorld) -> None:
    path = world.context.directory(LAB).faults
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text('{"version": 2, "faults": []}')
    with pytest.raises(LabError, match="version 2, written by a newer vboxlab"):
        end_faults(world.context, LAB, world.blueprint().topology)
    assert path.exists()
