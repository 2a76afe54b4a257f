"""A call whose worker or service was lost is made again: what somebody else did meanwhile is left alone."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any, TypeVar

import pytest

from tests.contract.worlds import IMAGE, Specs, free_port, nat
from tests.virtualbox.test_recovery import after, kill
from tests.virtualbox.world import VirtualBoxWorld
from vboxlab.hypervisor.driver import no_progress
from vboxlab.hypervisor.virtualbox.adapters import asked_adapter
from vboxlab.hypervisor.virtualbox.client import Client
from vboxlab.hypervisor.virtualbox.driver import VirtualBoxDriver
from vboxlab.hypervisor.virtualbox.machines import asked_machine
from vboxlab.hypervisor.virtualbox.sentences.telling import say
from vboxlab.hypervisor.virtualbox.worker.arguments import Arguments
from vboxlab.hypervisor.virtualbox.worker.calls import (
    AdoptImage,
    Delete,
    DeleteSnapshot,
    PlugAdapter,
    PowerOff,
    RemoveImage,
    RemoveStray,
    RestoreSnapshot,
    SetAdapters,
    SetHardware,
    SetMarks,
    TakeSnapshot,
)
from vboxlab.hypervisor.virtualbox.worker.calls import Attachment as AskedAttachment
from vboxlab.hypervisor.virtualbox.worker.protocol import Failure
from vboxlab.planning.observed import Attachment, Forward, PowerState

Noted = dict[str, Any]
R = TypeVar("R")


class Recorded:
    """Calls of a worker, as a client makes them, whose notes are kept: what a client would send with the next try."""

    def __init__(self, client: Client) -> None:
        self._client = client

    def __call__(self, arguments: Arguments[R], noted: Noted | None = None) -> tuple[R, Noted]:
        kept: Noted = dict(noted or {})
        return self._client.worker.call(arguments, no_progress, kept), kept


@pytest.fixture
def call(driver: VirtualBoxDriver) -> Recorded:
    return Recorded(driver.client)


def refused(make: Callable[[], Any]) -> str:
    with pytest.raises(Failure) as caught:
        make()
    assert caught.value.kind == "changed", caught.value
    return say(caught.value.told)


def failing(make: Callable[[], Any]) -> str:
    with pytest.raises(Failure) as caught:
        make()
    return caught.value.told.code


def hard(handle: str) -> PowerOff:
    return PowerOff(handle, "hard", 5.0)


def graceful(handle: str) -> PowerOff:
    return PowerOff(handle, "graceful", 3.0)


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
        ended, noted = call(arguments)
        assert not ended
        world.start_by_hand(made.handle)
        running = driver.inspect(made.handle)
        others: list[Arguments[Any]] = [hard(made.handle), arguments, Delete(made.handle)]
        for again in others:
            assert "left running" in refused(partial(call, again, noted))
        assert driver.inspect(made.handle) == running
    driver.power_off(made.handle, "hard")


def test_a_live_snapshot_that_a_lost_call_has_restored_is_nobody_elses_doing(
    driver: VirtualBoxDriver, spec: Specs, call: Recorded
) -> None:
    made = driver.create(spec(adapters=(nat(1),)))
    driver.start(made.handle)
    driver.take_snapshot(made.handle, "live", live=True)
    driver.power_off(made.handle, "hard")
    arguments = RestoreSnapshot(made.handle, "live")
    _, noted = call(arguments)
    restored = driver.inspect(made.handle)
    assert restored.power is PowerState.SAVED
    call(arguments, noted)
    assert driver.inspect(made.handle) == restored


def test_a_live_snapshot_is_not_taken_of_what_a_machine_that_ended_has_left(
    driver: VirtualBoxDriver, spec: Specs, call: Recorded
) -> None:
    made = driver.create(spec(adapters=(nat(1),)))
    arguments = TakeSnapshot(made.handle, "live", live=True, description="")
    lost: Noted = {"text": "what it would have said", "up": True}
    assert "has ended meanwhile" in refused(partial(call, arguments, lost))
    assert driver.inspect(made.handle).snapshots == ()


def test_a_machine_that_somebody_has_used_meanwhile_is_not_removed(
    world: VirtualBoxWorld, driver: VirtualBoxDriver, spec: Specs, call: Recorded
) -> None:
    made = driver.create(spec(adapters=(nat(1),)))
    noted: Noted = {"power": driver.inspect(made.handle).last_power_change, "state": "PoweredOff"}
    world.start_by_hand(made.handle)
    driver.power_off(made.handle, "hard")
    assert "somebody has started" in refused(partial(call, Delete(made.handle), noted))
    assert [machine.handle for machine in driver.machines()] == [made.handle]
    call(Delete(made.handle))
    assert driver.machines() == []


def test_a_run_that_the_lost_call_was_to_end_is_ended(
    world: VirtualBoxWorld, driver: VirtualBoxDriver, spec: Specs, call: Recorded
) -> None:
    made = driver.create(spec(adapters=(nat(1),)))
    driver.start(made.handle)
    noted: Noted = {"power": driver.inspect(made.handle).last_power_change, "state": "Running"}
    ended, noted = call(hard(made.handle), noted)
    assert not ended
    assert driver.inspect(made.handle).power is PowerState.OFF
    ended, noted = call(hard(made.handle), noted)
    assert not ended, "the lost call pulled the plug"
    ended, noted = call(graceful(made.handle), noted)
    assert not ended, "it did so after it had waited"
    waiting = {name: value for name, value in noted.items() if name != "plug"}
    ended, _noted = call(graceful(made.handle), waiting)
    assert ended, "its guest ended while it was waited for"
    world.start_by_hand(made.handle)
    world.save_by_hand(made.handle)
    assert "saved the state" in refused(lambda: call(hard(made.handle), noted))
    assert driver.inspect(made.handle).power is PowerState.SAVED


def test_a_snapshot_is_taken_once(
    world: VirtualBoxWorld, driver: VirtualBoxDriver, spec: Specs, call: Recorded
) -> None:
    made = driver.create(spec())
    arguments = TakeSnapshot(made.handle, "base", live=False, description="words")
    _, noted = call(arguments)
    call(arguments, noted)
    (taken,) = driver.inspect(made.handle).snapshots
    # Lost before it had looked: it is the first that does.
    assert failing(lambda: call(arguments)) == "snapshot-exists"
    driver.delete_snapshot(made.handle, taken.id)
    world.take_by_hand(made.handle, "base")
    assert failing(lambda: call(arguments, noted)) == "snapshot-exists"


def test_work_done_since_a_restore_is_not_thrown_away(
    world: VirtualBoxWorld, driver: VirtualBoxDriver, spec: Specs, call: Recorded
) -> None:
    made = driver.create(spec(adapters=(nat(1),), stage="web"))
    driver.take_snapshot(made.handle, "base")
    driver.set_marks(made.handle, {"stage": "other"})
    arguments = RestoreSnapshot(made.handle, "base")
    _, noted = call(arguments)
    restored = driver.inspect(made.handle)
    assert (restored.marks["stage"], restored.untouched) == ("web", True)
    disks = sorted(world.folder.rglob("*.vdi"))
    call(arguments, noted)
    assert sorted(world.folder.rglob("*.vdi")) == disks, "nothing was done again"
    driver.set_marks(made.handle, {"stage": "other"})
    call(arguments, noted)
    assert driver.inspect(made.handle).marks["stage"] == "web"
    world.start_by_hand(made.handle)
    world.stop_by_hand(made.handle)
    disks = sorted(world.folder.rglob("*.vdi"))
    assert "somebody has used" in refused(lambda: call(arguments, noted))
    assert sorted(world.folder.rglob("*.vdi")) == disks


def test_another_snapshot_of_the_name_is_not_removed(
    world: VirtualBoxWorld, driver: VirtualBoxDriver, spec: Specs, call: Recorded
) -> None:
    made = driver.create(spec())
    driver.take_snapshot(made.handle, "base")
    arguments = DeleteSnapshot(made.handle, "base")
    _, noted = call(arguments)
    call(arguments, noted)
    assert failing(lambda: call(arguments)) == "no-snapshot"
    world.take_by_hand(made.handle, "base")
    call(arguments, noted)
    assert driver.inspect(made.handle).has_snapshot("base")


def test_a_machine_that_another_made_is_not_taken_for_ones_own(
    driver: VirtualBoxDriver, spec: Specs, call: Recorded
) -> None:
    arguments = asked_machine(spec("srv-web"))
    made, noted = call(arguments)
    again, _noted = call(arguments, noted)
    assert again.handle == made.handle
    driver.delete(made.handle)
    others = driver.create(spec("srv-web", adapters=(nat(1),)))  # of the same lab: by another vboxlab
    assert failing(lambda: call(arguments, noted)) == "vm-of-lab-exists"
    assert driver.inspect(others.handle) == others


def test_settings_that_somebody_changed_meanwhile_stay(
    world: VirtualBoxWorld, driver: VirtualBoxDriver, spec: Specs, call: Recorded
) -> None:
    made = driver.create(spec(adapters=(nat(1),), stage="web"))
    handle = made.handle
    wanted = asked_adapter(replace(made.adapters[0], attachment=Attachment("internal", "sw-dmz")))
    calls: list[tuple[Arguments[Any], Callable[[], Any] | None]] = [
        (SetMarks(handle, {"stage": "two"}), lambda: driver.set_marks(handle, {"stage": "three"})),
        (SetHardware(handle, 2, 300), lambda: world.manage("modifyvm", handle, "--memory", "400")),
        (SetAdapters(handle, (wanted,)), lambda: plugged(driver, handle, "sw-lan")),
        (PlugAdapter(handle, 1, attachment=attachment("sw-out")), lambda: plugged(driver, handle, "sw-x")),
        (PlugAdapter(handle, 1, cable=False), None),
    ]
    for arguments, change in calls:
        before = driver.inspect(made.handle)
        _, noted = call(arguments)
        done = driver.inspect(made.handle)
        assert done != before
        call(arguments, noted)
        assert driver.inspect(made.handle) == done
        if change is None:
            continue
        change()
        changed = driver.inspect(made.handle)
        assert "left so" in refused(partial(call, arguments, noted))
        assert driver.inspect(made.handle) == changed


def attachment(network: str) -> AskedAttachment:
    return AskedAttachment("internal", network)


def plugged(driver: VirtualBoxDriver, handle: str, network: str) -> None:
    driver.attach(handle, 1, Attachment("internal", network))


def test_a_file_that_is_another_by_now_is_not_removed(
    world: VirtualBoxWorld, driver: VirtualBoxDriver, spec: Specs, call: Recorded
) -> None:
    stray = world.put_stray(driver.create(spec()), "mine.vdi")
    _, noted = call(RemoveStray(str(stray)))
    assert not stray.exists()
    call(RemoveStray(str(stray)), noted)
    stray.write_bytes(b"somebody's")
    assert "has changed" in refused(lambda: call(RemoveStray(str(stray)), noted))
    assert stray.read_bytes() == b"somebody's"


def test_an_image_that_was_made_again_is_not_removed(
    world: VirtualBoxWorld, driver: VirtualBoxDriver, call: Recorded
) -> None:
    driver.import_image("second", world.disk("second"))
    _, noted = call(RemoveImage("second"))
    call(RemoveImage("second"), noted)
    driver.import_image("second", world.disk("second"))
    call(RemoveImage("second"), noted)
    assert {image.name for image in driver.images()} == {IMAGE, "second"}


def test_a_vm_gets_one_snapshot_to_be_a_base(world: VirtualBoxWorld, driver: VirtualBoxDriver, call: Recorded) -> None:
    handle = world.add_foreign("teachers")
    world.add_disk(handle, "normal")
    arguments = AdoptImage("adopted", "teachers", "")
    first, noted = call(arguments)
    again, _noted = call(arguments, noted)
    assert first == again
    assert first.made is True
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
