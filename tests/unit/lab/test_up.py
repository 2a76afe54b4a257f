"""`up` over the memory driver: from nothing, again, killed at each call, stopped, with a failing guest."""

from __future__ import annotations

import socket
from dataclasses import replace
from pathlib import Path

import pytest

from tests.unit.lab_world import LAB, LabWorld
from vboxlab.errors import BaseError, DriverError, GuestError, LabError, UsageError
from vboxlab.events import ActionStarted
from vboxlab.hypervisor.memory import Crash
from vboxlab.lab.observe import observe
from vboxlab.lab.planned import Blueprint, Source, losses_on_the_way, plan_source
from vboxlab.lab.snapshot_sets import restore
from vboxlab.lab.up import up
from vboxlab.planning import actions as act
from vboxlab.topology.loader import load_topology

ALL = {"client", "dns", "firewall", "srv-web", "srv-web-bis"}


@pytest.fixture
def world(tmp_path: Path) -> LabWorld:
    return LabWorld(tmp_path / "home")


def test_up_from_nothing_ends_in_a_lab_that_runs(world: LabWorld) -> None:
    result = world.up()
    assert (result.repaired, result.stopped) == ((), False)
    assert world.powers() == dict.fromkeys(sorted(ALL), "running")
    stages = {name: machine.marks["stage"] for name, machine in world.machines().items()}
    assert stages == {"client": "-", "dns": "-", "firewall": "-", "srv-web": "heartbeat", "srv-web-bis": "heartbeat"}
    assert {name for name, machine in world.machines().items() if machine.has_snapshot("apache-base")} == {
        "srv-web", "srv-web-bis",
    }  # fmt: skip
    assert world.plan().actions == ()


def test_a_second_up_has_no_action_and_looks_into_every_guest(world: LabWorld) -> None:
    world.up()
    before = dict(world.machines())
    world.guests.calls.clear()
    result = world.up()
    assert (result.actions, result.repaired) == (0, ())
    assert world.machines() == before
    assert {name for call, name in world.guests.calls if call == "configure"} == ALL


def test_up_repairs_a_broken_guest_and_says_so(world: LabWorld) -> None:
    world.up()
    world.damage("srv-web")
    (action,) = world.plan().actions
    assert action.step == act.Repair("srv-web", "heartbeat", ("/etc/motd",))
    assert action.reason == "everything: broken (kept beside first: /etc/motd)"
    result = world.up()
    assert (result.actions, result.repaired) == (1, ("srv-web",))
    assert "srv-web: /etc/motd" in world.texts()
    assert world.up().repaired == ()


def test_up_asks_before_another_topology_throws_work_away(world: LabWorld) -> None:
    world.up()
    before = dict(world.machines())
    world.declines = True
    with pytest.raises(UsageError, match="declined"):
        world.up("loadbalancing")
    assert world.asked == [(
        LAB,
        "throw away what was done on srv-web, srv-web-bis of lab ha, which go back to apache-base for loadbalancing?",
    )]  # fmt: skip
    assert world.machines() == before


def test_up_asks_nothing_where_nothing_is_lost(world: LabWorld) -> None:
    world.up()
    restore(world.context, observe(world.driver, LAB), ["srv-web", "srv-web-bis"], "apache-base", start=False)
    world.declines = True
    world.up("loadbalancing")
    assert world.asked == []


def test_what_interrupted_runs_left_is_told_by_the_plan_and_removed_by_up(world: LabWorld) -> None:
    world.up()
    world.store.leftovers.append(("interrupted create of x", LAB))
    (action,) = world.plan().actions
    assert action.step == act.RemoveLeftovers(("interrupted create of x",))
    assert world.store.leftovers != []
    assert world.up().actions == 1
    assert world.store.leftovers == []


def test_a_lab_of_a_base_that_is_out_of_date_goes_on_and_gets_no_new_machines(world: LabWorld) -> None:
    world.up()
    world.bases.outdated.add("debian12")
    world.damage("srv-web")
    assert world.up().repaired == ("srv-web",)
    world.driver.delete(world.machines()["client"].handle)
    before = dict(world.machines())
    with pytest.raises(BaseError, match="base debian12 is out of date"):
        world.up()
    assert world.machines() == before
    world.bases.outdated.clear()
    world.up()
    assert set(world.machines()) == ALL


ONE = """
lab: ha
base: debian12
networks: {lan: {subnet: 192.168.50.0/24}}
machines:
  box:
    hostname: box
    adapters: [{network: lan, address: 192.168.50.10/24}]
    roles: [{role: packages, names: [%s]}]
"""


