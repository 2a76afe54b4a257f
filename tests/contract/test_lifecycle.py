"""The contract of making, starting, stopping and removing machines."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace

import pytest

from tests.contract.worlds import IMAGE, LAB, Specs, World, free_port, internal, management, nat
from vboxlab.errors import BaseError, CapabilityMissing, DriverError, MachineConflict, MachineNotFound
from vboxlab.hypervisor.driver import Driver
from vboxlab.planning.observed import MachineSpec, PowerState

ROUNDS = 6  # of what goes wrong only when threads meet in a bad moment


def test_a_new_host_has_no_machines(driver: Driver) -> None:
    assert [machine.name for machine in driver.machines() if machine.lab] == []


def test_create_makes_exactly_what_the_spec_says(driver: Driver, spec: Specs) -> None:
    adapters = (management(), internal(3, "clients", cable=False), nat(1))
    wanted = replace(spec(adapters=adapters, stage="web"), cpus=2, memory=96)
    made = driver.create(wanted)
    assert made.power is PowerState.OFF
    assert (made.name, made.image, made.cpus, made.memory) == (wanted.name, IMAGE, 2, 96)
    assert made.adapters == tuple(sorted(adapters, key=lambda adapter: adapter.slot))
    assert made.marks == dict(wanted.marks)
    assert (made.snapshots, made.current_snapshot, made.problem) == ((), None, "")
    assert driver.inspect(made.handle) == made


def test_what_create_made_is_seen_by_a_new_process(world: World, driver: Driver, spec: Specs) -> None:
    made = driver.create(spec())
    assert world.open().inspect(made.handle) == made
    assert made in world.open().machines()


def test_create_without_the_image_makes_nothing(driver: Driver, spec: Specs) -> None:
    with pytest.raises(BaseError, match="nowhere"):
        driver.create(replace(spec(), image="nowhere"))
    assert list(driver.machines()) == []


def test_create_refuses_a_name_that_is_taken(driver: Driver, spec: Specs) -> None:
    first, copy = driver.create(spec("twin")), driver.create(spec("a-twin", copy="a"))
    for name, owner in (("twin", "lab contract"), ("a-twin", "lab contract/a")):
        with pytest.raises(MachineConflict) as caught:
            driver.create(spec(name, lab="another"))
        assert caught.value.brief == f"a VM named {name} exists already ({owner})"
    assert sorted(driver.machines(), key=lambda machine: -len(machine.name)) == [copy, first]


def test_create_refuses_a_name_that_a_foreign_machine_has(world: World, driver: Driver, spec: Specs) -> None:
    world.add_foreign("PF_FIREWALL")
    with pytest.raises(MachineConflict, match=r"^a VM named PF_FIREWALL exists already \(not vboxlab's\)"):
        driver.create(spec("PF_FIREWALL"))


def test_create_refuses_a_network_kind_that_the_driver_lacks(driver: Driver, spec: Specs) -> None:
    lacking = {"internal", "nat", "host-only", "bridged", "nat-network"} - driver.capabilities.network_kinds
    for kind in lacking:
        adapter = internal(1, "x")
        strange = replace(adapter, attachment=replace(adapter.attachment, kind=kind))  # type: ignore[arg-type]
        with pytest.raises(CapabilityMissing, match=kind):
            driver.create(spec(adapters=(strange,)))
    assert list(driver.machines()) == []


def test_create_refuses_two_adapters_in_one_slot(driver: Driver, spec: Specs) -> None:
    with pytest.raises(DriverError, match="slot"):
        driver.create(spec(adapters=(internal(1, "a"), internal(1, "b"))))


def test_create_reports_progress(driver: Driver, spec: Specs) -> None:
    said: list[str] = []
    driver.create(spec("talkative"), lambda text, _percent: said.append(text))
    assert any("talkative" in text for text in said)


def test_many_threads_create_machines_of_one_image(driver: Driver, spec: Specs) -> None:
    specs = [spec() for _ in range(8)]
    with ThreadPoolExecutor(4) as pool:
        made = list(pool.map(driver.create, specs))
    assert len({machine.handle for machine in made}) == 8
    assert sorted(machine.name for machine in driver.machines()) == sorted(wanted.name for wanted in specs)


def test_threads_that_create_one_name_get_one_machine(driver: Driver, spec: Specs) -> None:
    def create(wanted: MachineSpec) -> str:
        try:
            return driver.create(wanted).handle
        except MachineConflict:
            return ""

    for _round in range(ROUNDS):
        with ThreadPoolExecutor(8) as pool:
            handles = list(pool.map(create, [spec("only") for _ in range(8)]))
        assert sorted(map(bool, handles)) == [False] * 7 + [True]
        assert [machine.handle for machine in driver.machines()] == [max(handles)]
        driver.delete(max(handles))


def test_processes_that_create_and_delete_one_name_leave_nothing_half_made(world: World, spec: Specs) -> None:
    def take_turns(driver: Driver) -> int:
        made = 0
        for wanted in [spec("only") for _ in range(ROUNDS)]:
            with suppress(MachineConflict):
                driver.delete(driver.create(wanted).handle)
                made += 1
        return made

    one, other = world.open(), world.open()
    with ThreadPoolExecutor(4) as pool:
        assert sum(pool.map(take_turns, (one, other, one, other))) > 0
    assert [list(driver.machines()) for driver in (one, other)] == [[], []]
    assert one.inspect(one.create(spec("only")).handle).problem == ""


def test_two_processes_work_on_one_host(world: World, spec: Specs) -> None:
    one, other = world.open(), world.open()
    with ThreadPoolExecutor(2) as pool:
        made = list(pool.map(lambda task: task[0].create(task[1]), [(one, spec()), (other, spec())]))
    for driver in (one, other):
        assert {machine.handle for machine in driver.machines()} == {machine.handle for machine in made}


def test_start_and_hard_power_off(world: World, driver: Driver, spec: Specs) -> None:
    handle = driver.create(spec(adapters=(nat(1), management()))).handle
    driver.start(handle)
    assert driver.inspect(handle).power is PowerState.RUNNING
    assert [machine.power for machine in world.open().machines()] == [PowerState.RUNNING]
    driver.start(handle)
    assert driver.power_off(handle, "hard") is False
    assert driver.inspect(handle).power is PowerState.OFF


def test_a_paused_machine_stands_still_until_it_is_started(world: World, driver: Driver, spec: Specs) -> None:
    handle = driver.create(spec(adapters=(nat(1),))).handle
    driver.start(handle)
    begun = driver.inspect(handle).last_power_change
    for _twice in range(2):
        driver.pause(handle)
        assert world.open().inspect(handle).power is PowerState.PAUSED
    driver.start(handle)
    assert world.open().inspect(handle).power is PowerState.RUNNING
    assert driver.inspect(handle).last_power_change == begun
    driver.pause(handle)
    assert driver.power_off(handle, "hard") is False
    assert driver.inspect(handle).power is PowerState.OFF


def test_only_what_runs_can_be_paused(driver: Driver, spec: Specs) -> None:
    made = driver.create(spec())
    with pytest.raises(DriverError, match="does not run, so it cannot be paused"):
        driver.pause(made.handle)
    assert driver.inspect(made.handle) == made


def test_power_off_of_a_machine_that_is_off_does_nothing(driver: Driver, spec: Specs) -> None:
    made = driver.create(spec())
    assert driver.power_off(made.handle, "graceful") is True
    assert driver.power_off(made.handle, "hard") is True
    assert driver.inspect(made.handle) == made


def test_graceful_power_off_turns_hard_after_the_timeout(driver: Driver, spec: Specs) -> None:
    handle = driver.create(spec(adapters=(nat(1),))).handle
    driver.start(handle)
    begun = time.monotonic()
    assert driver.power_off(handle, "graceful", timeout=1.0) is False
    assert time.monotonic() - begun < 15
    assert driver.inspect(handle).power is PowerState.OFF


def test_what_is_off_can_be_changed_and_started_at_once(driver: Driver, spec: Specs) -> None:
    handle = driver.create(spec(adapters=(nat(1),))).handle
    for memory in (80, 96, 112):
        driver.start(handle)
        driver.power_off(handle, "hard")
        driver.set_hardware(handle, cpus=1, memory=memory)
        driver.take_snapshot(handle, f"at-{memory}")
    assert driver.inspect(handle).memory == 112


def test_start_names_a_forwarded_port_that_is_taken(world: World, driver: Driver, spec: Specs) -> None:
    with world.occupied_port() as port:
        handle = driver.create(spec(adapters=(management(port),))).handle
        with pytest.raises(DriverError, match=str(port)):
            driver.start(handle)
        assert driver.inspect(handle).power is PowerState.OFF
    driver.start(handle)
    assert driver.inspect(handle).power is PowerState.RUNNING


def test_start_with_a_window_where_there_are_none(driver: Driver, spec: Specs) -> None:
    handle = driver.create(spec(adapters=(nat(1),))).handle
    if not driver.capabilities.window:
        with pytest.raises(CapabilityMissing):
            driver.start(handle, gui=True)
        assert driver.inspect(handle).power is PowerState.OFF


def test_machines_go_on_running_when_the_driver_is_closed(world: World, driver: Driver, spec: Specs) -> None:
    handle = driver.create(spec(adapters=(nat(1),))).handle
    driver.start(handle)
    driver.close()
    assert world.open().inspect(handle).power is PowerState.RUNNING
    assert world.open().power_off(handle, "hard") is False


def test_delete_powers_off_and_removes_one_machine_only(world: World, driver: Driver, spec: Specs) -> None:
    doomed, kept = driver.create(spec(adapters=(nat(1),))), driver.create(spec())
    driver.take_snapshot(doomed.handle, "before")
    driver.start(doomed.handle)
    driver.delete(doomed.handle)
    assert list(world.open().machines()) == [kept]
    again = driver.create(spec(doomed.name))
    assert again.snapshots == ()


def test_a_handle_whose_machine_is_gone(driver: Driver, spec: Specs) -> None:
    handle = driver.create(spec()).handle
    driver.delete(handle)
    attempts = (
        lambda: driver.inspect(handle),
        lambda: driver.start(handle),
        lambda: driver.power_off(handle, "hard"),
        lambda: driver.delete(handle),
        lambda: driver.set_marks(handle, {"stage": "web"}),
        lambda: driver.set_hardware(handle, cpus=1, memory=64),
        lambda: driver.set_adapters(handle, ()),
        lambda: driver.attach(handle, 1, nat(1).attachment),
        lambda: driver.set_cable(handle, 1, False),
        lambda: driver.pause(handle),
        lambda: driver.take_snapshot(handle, "x"),
        lambda: driver.restore_snapshot(handle, "x"),
        lambda: driver.delete_snapshot(handle, "x"),
        lambda: driver.console_tail(handle),
    )
    for attempt in attempts:
        with pytest.raises(MachineNotFound):
            attempt()
    with pytest.raises(MachineNotFound):
        driver.inspect("../../etc")


def test_a_foreign_machine_is_never_changed(world: World, driver: Driver) -> None:
    handle = world.add_foreign("teachers-own")
    before = driver.inspect(handle)
    assert before.lab is None
    attempts = (
        lambda: driver.power_off(handle, "hard"),
        lambda: driver.delete(handle),
        lambda: driver.set_marks(handle, LAB),
        lambda: driver.set_hardware(handle, cpus=2, memory=64),
        lambda: driver.set_adapters(handle, (internal(1, "sw-dmz"),)),
        lambda: driver.attach(handle, 1, nat(1).attachment),
        lambda: driver.set_cable(handle, 1, False),
        lambda: driver.pause(handle),
        lambda: driver.take_snapshot(handle, "x"),
        lambda: driver.restore_snapshot(handle, "x"),
        lambda: driver.delete_snapshot(handle, "x"),
    )
    for attempt in attempts:
        with pytest.raises(MachineConflict):
            attempt()
    assert driver.inspect(handle) == before
    driver.collect_garbage()
    assert driver.inspect(handle) == before


def test_marks_are_set_and_removed_also_while_running(world: World, driver: Driver, spec: Specs) -> None:
    handle = driver.create(spec(adapters=(nat(1),), stage="web", desired="1f")).handle
    driver.start(handle)
    driver.set_marks(handle, {"stage": None, "contacted": "yes", "absent": None, "topology": "é 'x' \"y\"\n"})
    marks = world.open().inspect(handle).marks
    assert {key: marks[key] for key in ("lab", "desired", "contacted", "topology")} == {
        "lab": "contract", "desired": "1f", "contacted": "yes", "topology": "é 'x' \"y\"\n",
    }  # fmt: skip
    assert "stage" not in marks
    assert "absent" not in marks
    driver.power_off(handle, "hard")
    assert driver.inspect(handle).marks == marks


def test_hardware_is_changed_only_while_off(driver: Driver, spec: Specs) -> None:
    handle = driver.create(spec(adapters=(nat(1),))).handle
    driver.set_hardware(handle, cpus=2, memory=80)
    assert (driver.inspect(handle).cpus, driver.inspect(handle).memory) == (2, 80)
    driver.start(handle)
    with pytest.raises(DriverError, match="off"):
        driver.set_hardware(handle, cpus=1, memory=64)
    assert (driver.inspect(handle).cpus, driver.inspect(handle).memory) == (2, 80)


def test_console_tail_is_text(driver: Driver, spec: Specs) -> None:
    assert driver.console_tail(driver.create(spec()).handle) == ""


def test_screenshot_where_there_are_none(world: World, driver: Driver, spec: Specs) -> None:
    handle = driver.create(spec()).handle
    if not driver.capabilities.screenshots:
        with pytest.raises(CapabilityMissing):
            driver.screenshot(handle, world.home / "picture.png")
        assert not (world.home / "picture.png").exists()


def test_two_machines_with_one_port_cannot_both_run(driver: Driver, spec: Specs) -> None:
    port = free_port()
    first, second = (driver.create(spec(adapters=(management(port),))).handle for _ in range(2))
    driver.start(first)
    with pytest.raises(DriverError, match=str(port)):
        driver.start(second)
    driver.power_off(first, "hard")
    driver.start(second)


def test_machines_come_and_go_side_by_side(world: World, spec: Specs) -> None:
    """What one thread or process makes, restores and removes is no obstacle for another's work, nor for looking."""
    one, other = world.open(), world.open()
    names = [f"m-{number}" for number in range(8)]
    at_work = threading.Event()

    def come_and_go(number: int) -> None:
        driver = (one, other)[number % 2]
        handle = driver.create(spec(names[number], adapters=(nat(1),))).handle
        driver.take_snapshot(handle, "before")
        driver.start(handle)
        assert driver.inspect(handle).name == names[number]
        driver.power_off(handle, "hard")
        driver.take_snapshot(handle, "after")
        driver.restore_snapshot(handle, "before")
        driver.restore_snapshot(handle, "after")
        assert handle in [machine.handle for machine in driver.machines()]
        driver.delete_snapshot(handle, "before")
        driver.delete(handle)

    def clear_up() -> None:
        driver = world.open()
        while at_work.is_set():
            # Nobody was killed here, and nobody put anything: whatever is found is being worked on.
            assert [list(driver.strays()), driver.garbage(), driver.collect_garbage()] == [[], [], []]

    at_work.set()
    with world.unless_the_service_dies(), ThreadPoolExecutor(3) as pool:
        cleaner = pool.submit(clear_up)
        try:
            list(pool.map(come_and_go, range(len(names))))
        finally:
            at_work.clear()
        cleaner.result()
    assert list(one.machines()) == []
