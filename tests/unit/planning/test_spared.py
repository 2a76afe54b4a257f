"""Machines that are right for the topology asked for, while another one is brought about for the others' sake."""

from __future__ import annotations

from dataclasses import replace

from tests.unit.plan_world import LAB, World, desired, topology
from vboxlab.planning import actions as act
from vboxlab.planning.desired import Desired
from vboxlab.planning.host import Host
from vboxlab.planning.machine import spared_machines
from vboxlab.planning.names import choose_names
from vboxlab.planning.observed import ObservedMachine, PendingRestore, PowerState
from vboxlab.planning.planner import machines_of, plan

ALL = frozenset({"firewall", "dns", "client", "srv-web", "srv-web-bis", "load-balancer"})


def balanced() -> World:
    """Return a lab that was brought to load balancing by way of failover."""
    world = World()
    for name in ("failover", "loadbalancing"):
        wanted = desired(topology(name), world.observed)
        world.apply(plan(wanted, world.observed), wanted)
    return world


def halfway(world: World, *, prepared: bool = True) -> Desired:
    """Return what failover's first stage wants, with all spared that may be."""
    wanted = desired(topology(), world.observed, until="web", prepared=prepared)
    return replace(wanted, spared=spared_machines(wanted, world.observed, ALL))


def test_only_what_is_made_anew_is_worked_on() -> None:
    world = balanced()
    del world.machines["srv-web-bis"]
    wanted = halfway(world)
    assert wanted.spared == {"firewall", "dns", "client", "srv-web"}
    found = plan(wanted, world.observed)
    assert found.blockers == ()
    worked_on = {name for action in found.actions for name in machines_of(action.step)}
    assert worked_on - {"load-balancer"} == {"srv-web-bis"}  # that one has no place in it, and is kept aside
    assert act.TakeSnapshots(("srv-web-bis",), "apache-base") in [action.step for action in found.actions]


def test_those_that_packages_come_through_are_started_first_and_no_others() -> None:
    world = balanced()
    del world.machines["srv-web-bis"]
    for name in world.machines:
        world.change(name, power=PowerState.OFF)
    wanted = halfway(world, prepared=False)
    assert {"firewall", "dns"} <= wanted.spared
    found = plan(wanted, world.observed)
    started = [action.step.machine for action in found.actions if isinstance(action.step, act.Start)]
    assert set(started) == {"firewall", "dns", "srv-web-bis"}
    (configured,) = (action for action in found.actions if isinstance(action.step, act.Configure))
    contacts = {action.step.machine: action.id for action in found.actions if isinstance(action.step, act.Contact)}
    assert contacts["firewall"] in configured.after
    world.apply(found, wanted)


def test_one_that_packages_come_through_is_spared_only_when_it_is_right_here_too() -> None:
    world = balanced()
    del world.machines["srv-web-bis"]
    world.mark("firewall", desired="of another topology")
    assert "firewall" in halfway(world).spared  # the packages are in the image
    assert "firewall" not in halfway(world, prepared=False).spared


def test_one_that_an_interrupted_restore_has_left_is_not_spared() -> None:
    world = balanced()
    wanted = desired(topology(), world.observed, until="web")
    pending = PendingRestore("monday", "2026-11-28T08:00:00+00:00", done=("srv-web",), undone=("srv-web-bis",))
    found = spared_machines(wanted, replace(world.observed, pending=pending), ALL)
    assert found == {"firewall", "dns", "client", "srv-web"}


def test_a_machine_that_was_kept_aside_goes_back_with_its_set() -> None:
    """A topology without it came in between: its marks say no more to which one it was brought."""
    world = World()
    wanted = desired(topology(), world.observed)
    world.apply(plan(wanted, world.observed), wanted)
    world.mark("srv-web-bis", topology=None)
    found = plan(desired(topology("loadbalancing"), world.observed), world.observed)
    assert act.RestoreSnapshots(("srv-web", "srv-web-bis"), "apache-base") in [a.step for a in found.actions]


def test_a_machine_that_is_right_does_not_go_back_with_its_set() -> None:
    world = balanced()
    marks = dict(world.machines["srv-web"].marks)
    world.mark("srv-web", topology="failover", stage="web", desired="of another topology")
    found = plan(desired(topology("loadbalancing"), world.observed), world.observed)
    assert act.RestoreSnapshots(("srv-web",), "apache-base") in [a.step for a in found.actions]
    assert not any("srv-web-bis" in machines_of(action.step) for action in found.actions)
    assert marks["topology"] == "loadbalancing"


def test_a_new_lab_gets_names_that_are_free_for_machines_to_come() -> None:
    foreign = ObservedMachine("id", "gate", PowerState.OFF, 1, 512, "", ())
    source = topology()
    assert choose_names(source, LAB, Host([foreign])).names.plain
    found = choose_names(source, LAB, Host([foreign]), to_come=("gate",))
    assert not found.names.plain
    assert found.why == "a VM named 'gate' exists already, which is not vboxlab's"
