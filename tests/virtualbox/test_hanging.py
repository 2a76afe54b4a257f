"""What hangs: the worker, VirtualBox's service, a VM's process. Each is found, and told as what it is."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from typing import Any

import pytest

from tests.contract.worlds import Specs, nat
from tests.virtualbox.test_recovery import after
from tests.virtualbox.world import SERVICE, VirtualBoxWorld
from vboxlab.errors import CapabilityMissing, DriverError
from vboxlab.hypervisor.virtualbox.client import Client
from vboxlab.hypervisor.virtualbox.driver import VirtualBoxDriver
from vboxlab.hypervisor.virtualbox.process import Limits
from vboxlab.hypervisor.virtualbox.worker.arguments import Arguments
from vboxlab.hypervisor.virtualbox.worker.calls import Inspect, ListMachines, PowerOff, Screenshot, Start
from vboxlab.planning.observed import PowerState

FOUND_WITHIN = 30.0  # seconds
SHORT = Limits(worker=8.0, service=12.0, slow=4.0, call=10.0, starting=5.0)


@contextmanager
def stopped(*pids: int) -> Iterator[None]:
    """Stop processes as a hang would; they go on when the block ends."""
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in pids:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)


@contextmanager
def client_of(world: VirtualBoxWorld, said: list[str], limits: Limits = SHORT) -> Iterator[Client]:
    engine = os.environ.get("VBOXLAB_VIRTUALBOX_ENGINE", "")
    made = Client(world.home / "vboxlab", engine=engine, limits=limits, say=said.append)
    yield made
    made.close()


def test_a_stopped_worker_is_found_within_half_a_minute(driver: VirtualBoxDriver, spec: Specs) -> None:
    made = driver.create(spec())
    first = driver.client.worker_pid
    begun = time.monotonic()
    with stopped(first):
        driver.set_marks(made.handle, {"stage": "web"})
    assert time.monotonic() - begun < FOUND_WITHIN
    assert driver.inspect(made.handle).marks["stage"] == "web"
    assert driver.client.worker_pid != first


def test_a_service_that_hangs_under_a_worker_is_told_and_left_alive(
    world: VirtualBoxWorld, driver: VirtualBoxDriver, spec: Specs
) -> None:
    made = driver.create(spec())
    said: list[str] = []
    with client_of(world, said) as client:
        client.call(Inspect(made.handle))
        (service,) = world.pids(SERVICE)
        begun = time.monotonic()
        with stopped(service):
            with pytest.raises(DriverError, match="service has not answered for 12 s") as caught:
                client.call(Inspect(made.handle))
            assert time.monotonic() - begun < FOUND_WITHIN
            assert f"process {service} (VBoxSVC), stopped" in caught.value.details
            assert world.pids(SERVICE) == [service]
        assert said == ["VirtualBox's service has not answered for 4 s: still waiting for it"]
        assert client.call(Inspect(made.handle)).name == made.name
    assert world.pids(SERVICE) == [service]


def test_a_service_that_hangs_for_a_while_is_waited_for(
    world: VirtualBoxWorld, driver: VirtualBoxDriver, spec: Specs
) -> None:
    made = driver.create(spec())
    said: list[str] = []
    with client_of(world, said) as client:
        pid = client.worker_pid
        (service,) = world.pids(SERVICE)
        os.kill(service, signal.SIGSTOP)
        goes_on = after(8.0, lambda: os.kill(service, signal.SIGCONT))
        assert client.call(Inspect(made.handle)).name == made.name
        goes_on.join()
        assert client.worker_pid == pid
    assert len(said) == 1


def test_a_service_that_hangs_at_the_start_is_told_before_another_interpreter_is_tried(
    world: VirtualBoxWorld, driver: VirtualBoxDriver, spec: Specs
) -> None:
    driver.create(spec())
    said: list[str] = []
    (service,) = world.pids(SERVICE)
    begun = time.monotonic()
    with stopped(service), client_of(world, said) as client:
        with pytest.raises(DriverError, match="service has not answered for 5 s") as caught:
            client.call(ListMachines())
        assert time.monotonic() - begun < FOUND_WITHIN
        assert f"process {service} (VBoxSVC), stopped" in caught.value.details
    assert said
    assert world.pids(SERVICE) == [service]
    with client_of(world, []) as client:
        assert len(client.call(ListMachines())) == 1


def test_a_vms_process_that_hangs_is_told_apart_and_no_other_call_is_harmed(
    world: VirtualBoxWorld, driver: VirtualBoxDriver, spec: Specs
) -> None:
    hung, other = (driver.create(spec(adapters=(nat(1),))) for _ in range(2))
    driver.start(hung.handle)
    (vm,) = world.pids("VBoxHeadless")
    driver.start(other.handle)
    with client_of(world, []) as client:
        told: list[DriverError] = []

        def power_off() -> None:
            try:
                client.call(PowerOff(hung.handle, "hard", 0), subject="srv-web")
            except DriverError as error:
                told.append(error)

        pid = client.worker_pid
        with stopped(vm):
            waiting = threading.Thread(target=power_off)
            waiting.start()
            assert client.call(PowerOff(other.handle, "graceful", 14.0)) is False
            waiting.join(FOUND_WITHIN)
            assert [error.brief for error in told] == ["srv-web: a call (power_off) has not got on for 10 s"]
        assert client.worker_pid == pid
    driver.power_off(hung.handle, "hard")
    assert driver.inspect(hung.handle).power is PowerState.OFF


def test_a_vms_process_that_hangs_before_it_reports_is_not_waited_for_without_end(
    world: VirtualBoxWorld, driver: VirtualBoxDriver, spec: Specs
) -> None:
    made = driver.create(spec(adapters=(nat(1),)))
    stops: list[int] = []

    def stop_at_once() -> None:
        while not stops:
            for pid in world.pids("VBoxHeadless"):
                os.kill(pid, signal.SIGSTOP)
                stops.append(pid)

    with client_of(world, []) as client:
        stopping = threading.Thread(target=stop_at_once)
        stopping.start()
        begun = time.monotonic()
        with pytest.raises(DriverError, match=r"srv-web: a call \(start\) has not got on for 10 s"):
            client.call(Start(made.handle, gui=False), subject="srv-web")
        assert time.monotonic() - begun < FOUND_WITHIN
        stopping.join()
        os.kill(stops[0], signal.SIGCONT)
    driver.start(made.handle)
    assert driver.inspect(made.handle).power is PowerState.RUNNING


def test_a_long_call_without_a_word_of_its_own_is_waited_for(
    world: VirtualBoxWorld, driver: VirtualBoxDriver, spec: Specs
) -> None:
    """A guest that ignores its power button, for longer than every limit that is for silence."""
    made = driver.create(spec(adapters=(nat(1),)))
    driver.start(made.handle)
    limits = Limits(worker=6.0, service=6.0, slow=5.0, call=6.0, starting=20.0)
    with client_of(world, [], limits) as client:
        pid, begun = client.worker_pid, time.monotonic()
        assert client.call(PowerOff(made.handle, "graceful", 20.0)) is False
        assert time.monotonic() - begun > 20.0
        assert client.worker_pid == pid


def test_a_vm_that_is_killed_under_a_call_costs_no_other_machine_anything(
    world: VirtualBoxWorld, driver: VirtualBoxDriver, spec: Specs
) -> None:
    killed, other = (driver.create(spec(adapters=(nat(1),))) for _ in range(2))
    driver.start(killed.handle)
    (vm,) = world.pids("VBoxHeadless")
    driver.start(other.handle)
    (others,) = set(world.pids("VBoxHeadless")) - {vm}
    with client_of(world, []) as client:
        pid, took = client.worker_pid, list[float]()

        def switch_off() -> None:
            begun = time.monotonic()
            client.call(PowerOff(other.handle, "graceful", 8.0))
            took.append(time.monotonic() - begun)

        waiting = threading.Thread(target=switch_off)
        waiting.start()
        asked: list[Arguments[Any]] = [
            PowerOff(killed.handle, "hard", 0),
            Screenshot(killed.handle, str(world.home / "screen.png")),
            PowerOff(killed.handle, "graceful", 5.0),
        ]
        for arguments in asked:
            os.kill(vm, signal.SIGSTOP)  # the call is in the VM's process when that is killed
            killer = after(1.0, partial(os.kill, vm, signal.SIGKILL))
            with suppress(CapabilityMissing):  # the picture of a machine that is off by now
                client.call(arguments)
            killer.join()
            client.call(Start(killed.handle, gui=False))
            (vm,) = set(world.pids("VBoxHeadless")) - {others}
        waiting.join()
        assert client.worker_pid == pid
        assert took[0] > 8.0