def test_a_package_that_a_topology_got_later_is_not_taken_for_one_of_its_machines_image(world: LabWorld) -> None:
    for names in ("curl", "curl, sl"):
        file = world.home / "one.yaml"
        file.write_text(ONE % names)
        up(world.context, Blueprint(load_topology(file, {}), (), world.blueprint), LAB, jobs=1)
        assert world.guests.installed == {"box": ("curl",)}
    assert world.machine("box").image == "debian12+curl"


CALLS = ["create", "start", "power_off", "set_marks", "take_snapshot", "import_image", "inspect"]


@pytest.mark.parametrize("after", [False, True], ids=["during", "after"])
@pytest.mark.parametrize("call", CALLS)
def test_killed_at_any_call_the_next_up_goes_on(tmp_path: Path, call: str, after: bool) -> None:
    """Every n-th call is tried, until the run needs no more of them."""
    for nth in range(1, 60, 4 if call in ("inspect", "set_marks") else 1):
        world = LabWorld(tmp_path / f"{nth}")
        (world.store.crash_after if after else world.store.crash_during)(call, nth)
        try:
            world.up()
        except Crash:
            world.context = world.new_context()
            world.up()
        else:
            assert nth > 1
            return
        assert world.plan().actions == (), f"{call} {nth}"
        assert set(world.machines()) == ALL
        assert len(world.store.machines) == len(ALL)
        assert world.store.leftovers == []
        firsts = [name for what, name in world.guests.calls if what == "first contact"]
        assert len(firsts) <= len(ALL) + 1  # at most the one whose mark was being written is met anew
    pytest.fail(f"{call} is called more than 60 times")


def test_stopped_by_ctrl_c_the_rest_is_left_and_the_next_up_goes_on(world: LabWorld) -> None:
    world.guests.on_configure = lambda _machine: world.context.stop.set()
    result = world.up()
    assert result.stopped
    assert 0 < result.actions < 20
    world.context = world.new_context()
    world.guests.on_configure = lambda _machine: None
    assert not world.up().stopped
    assert world.plan().actions == ()


def test_a_failing_guest_is_named_with_what_is_left_and_the_others_go_on(world: LabWorld) -> None:
    world.guests.failing["srv-web"] = 1
    with pytest.raises(GuestError) as caught:
        world.up()
    error = caught.value
    assert error.brief == "lab ha: configure web failed on srv-web: file:/etc/motd failed"
    assert error.details[0] == "disk full"
    assert error.details[-1].startswith("not done because of that: srv-web: power off, ")
    assert error.resolution == "make room; `vboxlab up failover` goes on from here once the cause is mended"
    assert world.machine("dns").marks["stage"] == "-"
    assert world.machine("srv-web-bis").marks["stage"] == "web"
    world.up()
    assert world.plan().actions == ()


def test_what_was_not_begun_after_ctrl_c_is_not_blamed_on_a_failure(world: LabWorld) -> None:
    world.guests.failing["dns"] = 1
    world.guests.on_configure = lambda name: world.context.stop.set() if name == "dns" else None
    with pytest.raises(GuestError, match="configure guest failed on dns") as caught:
        world.up()
    details = "; ".join(caught.value.details)
    assert "not begun when stopped: " in details
    assert "srv-web-bis" not in details.partition("not done because of that: ")[2].partition("; ")[0]


def test_a_failing_create_leaves_no_machine_and_the_next_up_makes_it(world: LabWorld) -> None:
    world.store.fail("create", error=DriverError("the disk is full", resolution="free 2 GB"))
    with pytest.raises(DriverError, match=r"^lab ha: create failed on srv-web: the disk is full"):
        world.up(jobs=1)
    # The snapshot of both waits for srv-web; the next clone of its image only had its turn after it.
    assert world.powers() == {"client": "running", "dns": "running", "firewall": "running", "srv-web-bis": "off"}
    assert world.machine("srv-web-bis").marks["stage"] == "web"
    world.up()
    assert world.plan().actions == ()
    assert len(world.store.machines) == len(ALL)


def test_an_image_that_cannot_be_made_is_tried_once_for_all_its_machines(world: LabWorld) -> None:
    world.store.fail("import_image", error=BaseError("no room for the image"))
    with pytest.raises(BaseError, match=r"^lab ha: create failed on srv-web: no room for the image") as caught:
        world.up(jobs=1)
    assert "also failed: srv-web-bis: create: no room for the image" in caught.value.details
    assert world.powers() == {"client": "running", "dns": "running", "firewall": "running"}
    world.up()
    assert world.plan().actions == ()


