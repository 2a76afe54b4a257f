"""A worker, a service or another client that dies, or holds on: a retry or a clear error, never a hang."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace

import pytest

from tests.contract.worlds import IMAGE, Specs, management, nat
from tests.virtualbox.world import VirtualBoxWorld
from vboxlab.errors import DriverError
from vboxlab.hypervisor.virtualbox.driver import VirtualBoxDriver
from vboxlab.planning.observed import PowerState

MOMENTS = [0.0, 0.005, 0.01, 0.02, 0.03, 0.05, 0.08]
# Holds a machine's lock as another program would, until it is killed.
HOLDER = """
import sys, time
import vboxapi
manager = vboxapi.VirtualBoxManager(None, None)
session = manager.getSessionObject()
manager.getVirtualBox().findMachine(sys.argv[1]).lockMachine(session, manager.constants.LockType_Write)
session.machine.description = "unsaved"
print("locked", flush=True)
time.sleep(600)
"""


def after(seconds: float, act: Callable[[], None]) -> threading.Timer:
    timer = threading.Timer(seconds, act)
    timer.start()
    return timer


def kill(pid: int) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


@contextmanager
def held(handle: str) -> Iterator[subprocess.Popen[str]]:
    environment = {**os.environ, "VBOX_PROGRAM_PATH": "/usr/lib/virtualbox", "VBOX_SDK_PATH": "/usr/lib/virtualbox/sdk"}
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, handle], stdout=subprocess.PIPE, text=True, env=environment
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "locked\n"
        try:
            yield holder
        finally:
            holder.kill()


def test_a_killed_worker_is_replaced(driver: VirtualBoxDriver, spec: Specs) -> None:
    made = driver.create(spec())
    first = driver.client.worker_pid
    os.kill(first, signal.SIGKILL)
    assert driver.inspect(made.handle) == made
    assert driver.client.worker_pid != first


@pytest.mark.parametrize("moment", MOMENTS)
def test_a_worker_killed_under_a_call_is_replaced_and_the_call_made_again(
    driver: VirtualBoxDriver, spec: Specs, moment: float
) -> None:
    wanted = spec("victim", adapters=(nat(1),))
    pid = driver.client.worker_pid
    killer = after(moment, lambda: kill(pid))
    made = driver.create(wanted)
    killer.join()
    assert (made.name, made.adapters, made.marks) == ("victim", wanted.adapters, dict(wanted.marks))
    pid = driver.client.worker_pid
    killer = after(moment, lambda: kill(pid))
    driver.take_snapshot(made.handle, "base")
    driver.set_marks(made.handle, {"stage": "web"})
    driver.restore_snapshot(made.handle, "base")
    driver.delete_snapshot(made.handle, "base")
    driver.delete(made.handle)
    killer.join()
    driver.collect_garbage()
    assert list(driver.machines()) == []
    assert [image.clones for image in driver.images()] == [()]


@pytest.mark.parametrize("moment", MOMENTS)
def test_a_service_killed_under_a_call_is_started_again(
    world: VirtualBoxWorld, driver: VirtualBoxDriver, spec: Specs, moment: float
) -> None:
    kept = driver.create(spec("kept"))
    killer = after(moment, world.kill_service)
    made = driver.create(spec("victim", adapters=(nat(1),)))
    killer.join()
    assert {machine.name for machine in driver.machines()} == {"kept", "victim"}
    killer = after(moment, world.kill_service)
    driver.take_snapshot(made.handle, "base")
    driver.delete(made.handle)
    killer.join()
    driver.collect_garbage()
    assert list(world.open().machines()) == [kept]
    assert [image.clones for image in driver.images()] == [("kept",)]
    driver.delete(kept.handle)
    driver.remove_image(IMAGE)
    assert [path for path in world.folder.rglob("*") if path.is_file()] == []


@pytest.mark.parametrize("moment", MOMENTS)
@pytest.mark.parametrize("victim", ["worker", "service"])
def test_an_image_is_made_and_removed_whatever_dies_under_it(
    world: VirtualBoxWorld, driver: VirtualBoxDriver, spec: Specs, victim: str, moment: float
) -> None:
    def kill_victim() -> None:
        if victim == "service":
            world.kill_service()
        else:
            kill(pid)

    disk, pid = world.disk("second"), driver.client.worker_pid
    content = disk.read_bytes()
    killer = after(moment, kill_victim)
    driver.import_image("second", disk)
    killer.join()
    assert disk.read_bytes() == content
    made = driver.create(replace(spec(), image="second"))
    assert {image.name: image.clones for image in driver.images()} == {IMAGE: (), "second": (made.name,)}
    driver.delete(made.handle)
    pid = driver.client.worker_pid
    killer = after(moment, kill_victim)
    driver.remove_image("second")
    killer.join()
    driver.collect_garbage()
    assert [image.name for image in driver.images()] == [IMAGE]
    assert not list(world.home.rglob("*second*.vdi"))


def test_machines_of_a_dead_service_are_off_and_start_again(
    world: VirtualBoxWorld, driver: VirtualBoxDriver, spec: Specs
) -> None:
    made = driver.create(spec(adapters=(nat(1),)))
    driver.start(made.handle)
    world.kill_service()
    deadline = time.monotonic() + 60
    while world.pids("VBoxHeadless") and time.monotonic() < deadline:
        time.sleep(0.2)
    assert driver.inspect(made.handle).power is PowerState.OFF
    driver.start(made.handle)
    assert driver.inspect(made.handle).power is PowerState.RUNNING


def test_a_foreign_lock_is_waited_for_and_then_named(
    world: VirtualBoxWorld, driver: VirtualBoxDriver, spec: Specs
) -> None:
    made = driver.create(spec())
    hasty = VirtualBoxDriver(world.home, patience=0.5)
    with held(made.handle) as holder:
        attempts: tuple[Callable[[], None], ...] = (
            lambda: hasty.set_marks(made.handle, {"stage": "web"}),
            lambda: hasty.take_snapshot(made.handle, "base"),
            lambda: hasty.start(made.handle),
            lambda: hasty.delete(made.handle),
        )
        for attempt in attempts:
            begun = time.monotonic()
            with pytest.raises(DriverError) as caught:
                attempt()
            assert time.monotonic() - begun < 5
            assert f"process {holder.pid}" in "\n".join(caught.value.details)
            assert "close" in str(caught.value.resolution)
        assert hasty.inspect(made.handle) == made
        release = after(1.0, holder.kill)
        driver.set_marks(made.handle, {"stage": "web"})
        release.join()
    hasty.close()
    found = driver.inspect(made.handle)
    assert (found.marks["stage"], found.power) == ("web", PowerState.OFF)


def test_a_client_that_died_with_the_lock_leaves_a_machine_that_is_off(driver: VirtualBoxDriver, spec: Specs) -> None:
    made = driver.create(spec(adapters=(nat(1),)))
    with held(made.handle):
        pass
    assert driver.inspect(made.handle).power is PowerState.OFF
    driver.start(made.handle)
    assert driver.inspect(made.handle).power is PowerState.RUNNING


def test_a_pulled_plug_under_a_waiting_power_off(world: VirtualBoxWorld, driver: VirtualBoxDriver, spec: Specs) -> None:
    made = driver.create(spec(adapters=(nat(1),)))
    driver.start(made.handle)
    killer = after(0.7, lambda: os.kill(world.pids("VBoxHeadless")[0], signal.SIGKILL))
    driver.power_off(made.handle, "graceful", timeout=30)
    killer.join()
    assert driver.inspect(made.handle).power is PowerState.OFF
    driver.take_snapshot(made.handle, "after the crash")


def test_a_paused_machine_is_seen_and_resumed(world: VirtualBoxWorld, driver: VirtualBoxDriver, spec: Specs) -> None:
    made = driver.create(spec(adapters=(nat(1),)))
    driver.start(made.handle)
    world.manage("controlvm", made.handle, "pause")
    paused = driver.inspect(made.handle)
    assert paused.power is PowerState.PAUSED
    assert "disk is full" in paused.problem
    driver.start(made.handle)
    assert driver.inspect(made.handle).power is PowerState.RUNNING
    world.save_by_hand(made.handle)
    assert driver.inspect(made.handle).power is PowerState.SAVED
    driver.start(made.handle)
    assert driver.inspect(made.handle).power is PowerState.RUNNING


def test_a_paused_guest_gets_the_power_button_before_its_plug_is_pulled(
    world: VirtualBoxWorld, driver: VirtualBoxDriver, spec: Specs
) -> None:
    made = driver.create(spec(adapters=(nat(1),)))
    driver.start(made.handle)
    world.manage("controlvm", made.handle, "pause")
    begin = time.monotonic()
    assert driver.power_off(made.handle, "graceful", timeout=3) is False  # the guest ignores the button
    assert time.monotonic() - begin >= 3
    assert driver.inspect(made.handle).power is PowerState.OFF


def test_a_paused_machine_is_replugged(world: VirtualBoxWorld, driver: VirtualBoxDriver, spec: Specs) -> None:
    made = driver.create(spec(adapters=(nat(1), management())))
    driver.start(made.handle)
    world.manage("controlvm", made.handle, "pause")
    moved = (nat(1, cable=False), management())
    driver.set_adapters(made.handle, moved)
    assert driver.inspect(made.handle).adapters == moved
    assert driver.inspect(made.handle).power is PowerState.PAUSED
