"""How much a machine works, as the host's kernel counts it: a guest that spins, one that sleeps, one that prints."""

from __future__ import annotations

import shutil
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.contract.worlds import DEAF_GUEST, QemuWorld, Specs, management
from vboxlab.hypervisor.driver import Work
from vboxlab.hypervisor.qemu.work import thread_times
from vboxlab.planning.observed import MachineSpec
from vboxlab.waiting import Deadline, wait_until

pytestmark = [
    pytest.mark.qemu,
    pytest.mark.skipif(shutil.which("qemu-system-x86_64") is None, reason="qemu-system-x86_64 not installed"),
    pytest.mark.skipif(sys.platform != "linux", reason="/proc is Linux's"),
]
# mov dx, 0x3f8; then "hi\n" to the serial port; jmp to itself.
SPINNING_GUEST = bytes.fromhex("baf803b068eeb069eeb00aeeebfe").ljust(510, b"\0") + b"\x55\xaa" + bytes(1 << 20)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[QemuWorld]:
    made = QemuWorld(tmp_path)
    yield made
    made.close()


def started(world: QemuWorld, name: str, content: bytes) -> str:
    disk = world.home / f"{name}.img"
    disk.write_bytes(content)
    driver = world.open()
    driver.import_image(name, disk)
    spec = Specs()(name, (management(),))
    handle = driver.create(MachineSpec(name, name, 1, 32, spec.adapters, spec.marks)).handle
    driver.start(handle)
    return handle


def work(world: QemuWorld, handle: str) -> Work:
    found = world.opened[0].work(handle)
    assert found is not None
    return found


def test_a_guest_that_spins_works_and_what_it_prints_is_counted(world: QemuWorld) -> None:
    handle = started(world, "spinning", SPINNING_GUEST)
    wait_until(lambda: work(world, handle).printed == 3, Deadline.after(60), what="three bytes on the console")
    before = work(world, handle)
    time.sleep(2)
    after = work(world, handle)
    assert after.waited is not None
    assert before.waited is not None
    assert after.processor - before.processor + after.waited - before.waited > 1.5


def test_a_guest_that_sleeps_does_not_work(world: QemuWorld) -> None:
    handle = started(world, "sleeping", DEAF_GUEST)
    time.sleep(3)  # the firmware's own work
    before = work(world, handle)
    time.sleep(2)
    after = work(world, handle)
    assert after.processor - before.processor < 0.2
    assert after.printed == 0


def test_a_thread_is_read_of_either_file(tmp_path: Path) -> None:
    (tmp_path / "stat").write_text("12 (a (b) c) S 1 1 1 0 -1 4194560 5 0 0 0 250 50 0 0 20 0 1 0 9 9\n")
    assert thread_times(tmp_path) == (3.0, None)
    (tmp_path / "schedstat").write_text("1500000000 250000000 77\n")
    assert thread_times(tmp_path) == (1.5, 0.25)
