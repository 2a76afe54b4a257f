"""A call whose worker or service was lost is made again: what somebody else did meanwhile is left alone."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

import pytest

from tests.contract.worlds import IMAGE, Specs, free_port, nat
from tests.virtualbox.test_recovery import after, kill
from tests.virtualbox.world import VirtualBoxWorld
from vboxlab.hypervisor.driver import no_progress
from vboxlab.hypervisor.virtualbox.adapters import adapter_fields
from vboxlab.hypervisor.virtualbox.client import Client
from vboxlab.hypervisor.virtualbox.driver import VirtualBoxDriver
from vboxlab.hypervisor.virtualbox.machines import create_arguments
from vboxlab.hypervisor.virtualbox.worker.protocol import Failure
from vboxlab.planning.observed import Attachment, Forward, PowerState

Noted = dict[str, Any]


class Recorded:
    """Calls of a worker, as a client makes them, whose notes are kept: what a client would send with the next try."""

    def __init__(self, client: Client) -> None:
        self._client = client

    def __call__(self, name: str, arguments: Mapping[str, Any], noted: Noted | None = None) -> tuple[Any, Noted]:
        kept: Noted = dict(noted or {})
        return self._client.worker.call(name, arguments, no_progress, kept), kept


@pytest.fixture
def call(driver: VirtualBoxDriver) -> Recorded:
    return Recorded(driver.client)


def refused(make: Callable[[], Any]) -> str:
    with pytest.raises(Failure) as caught:
        make()
    assert caught.value.kind == "changed", caught.value.text
    return caught.value.text


def hard(handle: str) -> dict[str, Any]:
    return {"handle": handle, "how": "hard", "timeout": 5.0}


def graceful(handle: str) -> dict[str, Any]:
    return {"handle": handle, "how": "graceful", "timeout": 3.0}


def test_a_graceful_power_off_whose_worker_is_lost_pulls_no_plug(driver: VirtualBoxDriver, spec: Specs) -> None:
    made = driver.create(spec(adapters=(nat(1),)))
    driver.start(made.handle)
    pid, begun = driver.client.worker_pid, time.monotonic()
    killer = after(1.0, lambda: kill(pid))
    assert driver.power_off(made.handle, "graceful", timeout=6.0) is False
    killer.join()
    assert time.monotonic() - begun > 6.0, "the guest was given its time"
    assert driver.inspect(made.handle).power is PowerState.OFF


def test_a_machine_that_somebody_started_meanwhile_is_left_running(
    world: VirtualBoxWorld, driver: VirtualBoxDriver, spec: Specs, call: Recorded
) -> None:
    made = driver.create(spec(adapters=(nat(1),)))
    driver.start(made.handle)
    for arguments in (hard(made.handle), graceful(made.handle)):
        ended, noted = call("power_off", arguments)
        assert not ended
        world.start_by_hand(made.handle)
        running = driver.inspect(made.handle)
        for name, again in (("power_off", hard(made.handle)), ("power_off", arguments), ("delete", arguments)):
            assert "left running" in refused(partial(call, name, again, noted))
        assert driver.inspect(made.handle) == running
    driver.power_off(made.handle, "hard")


def test_a_live_snapshot_that_a_lost_call_has_restored_is_nobody_elses_doing(
    driver: VirtualBoxDriver, spec: Specs, call: Recorded
) -> None:
    made = driver.create(spec(adapters=(nat(1),)))
    driver.start(made.handle)
    driver.take_snapshot(made.handle, "live", live=True)
    driver.power_off(made.handle, "hard")
    arguments = {"handle": made.handle, "name": "live"}
    _, noted = call("restore_snapshot", arguments)
    restored = driver.inspect(made.handle)
    assert restored.power is PowerState.SAVED
    call("restore_snapshot", arguments, noted)
    assert driver.inspect(made.handle) == restored


def test_a_live_snapshot_is_not_taken_of_what_a_machine_that_ended_has_left(
    driver: VirtualBoxDriver, spec: Specs, call: Recorded
) -> None:
    made = driver.create(spec(adapters=(nat(1),)))
    arguments = {"handle": made.handle, "name": "live", "description": "", "live": True}
    lost: Noted = {"text": "what it would have said", "up": True}
    assert "has ended meanwhile" in refused(partial(call, "take_snapshot", arguments, lost))
    assert driver.inspect(made.handle).snapshots == ()


def test_a_machine_that_somebody_has_used_meanwhile_is_not_removed(
    world: VirtualBoxWorld, driver: VirtualBoxDriver, spec: Specs, call: Recorded
) -> None:
    made = driver.create(spec(adapters=(nat(1),)))
    noted: Noted = {"power": driver.inspect(made.handle).last_power_change, "state": "PoweredOff"}
    world.start_by_hand(made.handle)
    driver.power_off(made.handle, "hard")
    assert "somebody has started" in refused(partial(call, "delete", hard(made.handle), noted))
    assert [machine.handle for machine in driver.machines()] == [made.handle]
    call("delete", hard(made.handle))
    assert driver.machines() == []


def test_a_run_that_the_lost_call_was_to_end_is_ended(
    world: VirtualBoxWorld, driver: VirtualBoxDriver, spec: Specs, call: Recorded
) -> None:
    made = driver.create(spec(adapters=(nat(1),)))
    driver.start(made.handle)
    noted: Noted = {"power": driver.inspect(made.handle).last_power_change, "state": "Running"}
    ended, noted = call("power_off", hard(made.handle), noted)
    assert not ended
    assert driver.inspect(made.handle).power is PowerState.OFF
    ended, noted = call("power_off", hard(made.handle), noted)
    assert not ended, "the lost call pulled the plug"
    ended, noted = call("power_off", graceful(made.handle), noted)
    assert not ended, "it did so after it had waited"
    waiting = {name: value for name, value in noted.items() if name != "plug"}
    ended, _noted = call("power_off", graceful(made.handle), waiting)
    assert ended, "its guest ended while it was waited for"
    world.start_by_hand(made.handle)
    world.manage("controlvm", made.handle, "savestate")
    assert "saved the state" in refused(lambda: call("power_off", hard(made.handle), noted))
    assert driver.inspect(made.handle).power is PowerState.SAVED


def test_a_snapshot_is_taken_once(
    world: VirtualBoxWorld, driver: VirtualBoxDriver, spec: Specs, call: Recorded
) -> None:
    made = driver.create(spec())
    arguments = {"handle": made.handle, "name": "base", "live": False, "description": "words"}
    _, noted = call("take_snapshot", arguments)
    call("take_snapshot", arguments, noted)
    (taken,) = driver.inspect(made.handle).snapshots
    with pytest.raises(Failure, match="has a snapshot base already"):
        call("take_snapshot", arguments)  # lost before it had looked: it is the first that does
    driver.delete_snapshot(made.handle, taken.id)
    world.take_by_hand(made.handle, "base")
    with pytest.raises(Failure, match="has a snapshot base already"):
        call("take_snapshot", arguments, noted)


def test_work_done_since_a_restore_is_not_thrown_away(
    world: VirtualBoxWorld, driver: VirtualBoxDriver, spec: Specs, call: Recorded
) -> None:
    made = driver.create(spec(adapters=(nat(1),), stage="web"))
    driver.take_snapshot(made.handle, "base")
    driver.set_marks(made.handle, {"stage": "other"})
    arguments = {"handle": made.handle, "name": "base"}
    _, noted = call("restore_snapshot", arguments)
    restored = driver.inspect(made.handle)
    assert (restored.marks["stage"], restored.untouched) == ("web", True)
    disks = sorted(world.folder.rglob("*.vdi"))
    call("restore_snapshot", arguments, noted)
    assert sorted(world.folder.rglob("*.vdi")) == disks, "nothing was done again"
    driver.set_marks(made.handle, {"stage": "other"})
    call("restore_snapshot", arguments, noted)
    assert driver.inspect(made.handle).marks["stage"] == "web"
    world.start_by_hand(made.handle)
    world.stop_by_hand(made.handle)
    disks = sorted(world.folder.rglob("*.vdi"))
    assert "somebody has used" in refused(lambda: call("restore_snapshot", arguments, noted))
    assert sorted(world.folder.rglob("*.vdi")) == disks


def test_another_snapshot_of_the_name_is_not_removed(
    world: VirtualBoxWorld, driver: VirtualBoxDriver, spec: Specs, call: Recorded
) -> None:
    made = driver.create(spec())
    driver.take_snapshot(made.handle, "base")
    arguments = {"handle": made.handle, "name": "base"}
    _, noted = call("delete_snapshot", arguments)
    call("delete_snapshot", arguments, noted)
    with pytest.raises(Failure, match="has no snapshot base"):
        call("delete_snapshot", arguments)
    world.take_by_hand(made.handle, "base")
    call("delete_snapshot", arguments, noted)
    assert driver.inspect(made.handle).has_snapshot("base")


def test_a_machine_that_another_made_is_not_taken_for_ones_own(
    driver: VirtualBoxDriver, spec: Specs, call: Recorded
) -> None:
    arguments = create_arguments(spec("srv-web"))
    made, noted = call("create", arguments)
    again, _noted = call("create", arguments, noted)
    assert again["handle"] == made["handle"]
    driver.delete(made["handle"])
    others = driver.create(spec("srv-web", adapters=(nat(1),)))  # of the same lab: by another vboxlab
    with pytest.raises(Failure, match="exists already") as caught:
        call("create", arguments, noted)
    assert caught.value.kind == "conflict"
    assert driver.inspect(others.handle) == others


def test_settings_that_somebody_changed_meanwhile_stay(
    world: VirtualBoxWorld, driver: VirtualBoxDriver, spec: Specs, call: Recorded
) -> None:
    made = driver.create(spec(adapters=(nat(1),), stage="web"))
    wanted = adapter_fields(replace(made.adapters[0], attachment=Attachment("internal", "sw-dmz")))
    calls: list[tuple[str, dict[str, Any], Callable[[], Any] | None]] = [
        ("set_marks", {"marks": {"stage": "two"}}, lambda: driver.set_marks(made.handle, {"stage": "three"})),
        ("set_hardware", {"cpus": 2, "memory": 300}, lambda: world.manage("modifyvm", made.handle, "--memory", "400")),
        ("set_adapters", {"adapters": [wanted]}, lambda: plugged(driver, made.handle, "sw-lan")),
        ("plug_adapter", {"slot": 1, "attachment": attachment("sw-out")}, lambda: plugged(driver, made.handle, "sw-x")),
        ("plug_adapter", {"slot": 1, "cable": False}, None),
    ]  # fmt: skip
    for name, arguments, change in calls:
        full = {"handle": made.handle, **arguments}
        before = driver.inspect(made.handle)
        _, noted = call(name, full)
        done = driver.inspect(made.handle)
        assert done != before
        call(name, full, noted)
        assert driver.inspect(made.handle) == done
        if change is None:
            continue
        change()
        changed = driver.inspect(made.handle)
        assert "left so" in refused(partial(call, name, full, noted))
        assert driver.inspect(made.handle) == changed


def attachment(network: str) -> dict[str, Any]:
    return {"kind": "internal", "name": network, "subnet": "", "forwards": []}


def plugged(driver: VirtualBoxDriver, handle: str, network: str) -> None:
    driver.attach(handle, 1, Attachment("internal", network))


def test_a_file_that_is_another_by_now_is_not_removed(
    world: VirtualBoxWorld, driver: VirtualBoxDriver, spec: Specs, call: Recorded
) -> None:
    stray = world.put_stray(driver.create(spec()), "mine.vdi")
    _, noted = call("remove_stray", {"path": str(stray)})
    assert not stray.exists()
    call("remove_stray", {"path": str(stray)}, noted)
    stray.write_bytes(b"somebody's")
    assert "has changed" in refused(lambda: call("remove_stray", {"path": str(stray)}, noted))
    assert stray.read_bytes() == b"somebody's"


def test_an_image_that_was_made_again_is_not_removed(
    world: VirtualBoxWorld, driver: VirtualBoxDriver, call: Recorded
) -> None:
    driver.import_image("second", world.disk("second"))
    _, noted = call("remove_image", {"name": "second"})
    call("remove_image", {"name": "second"}, noted)
    driver.import_image("second", world.disk("second"))
    call("remove_image", {"name": "second"}, noted)
    assert {image.name for image in driver.images()} == {IMAGE, "second"}


def test_a_vm_gets_one_snapshot_to_be_a_base(world: VirtualBoxWorld, driver: VirtualBoxDriver, call: Recorded) -> None:
    handle = world.add_foreign("teachers")
    world.add_disk(handle, "normal")
    arguments = {"name": "adopted", "vm": "teachers", "snapshot": ""}
    first, noted = call("adopt_image", arguments)
    again, _noted = call("adopt_image", arguments, noted)
    assert first == again
    assert first["made"] is True
    assert world.manage("snapshot", handle, "list").count("UUID:") == 1


def test_a_start_whose_service_dies_gets_its_ports_back(
    world: VirtualBoxWorld, driver: VirtualBoxDriver, spec: Specs
) -> None:
    """The VM's process outlives its service for a while, and holds the port that the second start needs."""
    made = driver.create(spec(adapters=(nat(1, Forward(free_port(), 22)),)))
    killer = threading.Thread(target=lambda: killed_once_it_runs(world))
    killer.start()
    driver.start(made.handle)
    killer.join()
    deadline = time.monotonic() + 40
    while driver.inspect(made.handle).power is not PowerState.RUNNING and time.monotonic() < deadline:
        driver.start(made.handle)
    assert driver.inspect(made.handle).power is PowerState.RUNNING


def killed_once_it_runs(world: VirtualBoxWorld) -> None:
    deadline = time.monotonic() + 20
    while not world.pids("VBoxHeadless") and time.monotonic() < deadline:
        time.sleep(0.01)
    world.kill_service()
