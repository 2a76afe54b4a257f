"""A machine that vboxlab wires, starts and probes, and never logs in to (`configured: false`)."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tests.unit.lab_world import LabWorld
from vboxlab.base.model import Base, Login
from vboxlab.errors import LabError
from vboxlab.guest.explain import explain
from vboxlab.lab.capacity import demand
from vboxlab.lab.check import check
from vboxlab.lab.down import destroy, down
from vboxlab.lab.observe import observe
from vboxlab.lab.planned import Blueprint, make_plan
from vboxlab.lab.reset import reset
from vboxlab.lab.status import machine_statuses
from vboxlab.lab.up import up
from vboxlab.planning.actions import Plan
from vboxlab.planning.observed import MARK_CONTACTED, MARK_STAGE
from vboxlab.planning.planner import machines_of
from vboxlab.topology.addressing import LabName
from vboxlab.topology.loader import topology_of
from vboxlab.topology.model import SnapshotSet
from vboxlab.topology.source import parse_source

LAB = LabName("small")
TEXT = """
lab: small
base: debian12
networks: {lan: {subnet: 192.168.7.0/24}}
machines:
  client:
    hostname: client
    adapters: [{network: lan, address: 192.168.7.1/24, gateway: 192.168.7.2}]
    roles: [{role: time}]
  box:
    hostname: box
    base: appliance
    configured: false
    adapters: [{network: lan, address: 192.168.7.2/24}]
stages: [{name: ready, snapshot: clean}]
"""
CLEAN = SnapshotSet(name="clean", lab="small", machines=("client", "box"), topology="small", stage="ready")


def blueprint(text: str = TEXT) -> Blueprint:
    made = Blueprint(topology_of(parse_source(text, "small.yaml"), {}, "small"), [CLEAN], lambda _name: made)
    return made


@pytest.fixture
def world(tmp_path: Path) -> LabWorld:
    made = LabWorld(tmp_path)
    made.bases.stock.add("appliance")
    return made


def plan(world: LabWorld) -> Plan:
    return make_plan(world.context, blueprint(), LAB, look=True)[0]


def test_it_is_made_and_started_without_a_way_in_and_nobody_logs_in(world: LabWorld) -> None:
    up(world.context, blueprint(), LAB, jobs=2)
    box = world.machine("box", LAB)
    assert (box.power.value, [adapter.slot for adapter in box.adapters]) == ("running", [1])
    assert box.management_port is None
    assert MARK_CONTACTED not in box.marks
    assert {call for call, machine in world.guests.calls if machine == "box"} <= {"forget"}
    assert ("appliance", ()) in world.bases.asked
    assert plan(world).is_empty


def test_its_stage_is_reached_as_soon_as_it_runs_and_its_snapshot_is_taken(world: LabWorld) -> None:
    steps = [type(each.step).__name__ for each in plan(world).actions if machines_of(each.step) == ("box",)]
    assert steps == ["Create", "Start", "SetMarks", "PowerOff", "Start"]
    up(world.context, blueprint(), LAB, jobs=2)
    box = world.machine("box", LAB)
    assert box.marks[MARK_STAGE] == "ready"
    assert box.has_snapshot("clean")


def test_a_reset_brings_it_back_and_the_lab_up(world: LabWorld) -> None:
    up(world.context, blueprint(), LAB, jobs=2)
    done = reset(world.context, blueprint(), LAB, jobs=2)
    assert set(done.machines) == {"client", "box"}
    assert world.powers(LAB) == {"box": "running", "client": "running"}
    assert plan(world).is_empty


def test_it_is_switched_off_and_removed_like_any_other(world: LabWorld) -> None:
    up(world.context, blueprint(), LAB, jobs=2)
    world.store.deaf.add("box")
    assert down(world.context, LAB, timeout=1, hard=False, jobs=2) == 2
    assert world.powers(LAB) == {"box": "off", "client": "off"}
    assert destroy(world.context, LAB, jobs=2) == 2


def test_its_wiring_is_checked_and_its_guest_is_not_looked_at(world: LabWorld) -> None:
    up(world.context, blueprint(), LAB, jobs=2)
    (found,) = check(world.context, blueprint(), LAB, machine="box")
    assert (found.guest_seen, found.findings) == (False, ())
    world.driver.set_cable(world.machine("box", LAB).handle, 1, connected=False)
    (found,) = check(world.context, blueprint(), LAB, machine="box")
    assert [finding.code for finding in found.findings] == ["unplugged"]


def test_status_tells_that_it_is_left_alone(world: LabWorld) -> None:
    up(world.context, blueprint(), LAB, jobs=2)
    _plan, desired, observed = make_plan(world.context, blueprint(), LAB)
    found = {row.machine: (row.configured, row.port is None, row.drift) for row in machine_statuses(observed, desired)}
    assert found == {"box": (False, True, ()), "client": (True, False, ())}


def test_it_takes_no_port_of_this_computer(world: LabWorld) -> None:
    assert demand(blueprint().topology, observe(world.driver, LAB), boots=True).ports == 1


def test_one_that_was_configured_before_is_left_alone_from_then_on(world: LabWorld) -> None:
    before = blueprint(TEXT.replace("    configured: false\n", "").replace("    base: appliance\n", ""))
    up(world.context, before, LAB, jobs=2)
    world.guests.calls.clear()
    up(world.context, blueprint(TEXT.replace("    base: appliance\n", "")), LAB, jobs=2)
    box = world.machine("box", LAB)
    assert [adapter.slot for adapter in box.adapters] == [1]
    assert {call for call, machine in world.guests.calls if machine == "box"} <= {"forget"}


def test_a_base_without_a_login_is_none_for_a_machine_to_be_configured(
    world: LabWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    get = world.bases.get

    def without_login(name: str) -> Base:
        return replace(get(name), login=Login("")) if name == "appliance" else get(name)

    monkeypatch.setattr(world.bases, "get", without_login)
    up(world.context, blueprint(), LAB, jobs=2)
    configured = blueprint(TEXT.replace("    configured: false\n", ""))
    destroy(world.context, LAB, jobs=2)
    with pytest.raises(Exception, match="box: base appliance was added without a login") as caught:
        up(world.context, configured, LAB, jobs=2)
    assert not isinstance(caught.value, LabError)
    assert world.machines(LAB) == {}


def test_the_answer_key_says_that_nothing_is_configured_in_it() -> None:
    told = explain(blueprint().topology, machine="box")
    assert "It is left alone" in told
    assert "192.168.7.2/24" in told
    assert "/etc/" not in told


def test_the_others_know_its_address() -> None:
    assert "192.168.7.2" in explain(blueprint().topology, machine="client")


def test_being_left_alone_is_part_of_what_a_lab_is() -> None:
    alone = blueprint().topology
    configured = blueprint(TEXT.replace("    configured: false\n", "")).topology
    larger = blueprint(TEXT.replace("    base: appliance\n", "    base: appliance\n    memory: 1024\n")).topology
    assert len({alone.digest, configured.digest, larger.digest}) == 3
