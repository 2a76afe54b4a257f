"""The planner, over the shipped topologies and a pure world."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.golden_files import check_golden
from tests.unit.plan_world import LAB, World, desired, topology
from vboxlab.planning import actions as act
from vboxlab.planning import describe
from vboxlab.planning.desired import fetches_through
from vboxlab.planning.observed import (
    AdapterState,
    Attachment,
    GuestLook,
    ObservedLab,
    ObservedMachine,
    PendingRestore,
    PowerState,
)
from vboxlab.planning.planner import UNTIL_CREATED, losses, machines_of, plan
from vboxlab.topology.addressing import LabName, mac_address


def converged(**values: str) -> World:
    world = World()
    wanted = desired(topology(**values), world.observed)
    world.apply(plan(wanted, world.observed), wanted)
    return world


def steps(found: act.Plan) -> list[act.Step]:
    return [action.step for action in found.actions]


def test_from_nothing() -> None:
    world = World()
    check_golden(
        "plans/failover-from-nothing.txt", describe.lines(plan(desired(topology(), world.observed), world.observed))
    )


def test_until_created_makes_machines_and_starts_none() -> None:
    world = World()
    wanted = desired(topology(), world.observed, until=UNTIL_CREATED)
    found = steps(plan(wanted, world.observed))
    assert found == [act.Create(name) for name in ("firewall", "dns", "client", "srv-web", "srv-web-bis")]


def test_converged_lab_needs_nothing() -> None:
    world = converged()
    found = plan(desired(topology(), world.observed), world.observed)
    assert (found.actions, found.blockers) == ((), ())
    assert describe.lines(found)[1] == "nothing to do: the lab is what the topology says"


def test_a_guest_that_was_seen_to_differ_is_repaired_and_what_is_kept_is_said() -> None:
    world = converged()
    looks = {
        "firewall": GuestLook(),
        "client": GuestLook(trouble="no SSH server answers in the guest"),
        "srv-web": GuestLook(("file:/etc/hosts: content differs", "service:ssh: not running"), ("/etc/hosts",)),
    }
    found = plan(desired(topology(), world.observed), replace(world.observed, guests=looks))
    assert [(action.step, action.reason) for action in found.actions] == [
        (act.Contact("client"), "its guest could not be looked at: no SSH server answers in the guest"),
        (act.Recheck("client", None), "it is looked at once it answers"),
        (
            act.Repair("srv-web", "heartbeat", ("/etc/hosts",)),
            "file:/etc/hosts: content differs; service:ssh: not running (kept beside first: /etc/hosts)",
        ),
    ]
    assert plan(desired(topology(), world.observed, until="web"), replace(world.observed, guests=looks)).actions == ()


def test_powered_off_lab_is_started_and_looked_at_and_not_configured() -> None:
    world = converged()
    for name in world.machines:
        world.change(name, power=PowerState.OFF)
    found = plan(desired(topology(), world.observed), world.observed)
    assert {type(step) for step in steps(found)} == {act.Start, act.Contact, act.Recheck}
    assert len(found.actions) == 15
    # Nodes of a cluster that answer one after the other: who serves is settled once both do. The client is elsewhere.
    by_id = {action.id: action.step for action in found.actions}
    after = {
        action.step.machine: {by_id[before] for before in action.after}
        for action in found.actions
        if isinstance(action.step, act.Recheck)
    }
    assert after["srv-web"] == {act.Contact("firewall"), act.Contact("srv-web"), act.Contact("srv-web-bis")}
    assert after["client"] == {act.Contact("firewall"), act.Contact("client")}


def test_leftovers_are_removed_before_anything_else() -> None:
    observed = replace(World().observed, leftovers=("unfinished machine srv-web",))
    found = plan(desired(topology(), observed), observed)
    first, *others = found.actions
    assert first.step == act.RemoveLeftovers(("unfinished machine srv-web",))
    assert [action for action in others if not action.after] == []
    assert describe.lines(found)[1].startswith("  01 lab")


def interrupted(world: World, **fields: object) -> ObservedLab:
    taken = {"snapshot": "apache-base", "begun": "2026-11-28T08:00:00+00:00", "done": ("srv-web",)}
    pending = PendingRestore(**{**taken, "undone": ("srv-web-bis",), **fields})  # type: ignore[arg-type]
    return replace(world.observed, pending=pending)


def test_a_restore_that_loses_nothing_more_is_finished_and_the_plan_goes_on_from_there() -> None:
    world = converged()
    for name in ("srv-web", "srv-web-bis"):
        world.change(name, power=PowerState.OFF)
    observed = interrupted(world)
    found = plan(desired(topology(), observed), observed)
    assert found.blockers == ()
    assert found.actions[0].step == act.FinishRestore(("srv-web-bis",), "apache-base")
    assert found.actions[0].reason == (
        "the restore of apache-base, begun 2026-11-28T08:00:00+00:00, was interrupted: done on srv-web, not on "
        "srv-web-bis"
    )
    assert act.Configure("srv-web-bis", "heartbeat") in steps(found)
    assert losses(found, observed) == {}


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"used": ("srv-web-bis",)}, "srv-web-bis was started since: finishing it throws away what was done there"),
        ({"impossible": ("srv-web-bis no longer has the snapshot apache-base",)}, "no longer has the snapshot"),
        ({"unknown": "restore.json: is no record of a restore"}, "its record cannot be read (restore.json"),
    ],
)
def test_a_restore_that_would_lose_work_blocks_the_plan_and_names_the_ways_out(
    fields: dict[str, object], said: str
) -> None:
    observed = interrupted(converged(), **fields)
    found = plan(desired(topology(), observed), observed)
    assert any(said in blocker for blocker in found.blockers)
    assert found.blockers[-1] == (
        "`vboxlab snapshot restore --finish` ends it, `vboxlab snapshot restore --drop` leaves the machines as they are"
    )
    assert not any(isinstance(step, act.FinishRestore) for step in steps(found))


def test_what_a_change_of_topology_throws_away_is_told() -> None:
    world = converged()
    wanted = desired(topology("loadbalancing"), world.observed)
    found = plan(wanted, world.observed)
    assert losses(found, world.observed) == {"srv-web": "apache-base", "srv-web-bis": "apache-base"}
    world.change("srv-web", untouched=True)
    assert losses(found, world.observed) == {"srv-web-bis": "apache-base"}


def test_snapshot_is_taken_before_heartbeat_and_with_both_machines_off() -> None:
    world = World()
    found = plan(desired(topology(), world.observed), world.observed)
    take = next(a for a in found.actions if isinstance(a.step, act.TakeSnapshots))
    assert take.step == act.TakeSnapshots(("srv-web", "srv-web-bis"), "apache-base")
    before = {a.id: a.step for a in found.actions}
    assert [before[i] for i in take.after] == [act.PowerOff("srv-web"), act.PowerOff("srv-web-bis")]
    for name in ("srv-web", "srv-web-bis"):
        position = steps(found).index(act.Configure(name, "heartbeat"))
        assert position > found.actions.index(take)


def test_a_nic_on_the_wrong_network_is_named_with_what_was_expected() -> None:
    world = converged()
    wrong = AdapterState(1, Attachment("internal", "cluster"), mac_address(LAB, "srv-web", 1))
    world.change("srv-web", adapters=(wrong, *world.machines["srv-web"].adapters[1:]))
    found = plan(desired(topology(), world.observed), world.observed)
    (action,) = found.actions
    assert isinstance(action.step, act.SetAdapters)
    assert action.reason == "adapter 1 is on internal cluster, expected internal sw-dmz"


def test_other_memory_means_off_and_on_again() -> None:
    world = converged()
    world.change("client", memory=256)
    found = plan(desired(topology(), world.observed), world.observed)
    assert steps(found) == [
        act.PowerOff("client"), act.SetHardware("client", 1, 512), act.Start("client"), act.Contact("client"),
        act.Recheck("client", None),
    ]  # fmt: skip
    assert found.actions[0].reason == "memory: 256 MiB, expected 512 MiB"


def test_another_student_is_configured_in_place() -> None:
    world = converged()
    found = plan(desired(topology(student="alice"), world.observed), world.observed)
    configured = [step for step in steps(found) if isinstance(step, act.Configure)]
    assert act.Configure("srv-web", "heartbeat") in configured
    assert not [step for step in steps(found) if isinstance(step, act.PowerOff | act.Create | act.RestoreSnapshots)]


def test_a_machine_of_another_topology_only_is_switched_off_and_kept() -> None:
    world = converged()
    world.machines["load-balancer"] = replace(world.machines["client"], name="load-balancer", handle="id-lb")
    found = plan(desired(topology(), world.observed), world.observed)
    assert steps(found) == [act.PowerOff("load-balancer"), act.SetMarks("load-balancer", {"topology": None})]


def test_foreign_vm_of_the_same_name_blocks() -> None:
    observed = ObservedLab(LAB, others={"srv-web": None})
    found = plan(desired(topology(), observed), observed)
    assert found.blockers == (
        "srv-web: a VM named 'srv-web' exists already and is not vboxlab's; rename it, or work in a copy (--copy NAME)",
    )


def adopted_vm(name: str, *networks: str) -> ObservedMachine:
    adapters = tuple(AdapterState(i, Attachment("internal", n), f"08002700000{i}") for i, n in enumerate(networks, 1))
    return ObservedMachine(f"id-{name}", name, PowerState.OFF, 1, 512, "", adapters)


def test_adopted_machines_are_started_and_never_edited() -> None:
    world = World(
        adopted={
            "firewall": adopted_vm("PF_FIREWALL", "sw-dmz", "servers", "clients"),
            "dns": adopted_vm("DEBIAN_TRAINING_SERVEUR", "servers"),
            "client": adopted_vm("LUBUNTU_TRAINING_CLIENT", "clients"),
        }
    )
    found = plan(desired(topology(environment="school"), world.observed), world.observed)
    assert found.blockers == ()
    touched = [step for step in steps(found) if world.adopted.keys() & set(machines_of(step))]
    assert touched == [act.CheckAdopted("firewall"), act.CheckAdopted("dns"), act.CheckAdopted("client")]


def test_adopted_machine_on_the_wrong_network_stops_the_plan() -> None:
    world = World(
        adopted={
            "firewall": adopted_vm("PF_FIREWALL", "sw-dmz", "servers"),
            "dns": adopted_vm("DEBIAN_TRAINING_SERVEUR", "servers"),
        }
    )
    found = plan(desired(topology(environment="school"), world.observed), world.observed)
    assert found.blockers == (
        (
            "firewall: the adopted VM PF_FIREWALL has no adapter on clients (its adapters: 1: internal sw-dmz, "
            "2: internal servers); attach one in VirtualBox, vboxlab does not edit adopted machines"
        ),
        "client: the VM LUBUNTU_TRAINING_CLIENT to adopt does not exist; import it, or --set environment",
    )


def test_guests_that_fetch_packages_wait_for_their_router() -> None:
    world = World()
    found = plan(desired(topology(), world.observed, prepared=False), world.observed)
    router = next(a.id for a in found.actions if a.step == act.Configure("firewall", None))
    web = next(a for a in found.actions if a.step == act.Configure("srv-web", "web"))
    assert router in web.after


def test_copies_share_no_name_network_mac_or_port() -> None:
    plain, copy = World(), World(LabName("ha", "theodore"))
    one = desired(topology(), plain.observed)
    two = desired(topology(), copy.observed, lab=copy.lab)
    for name, machine in one.machines.items():
        other = two.machines[name]
        assert other.vm_name == f"theodore-{machine.vm_name}"
        for left, right in zip(machine.adapters, other.adapters, strict=True):
            assert left.mac != right.mac
            if left.attachment.kind == "internal":
                assert right.attachment.name == f"vboxlab-ha--theodore--{left.attachment.name}"
            for mine, theirs in zip(left.attachment.forwards, right.attachment.forwards, strict=True):
                assert mine.host_port != theirs.host_port


@settings(max_examples=60, deadline=None)
@given(cut=st.integers(min_value=0, max_value=40), off=st.booleans(), again=st.integers(min_value=0, max_value=40))
def test_a_plan_cut_off_anywhere_is_finished_by_the_next(cut: int, again: int, *, off: bool) -> None:
    world = World()
    for only in (cut, again, None):
        wanted = desired(topology(), world.observed)
        world.apply(plan(wanted, world.observed), wanted, only=only)
        if off and only is not None:
            for name in world.machines:
                world.change(name, power=PowerState.OFF)
    last = desired(topology(), world.observed)
    assert plan(last, world.observed).actions == ()
    assert all(world.machines[name].has_snapshot("apache-base") for name in ("srv-web", "srv-web-bis"))


@pytest.mark.parametrize("stage", ["web", "heartbeat"])
def test_until_stops_after_the_stage(stage: str) -> None:
    world = World()
    wanted = desired(topology(), world.observed, until=stage)
    world.apply(plan(wanted, world.observed), wanted)
    assert world.machines["srv-web"].marks["stage"] == stage
    assert world.machines["srv-web"].has_snapshot("apache-base")


def switch(world: World, name: str) -> act.Plan:
    wanted = desired(topology(name), world.observed)
    found = plan(wanted, world.observed)
    world.apply(found, wanted)
    again = desired(topology(name), world.observed)
    assert plan(again, world.observed).actions == ()
    assert world.observed.topology == name
    return found


def powers(world: World) -> dict[str, PowerState]:
    return {name: machine.power for name, machine in world.machines.items()}


def test_from_failover_to_load_balancing_and_back() -> None:
    world = converged()
    there = switch(world, "loadbalancing")
    check_golden("plans/loadbalancing-from-failover.txt", describe.lines(there))
    alone = {"firewall", "dns", "client"}
    assert {type(step) for step in steps(there) if alone & set(machines_of(step))} == {act.SetMarks}
    assert world.machines["srv-web"].adapters[0].attachment == Attachment("internal", "cluster")
    back = switch(world, "failover")
    check_golden("plans/failover-from-loadbalancing.txt", describe.lines(back))
    assert world.machines["srv-web"].adapters[0].attachment == Attachment("internal", "sw-dmz")
    assert powers(world)["load-balancer"] is PowerState.OFF
    switch(world, "loadbalancing")
    assert powers(world)["load-balancer"] is PowerState.RUNNING


def test_packages_are_fetched_through_routers_and_name_servers_that_are_configured_before() -> None:
    for name, expected in {
        "failover": {
            "firewall": (), "dns": ("firewall",), "client": ("dns", "firewall"), "srv-web": ("dns", "firewall"),
            "srv-web-bis": ("dns", "firewall"),
        },
        "loadbalancing": {
            "firewall": (), "dns": ("firewall",), "load-balancer": ("dns", "firewall"),
            "srv-web": ("dns", "load-balancer"), "srv-web-bis": ("dns", "load-balancer"), "client": ("dns", "firewall"),
        },
    }.items():  # fmt: skip
        found = topology(name)
        assert {machine.name: fetches_through(found, machine) for machine in found.owned_machines} == expected