@pytest.mark.parametrize("stock", [False, True], ids=["prepared", "stock"])
def test_guests_that_are_not_reached_keep_back_only_what_depends_on_them(world: LabWorld, stock: bool) -> None:
    """One boots at a time: none that fails may keep the place."""
    if stock:
        world.bases.stock.add("debian12")
    (world.guests.unmet if stock else world.guests.silent).update({"client": 1, "srv-web": 1})
    with pytest.raises(GuestError) as caught:
        world.up(jobs=1)
    (kept_back,) = [each for each in caught.value.details if each.startswith("not done because of that: ")]
    assert {each.split(": ")[0] for each in kept_back.split(": ", 1)[1].split(", ")} >= {"client", "srv-web"}
    assert not {"dns", "firewall"} & {each.split(": ")[0] for each in kept_back.split(": ", 1)[1].split(", ")}
    stages = {name: machine.marks.get("stage") for name, machine in world.machines().items()}
    assert stages == {"client": None, "srv-web": None, "dns": "-", "firewall": "-", "srv-web-bis": "web"}
    world.up()
    assert world.plan().actions == ()


def test_a_port_that_another_program_took_is_replaced(world: LabWorld) -> None:
    world.up(until="created")
    port = world.machine("srv-web").management_port
    assert port is not None
    with socket.socket() as other:
        other.bind(("127.0.0.1", port))
        other.listen(1)
        world.store.taken_ports.add(port)
        world.up()
    assert world.machine("srv-web").management_port not in (None, port)
    assert world.powers()["srv-web"] == "running"


def test_a_foreign_vm_of_a_missing_machines_name_stops_everything_before_it_begins(world: LabWorld) -> None:
    world.up(until="created")
    world.driver.delete(world.machine("srv-web").handle)
    world.store.add_foreign("srv-web")
    before = dict(world.store.machines)
    with pytest.raises(LabError) as caught:
        world.up()
    assert caught.value.brief == "lab ha cannot be brought to failover; nothing was changed"
    assert caught.value.details == (
        "srv-web: a VM named 'srv-web' exists already and is not vboxlab's; rename it, or work in a copy (--copy NAME)",
    )
    assert world.store.machines == before


def test_a_base_that_is_not_there_stops_everything_before_it_begins(world: LabWorld) -> None:
    world.bases.missing.add("debian12")
    with pytest.raises(BaseError, match=r"^base debian12 is not built yet") as caught:
        world.up()
    assert caught.value.resolution == "vboxlab base build debian12"
    assert world.store.machines == {}
    assert [event for event in world.events if isinstance(event, ActionStarted)] == []


def test_a_base_that_is_gone_is_told_before_a_guest_is_reached(world: LabWorld) -> None:
    world.up()
    world.driver.power_off(world.machine("client").handle, "hard")
    world.bases.missing.add("debian12")
    assert world.plan().blockers == ("base debian12 is not built yet",)
    before = dict(world.store.machines)
    with pytest.raises(BaseError, match=r"^base debian12 is not built yet"):
        world.up()
    assert world.store.machines == before


def test_changing_the_topology_and_back_converges(world: LabWorld) -> None:
    world.up()
    world.up("loadbalancing")
    assert world.machine("srv-web").adapters[0].attachment.name == "cluster"
    assert world.plan("loadbalancing").actions == ()
    world.up()
    assert world.machine("srv-web").adapters[0].attachment.name == "sw-dmz"
    assert world.plan().actions == ()
    assert world.powers()["load-balancer"] == "off"


def test_the_source_of_a_topology_is_made_first(world: LabWorld) -> None:
    world.up("loadbalancing")
    assert world.asked == []
    assert "apache-base is made first: stage web of failover" in world.texts()
    assert world.plan("loadbalancing").actions == ()
    assert world.machine("load-balancer").lab == LAB


def test_a_machine_that_has_the_name_of_one_to_be_made_is_in_the_way(world: LabWorld) -> None:
    world.up()
    for name in ("client", "dns"):
        world.driver.power_off(world.machine(name).handle, "hard")
    gone = world.machine("client")
    world.driver.delete(gone.handle)
    renamed = world.machine("dns")
    world.store.machines[renamed.handle] = replace(renamed, name=gone.name)
    before = dict(world.store.machines)
    with pytest.raises(LabError, match="nothing was changed") as caught:
        world.up()
    assert caught.value.details == ("client: the VM of dns was renamed to 'client'; give it another name again",)
    assert world.store.machines == before


