"""The contract of adapters and what they are plugged into."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from tests.contract.worlds import Specs, World, free_port, internal, mac, management, nat
from vboxlab.errors import CapabilityMissing, DriverError, MachineConflict, MachineNotFound
from vboxlab.hypervisor.driver import Driver
from vboxlab.planning.observed import Attachment, Forward, Impairment, PowerState


def test_any_change_of_adapters_while_off(world: World, driver: Driver, spec: Specs) -> None:
    handle = driver.create(spec()).handle
    wanted = (nat(1, Forward(free_port(), 80), Forward(free_port(), 22)), internal(2, "servers", cable=False))
    driver.set_adapters(handle, tuple(reversed(wanted)))
    assert world.open().inspect(handle).adapters == wanted
    driver.set_adapters(handle, ())
    assert driver.inspect(handle).adapters == ()


def test_attach_while_off(driver: Driver, spec: Specs) -> None:
    handle = driver.create(spec(adapters=(internal(1, "sw-dmz"), internal(2, "clients")))).handle
    driver.attach(handle, 2, Attachment("internal", "cluster"))
    assert driver.inspect(handle).adapters == (internal(1, "sw-dmz"), internal(2, "cluster"))


def test_an_adapter_that_is_not_there(driver: Driver, spec: Specs) -> None:
    handle = driver.create(spec(adapters=(internal(1, "sw-dmz"),))).handle
    with pytest.raises(DriverError, match="adapter 4"):
        driver.attach(handle, 4, Attachment("internal", "cluster"))
    with pytest.raises(DriverError, match="adapter 4"):
        driver.set_cable(handle, 4, False)
    assert driver.inspect(handle).adapters == (internal(1, "sw-dmz"),)


def test_the_cable_survives_restarts(world: World, driver: Driver, spec: Specs) -> None:
    handle = driver.create(spec(adapters=(nat(1), nat(2)))).handle
    driver.set_cable(handle, 1, False)
    assert [adapter.cable for adapter in driver.inspect(handle).adapters] == [False, True]
    driver.start(handle)
    assert driver.inspect(handle).power is PowerState.RUNNING
    assert [adapter.cable for adapter in driver.inspect(handle).adapters] == [False, True]
    driver.set_cable(handle, 1, True)
    driver.set_cable(handle, 2, False)
    driver.power_off(handle, "hard")
    driver.start(handle)
    assert [adapter.cable for adapter in world.open().inspect(handle).adapters] == [True, False]


def test_lines_are_changed_where_the_driver_has_a_switch_of_its_own(world: World, driver: Driver, spec: Specs) -> None:
    made = driver.create(spec(adapters=(internal(1, "sw-dmz"), nat(2))))
    changes: tuple[Callable[[int], None], ...] = (
        lambda slot: driver.impair(made.handle, slot, Impairment(loss=0.5)),
        lambda slot: driver.set_groups(made.handle, slot, {1, 2}),
        lambda slot: driver.impair(made.handle, slot, Impairment()),
        lambda slot: driver.set_groups(made.handle, slot, ()),
    )
    for change in changes:
        if driver.capabilities.shapes_lines:
            change(1)
            with pytest.raises(DriverError, match="adapter 4"):
                change(4)
        else:
            with pytest.raises(CapabilityMissing, match="adapter 1"):
                change(1)
    for change in changes[:2] if driver.capabilities.shapes_lines else changes:
        with pytest.raises(CapabilityMissing, match="adapter 2"):
            change(2)
    assert world.open().inspect(made.handle) == made


def test_a_bad_line_can_be_ended_while_the_adapter_is_elsewhere(world: World, driver: Driver, spec: Specs) -> None:
    if not driver.capabilities.shapes_lines:
        pytest.skip("the driver changes no lines")
    handle = driver.create(spec(adapters=(internal(1, "sw-dmz"),))).handle
    driver.impair(handle, 1, Impairment(loss=0.5))
    driver.set_groups(handle, 1, {1})
    driver.attach(handle, 1, Attachment("nat", "", "10.0.2.0/24"))
    driver.impair(handle, 1, Impairment())
    driver.set_groups(handle, 1, ())


def test_lines_of_others_and_of_what_is_gone_are_left_alone(world: World, driver: Driver, spec: Specs) -> None:
    if not driver.capabilities.shapes_lines:
        pytest.skip("the driver changes no lines")
    foreign, gone = world.add_foreign("teachers-own"), driver.create(spec(adapters=(internal(1, "sw-dmz"),))).handle
    driver.delete(gone)
    for handle, error in ((foreign, MachineConflict), (gone, MachineNotFound)):
        with pytest.raises(error):
            driver.impair(handle, 1, Impairment(loss=0.5))
        with pytest.raises(error):
            driver.set_groups(handle, 1, {1})


def test_running_adapters_are_replugged_in_place(world: World, driver: Driver, spec: Specs) -> None:
    if not world.runs_internal:
        pytest.skip("internal networks do not run on this host")
    handle = driver.create(spec(adapters=(nat(1), management()))).handle
    driver.start(handle)
    for attachment in (
        Attachment("internal", "sw-dmz"),
        Attachment("internal", "cluster"),
        Attachment("nat", "", "10.0.2.0/24"),
        Attachment("nat", "", "10.0.5.0/24", (Forward(free_port(), 22),)),
    ):
        driver.attach(handle, 1, attachment)
        found = world.open().inspect(handle)
        assert found.adapters[0].attachment == attachment
        assert found.power is PowerState.RUNNING


def test_running_forwards_are_exchanged(world: World, driver: Driver, spec: Specs) -> None:
    handle = driver.create(spec(adapters=(management(),))).handle
    driver.start(handle)
    moved = management()
    driver.set_adapters(handle, (moved,))
    assert world.open().inspect(handle).adapters == (moved,)
    assert world.open().inspect(handle).management_port == moved.attachment.forwards[0].host_port


def test_a_forward_moves_from_an_adapter_to_a_later_one_while_running(
    world: World, driver: Driver, spec: Specs
) -> None:
    forward = Forward(free_port(), 22)
    first, later = nat(1), management()
    lent = (nat(1, forward), replace(later, attachment=replace(later.attachment, forwards=())))
    handle = driver.create(spec(adapters=lent)).handle
    assert driver.inspect(handle).management_port == forward.host_port
    driver.start(handle)
    own = (first, replace(later, attachment=replace(later.attachment, forwards=(forward,))))
    driver.set_adapters(handle, own)
    assert world.open().inspect(handle).adapters == own
    assert world.open().inspect(handle).management_port == forward.host_port


def test_a_running_forward_to_a_taken_port_is_refused(world: World, driver: Driver, spec: Specs) -> None:
    before = management()
    handle = driver.create(spec(adapters=(before,))).handle
    driver.start(handle)
    with world.occupied_port() as port, pytest.raises(DriverError, match=str(port)):
        driver.set_adapters(handle, (management(port),))
    assert driver.inspect(handle).adapters == (before,)


def test_running_adapters_cannot_come_or_go(driver: Driver, spec: Specs) -> None:
    before = (nat(1), management())
    handle = driver.create(spec(adapters=before)).handle
    driver.start(handle)
    for wanted in (before[:1], (*before, nat(2)), ()):
        with pytest.raises(DriverError, match="off"):
            driver.set_adapters(handle, wanted)
    assert driver.inspect(handle).adapters == before


def test_adapters_of_a_saved_machine_are_replugged_and_neither_come_nor_go(
    world: World, driver: Driver, spec: Specs
) -> None:
    if not driver.capabilities.live_snapshots:
        pytest.skip("no live snapshots")
    before = (nat(1), management())
    handle = driver.create(spec(adapters=before)).handle
    driver.start(handle)
    driver.take_snapshot(handle, "hot", live=True)
    driver.power_off(handle, "hard")
    driver.restore_snapshot(handle, "hot")
    for wanted in (before[:1], (*before, nat(2))):
        with pytest.raises(DriverError):
            driver.set_adapters(handle, wanted)
    moved = (nat(1, cable=False), management())
    driver.set_adapters(handle, moved)
    found = world.open().inspect(handle)
    assert (found.adapters, found.power) == (moved, PowerState.SAVED)
    driver.start(handle)
    found = world.open().inspect(handle)
    assert (found.adapters, found.power) == (moved, PowerState.RUNNING)


def test_adapters_keep_their_addresses(driver: Driver, spec: Specs) -> None:
    made = driver.create(spec(adapters=tuple(internal(slot, f"n{slot}") for slot in range(1, 9))))
    assert [adapter.mac for adapter in made.adapters] == [mac(slot) for slot in range(1, 9)]
