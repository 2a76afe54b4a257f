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


def test_a_clone_inherits_nothing_from_a_base_that_has_much(
    world: VirtualBoxWorld, driver: VirtualBoxDriver, spec: Specs
) -> None:
    handle = world.add_foreign("teacher")
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
    driver.import_image("layer", layer, parent=IMAGE)
    (disk,) = world.folder.rglob("layer.vdi")
    qemu("img", "compare", layer, disk)
    assert (base.read_bytes(), layer.read_bytes()) == before
    made = driver.create(replace(spec("srv-web", adapters=(nat(1),)), image="layer"))
    driver.start(made.handle)
    driver.import_image("again", disk)
    assert sorted(image.name for image in driver.images()) == ["again", "layer", IMAGE]
