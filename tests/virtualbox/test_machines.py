"""What a machine made by the driver is in VirtualBox, and what its screen and its disks show."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from tests.contract.worlds import IMAGE, Specs, free_port, internal, nat
from tests.virtualbox.world import VirtualBoxWorld
from vboxlab.errors import CapabilityMissing
from vboxlab.hypervisor.virtualbox.driver import VirtualBoxDriver
from vboxlab.hypervisor.virtualbox.machines import observed
from vboxlab.hypervisor.virtualbox.worker.calls import Inspect
from vboxlab.planning.observed import Attachment, Forward, ObservedMachine


def test_a_clone_inherits_nothing_from_a_base_that_has_much(
    world: VirtualBoxWorld, driver: VirtualBoxDriver, spec: Specs
) -> None:
    handle = world.add_foreign("teacher")
    world.add_disk(handle, "Normal")
    world.manage(
        "modifyvm", handle, "--nic2", "intnet", "--intnet2", "secret", "--nic5", "nat",
        "--natpf5", f"web,tcp,,{free_port()},,80",
    )  # fmt: skip
    world.manage("sharedfolder", "add", handle, "--name", "home", "--hostpath", str(world.home))
    world.manage("setextradata", handle, "GUI/LastNormalWindowPosition", "1,2,3,4")
    driver.adopt_image("teacher", "teacher")
    made = driver.create(replace(spec("srv-web", adapters=(internal(1, "sw-dmz"),)), image="teacher"))
    info = world.manage("showvminfo", made.handle, "--machinereadable")
    assert "SharedFolderNameMachineMapping" not in info
    assert "Forwarding" not in info
    assert 'groups="/vboxlab/contract"' in info
    assert driver.inspect(made.handle).adapters == made.adapters
    assert "GUI/" not in world.manage("getextradata", made.handle, "enumerate")


def test_the_screen_of_a_running_machine_is_a_picture(
    world: VirtualBoxWorld, driver: VirtualBoxDriver, spec: Specs
) -> None:
    made = driver.create(spec("srv-web", adapters=(nat(1),)))
    picture = world.home / "écran.png"
    with pytest.raises(CapabilityMissing, match="srv-web"):
        driver.screenshot(made.handle, picture)
    driver.start(made.handle)
    driver.screenshot(made.handle, picture)
    assert picture.read_bytes().startswith(b"\x89PNG\r\n")
    assert driver.console_tail(made.handle) == ""


def test_an_overlay_becomes_an_image_with_what_lies_behind_it(
    world: VirtualBoxWorld, driver: VirtualBoxDriver, spec: Specs
) -> None:
    def qemu(tool: str, *arguments: str | Path) -> None:
        subprocess.run([f"qemu-{tool}", *map(str, arguments)], check=True, capture_output=True)

    base, layer = world.home / "base.qcow2", world.home / "layer.qcow2"
    qemu("img", "create", "-f", "qcow2", base, "8M")
    qemu("io", "-c", "write -P 7 0 1M", base)
    qemu("img", "create", "-f", "qcow2", "-b", base, "-F", "qcow2", layer)
    qemu("io", "-c", "write -P 9 2M 1M", layer)
    before = (base.read_bytes(), layer.read_bytes())
    driver.import_image("layer", layer, parent=IMAGE, ours=True)
    (disk,) = world.folder.rglob("layer.vdi")
    qemu("img", "compare", layer, disk)
    assert (base.read_bytes(), layer.read_bytes()) == before
    made = driver.create(replace(spec("srv-web", adapters=(nat(1),)), image="layer"))
    driver.start(made.handle)
    driver.import_image("again", disk)
    assert sorted(image.name for image in driver.images()) == ["again", "layer", IMAGE]


def through_api(driver: VirtualBoxDriver, handle: str) -> ObservedMachine:
    return observed(driver.client.call(Inspect(handle, through_api=True)))


def test_the_list_says_what_a_look_at_each_machine_says(
    world: VirtualBoxWorld, driver: VirtualBoxDriver, spec: Specs
) -> None:
    forward = Forward(free_port(), 22)
    kinds = (
        nat(1, forward, Forward(free_port(), 80)),
        internal(2, 'été & "co" <dmz>', cable=False),
        replace(internal(3, "school"), attachment=Attachment("nat-network", "school")),
        replace(internal(4, "none0"), attachment=Attachment("bridged", "none0")),
        replace(internal(5, "vboxnet0"), attachment=Attachment("host-only", "vboxnet0")),
        replace(nat(8), attachment=Attachment("nat", "", "", ())),
    )
    rich, plain, running = (driver.create(spec(name, adapters=own)) for name, own in (
        ("rich", kinds), ("plain", ()), ("running", (nat(1),)),
    ))  # fmt: skip
    for name in ("first", "second", "third"):
        driver.take_snapshot(rich.handle, name, description=f"{name} \n text, <b>&amp;</b>")
    driver.restore_snapshot(rich.handle, "first")
    driver.take_snapshot(rich.handle, "branch")
    driver.restore_snapshot(rich.handle, "second")
    driver.delete_snapshot(rich.handle, "second")
    driver.start(running.handle)
    driver.take_snapshot(running.handle, "live", live=True)
    for _ in ("while it runs", "off"):
        listed = {machine.handle: machine for machine in driver.machines()}
        asked = {made.handle: through_api(driver, made.handle) for made in (rich, plain, running)}
        assert listed == asked == {handle: driver.inspect(handle) for handle in asked}
        driver.power_off(running.handle, "hard")
    assert [snapshot.name for snapshot in listed[rich.handle].snapshots] == ["first", "third", "branch"]
    assert listed[rich.handle].adapters == kinds
    assert [snapshot.live for snapshot in listed[running.handle].snapshots] == [True]
    driver.restore_snapshot(running.handle, "live")
    assert next(m for m in driver.machines() if m.handle == running.handle) == through_api(driver, running.handle)
    world.manage("modifyvm", plain.handle, "--nic1", "generic", "--nic-generic-drv1", "UDPTunnel", "--nic2", "null")
    assert next(m for m in driver.machines() if m.handle == plain.handle) == through_api(driver, plain.handle)