def test_what_keeps_a_topology_from_being_reached_keeps_its_source_from_being_made(world: LabWorld) -> None:
    world.up(until="created")
    world.store.add_foreign("load-balancer")
    before = dict(world.store.machines)
    with pytest.raises(LabError, match="nothing was changed") as caught:
        world.up("loadbalancing")
    assert "load-balancer: a VM named 'load-balancer' exists already" in caught.value.details[0]
    assert world.store.machines == before


def test_a_lab_gets_names_that_are_free_for_what_comes_later_too(world: LabWorld) -> None:
    world.store.add_foreign("load-balancer")
    world.up("loadbalancing")
    assert world.machine("load-balancer").name == "ha-load-balancer"
    assert world.machine("srv-web").name == "ha-srv-web"
    assert world.plan("loadbalancing").is_empty


def test_work_that_a_change_of_topology_throws_away_is_asked_about_before_anything_is_done(world: LabWorld) -> None:
    world.up()
    world.driver.power_off(world.machine("srv-web-bis").handle, "hard")
    world.driver.delete(world.machine("srv-web-bis").handle)
    before = dict(world.store.machines)
    world.declines = True
    with pytest.raises(UsageError, match="declined"):
        world.up("loadbalancing")
    assert "what was done on srv-web of lab ha, which go back to apache-base" in world.asked[0][1]
    assert world.store.machines == before


def test_work_that_is_thrown_away_for_what_comes_first_is_known_before(world: LabWorld) -> None:
    world.up("loadbalancing")
    gone = world.machine("srv-web-bis")
    world.driver.power_off(gone.handle, "hard")
    world.driver.delete(gone.handle)
    blueprint = world.blueprint("loadbalancing")
    assert losses_on_the_way(world.context, blueprint, LAB) == {}  # the other one is right as it is
    before = world.machine("srv-web")
    world.up("loadbalancing")
    assert world.asked == []
    assert (world.machine("srv-web").snapshots, world.machine("srv-web").marks) == (before.snapshots, before.marks)
    assert world.machine("srv-web-bis").has_snapshot("apache-base")
    assert world.plan("loadbalancing").is_empty


def test_work_that_is_thrown_away_for_the_set_of_what_comes_first_is_known_before(world: LabWorld) -> None:
    world.up("loadbalancing")
    world.up("failover", until="created")
    gone = world.machine("srv-web-bis")
    world.driver.power_off(gone.handle, "hard")
    world.driver.delete(gone.handle)
    blueprint = world.blueprint("failover")
    assert losses_on_the_way(world.context, blueprint, LAB) == {"srv-web": "apache-base"}
    assert losses_on_the_way(world.context, blueprint, LAB, until="created") == {}


def test_a_base_that_what_comes_first_needs_is_missed_in_the_plan(world: LabWorld) -> None:
    world.bases.missing.add("debian12")
    source = next(each for each in world.blueprint("loadbalancing").sets if each.name == "apache-base")
    found, _ = plan_source(world.context, world.blueprint("failover"), LAB, Source(source))
    assert found.blockers == ("base debian12 is not built yet",)


def test_a_lab_needs_the_source_of_its_topology_no_more_once_it_is_there(world: LabWorld) -> None:
    world.up("loadbalancing")
    for name in ("srv-web", "srv-web-bis"):
        world.driver.power_off(world.machine(name).handle, "hard")
        world.driver.delete_snapshot(world.machine(name).handle, "apache-base")
    taken = world.count("take_snapshot")
    world.up("loadbalancing")
    assert (world.asked, world.count("take_snapshot")) == ([], taken)
    assert world.plan("loadbalancing").is_empty
    assert world.machine("srv-web").adapters[0].attachment.name == "cluster"


def test_a_source_that_cannot_be_made_any_more_is_told_before_anything_is_done(world: LabWorld) -> None:
    world.up()
    for name in ("srv-web", "srv-web-bis"):
        world.driver.power_off(world.machine(name).handle, "hard")
        world.driver.delete_snapshot(world.machine(name).handle, "apache-base")
    before = dict(world.store.machines)
    with pytest.raises(LabError, match="nothing was changed") as caught:
        world.up("loadbalancing")
    assert "srv-web, srv-web-bis: there is no snapshot apache-base to go back to" in caught.value.details[0]
    assert world.store.machines == before
