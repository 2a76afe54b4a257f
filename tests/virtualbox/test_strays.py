"""A student's disks in our machines' folders, where VirtualBox's window puts new ones: reported, never deleted."""

from __future__ import annotations

import struct
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from tests.contract.worlds import IMAGE, LAB, Specs, nat
from tests.virtualbox.conftest import Vboxlab
from tests.virtualbox.test_base_media import attach, attached
from tests.virtualbox.world import VirtualBoxWorld
from vboxlab.errors import BaseError, MachineConflict
from vboxlab.hypervisor.virtualbox.driver import VirtualBoxDriver
from vboxlab.hypervisor.virtualbox.worker.ownership import DISCARDED, is_blank
from vboxlab.planning.observed import ObservedMachine, PowerState
from vboxlab.topology.addressing import LabName

CONTRACT = LabName(LAB["lab"])
BLOCK = 1 << 20


def folder_of(world: VirtualBoxWorld, machine: ObservedMachine) -> Path:
    return world.folder / "vboxlab" / "contract" / f"{machine.name}.vm"


def raid(world: VirtualBoxWorld, machine: ObservedMachine) -> Path:
    """Make a disk in a machine's folder, as VirtualBox's window does."""
    disk = folder_of(world, machine) / "raid.vdi"
    world.manage("createmedium", "disk", "--filename", str(disk), "--size", "8")
    return disk


def write_into(disk: Path, text: bytes = b"work of two days") -> None:
    """Write into the first block of a VDI, as a guest would (VDI 1.1: map at the offset in 0x154, data in 0x158)."""
    with disk.open("r+b") as stream:
        head = stream.read(1024)
        map_at, data_at = struct.unpack_from("<II", head, 0x154)
        stream.seek(0x184)
        stream.write(struct.pack("<I", 1))
        stream.seek(map_at)
        stream.write(struct.pack("<I", 0))
        stream.seek(data_at)
        stream.write(text.ljust(BLOCK, b"\0"))


def strays(driver: VirtualBoxDriver, lab: LabName | None = CONTRACT) -> list[Path]:
    return [stray.path for stray in driver.strays(lab)]


def known(world: VirtualBoxWorld) -> str:
    return world.manage("list", "hdds")


def disk_of(world: VirtualBoxWorld, machine: ObservedMachine, place: str = "SATA-0-0") -> Path:
    return Path(attached(world, machine.handle)[place])


def test_a_detached_disk_survives_up_and_destroy_and_goes_only_by_name(
    world: VirtualBoxWorld, driver: VirtualBoxDriver, spec: Specs
) -> None:
    made = driver.create(spec("srv-web", adapters=(nat(1),)))
    disk = raid(world, made)
    write_into(disk)
    before = disk.read_bytes()
    assert strays(driver) == strays(driver, None) == [disk]
    assert "srv-web" in driver.strays(CONTRACT)[0].why
    assert driver.strays(CONTRACT)[0].size == len(before)
    assert strays(driver, LabName("another")) == strays(driver, LabName("contract", "alice")) == []
    driver.take_snapshot(made.handle, "base")
    driver.restore_snapshot(made.handle, "base")
    driver.delete_snapshot(made.handle, "base")
    for lab in (CONTRACT, None):
        assert list(driver.garbage(lab)) == list(driver.collect_garbage(lab)) == []
    driver.delete(made.handle)
    assert disk.read_bytes() == before
    assert [path for path in folder_of(world, made).rglob("*") if path.is_file()] == [disk]
    assert strays(driver) == strays(driver, None) == [disk]
    assert str(disk) in known(world)
    again = driver.create(spec("srv-web", adapters=(nat(1),)))  # in the same folder
    driver.start(again.handle)
    assert driver.inspect(again.handle).power is PowerState.RUNNING
    driver.delete(again.handle)
    assert disk.read_bytes() == before
    driver.remove_stray(disk)
    assert not disk.parent.exists()
    assert str(disk) not in known(world)
    with pytest.raises(MachineConflict, match="folder of a machine"):
        driver.remove_stray(disk)


def test_a_disk_attached_to_a_machine_is_kept_with_what_was_written_since_a_snapshot(
    world: VirtualBoxWorld, driver: VirtualBoxDriver, spec: Specs
) -> None:
    made = driver.create(spec("srv-web", adapters=(nat(1),)))
    disk = raid(world, made)
    attach(world, made.handle, str(disk), 1)
    assert strays(driver) == []
    driver.take_snapshot(made.handle, "base")
    child = disk_of(world, made, "SATA-1-0")
    write_into(child)
    kept = {path: path.read_bytes() for path in (disk, child)}
    assert list(driver.collect_garbage()) == []
    assert strays(driver) == []
    with pytest.raises(MachineConflict, match="in use"):
        driver.remove_stray(disk)
    driver.delete(made.handle)
    assert {path: path.read_bytes() for path in kept} == kept
    assert {path for path in folder_of(world, made).rglob("*") if path.is_file()} == set(kept)
    assert set(strays(driver)) == set(kept)
    for path in strays(driver):
        driver.remove_stray(path)
    assert not folder_of(world, made).exists()
    assert [image.clones for image in driver.images()] == [()]


def test_a_disk_in_a_machines_folder_that_another_vm_uses_is_left_alone(
    world: VirtualBoxWorld, driver: VirtualBoxDriver, spec: Specs
) -> None:
    made = driver.create(spec("srv-web", adapters=(nat(1),)))
    disk = raid(world, made)
    rescue = world.add_foreign("rescue")
    world.manage("storagectl", rescue, "--name", "SATA", "--add", "sata")
    attach(world, rescue, str(disk), 0)
    assert list(driver.collect_garbage()) == []
    driver.delete(made.handle)
    assert disk.exists()
    assert strays(driver) == strays(driver, None) == []
    with pytest.raises(MachineConflict, match="in use"):
        driver.remove_stray(disk)
    driver.start(rescue)


def test_a_machine_whose_linked_clone_is_somebodys_is_not_removed(
    world: VirtualBoxWorld, driver: VirtualBoxDriver, spec: Specs
) -> None:
    made = driver.create(spec("srv-web", adapters=(nat(1),)))
    driver.take_snapshot(made.handle, "base")
    world.manage(
        "clonevm", made.handle, "--snapshot", "base", "--options", "link", "--name", "my experiment", "--register"
    )
    driver.start(made.handle)
    with pytest.raises(MachineConflict, match="srv-web is in use") as caught:
        driver.delete(made.handle)
    assert "my experiment" in str(caught.value)
    assert driver.inspect(made.handle).power is PowerState.RUNNING
    clone = next(machine for machine in driver.machines() if machine.name == "my experiment")
    driver.start(clone.handle)


@pytest.mark.parametrize("snapshot", [False, True])
def test_the_disk_of_a_machine_that_somebody_detached_is_not_thrown_away(
    world: VirtualBoxWorld, driver: VirtualBoxDriver, spec: Specs, snapshot: bool
) -> None:
    made = driver.create(spec("srv-web", adapters=(nat(1),)))
    chain = []
    if snapshot:
        chain.append(disk_of(world, made))
        driver.take_snapshot(made.handle, "base")
    own = disk_of(world, made)
    attach(world, made.handle, "none", 0)
    write_into(own)
    before = own.read_bytes()
    for lab in (CONTRACT, None):
        assert list(driver.garbage(lab)) == list(driver.collect_garbage(lab)) == []
    assert strays(driver) == [own]
    driver.delete(made.handle)
    assert own.read_bytes() == before
    assert strays(driver) == [own, *chain]
    with pytest.raises(BaseError, match="depend on the image") as caught:
        driver.remove_image(IMAGE)
    assert str((chain or [own])[0]) in str(caught.value)
    for path in strays(driver):
        driver.remove_stray(path)
    driver.remove_image(IMAGE)
    assert [path for path in world.folder.rglob("*") if path.is_file()] == []


@pytest.mark.parametrize("noted", [False, True])
def test_only_the_disk_that_a_killed_restore_was_to_throw_away_is_garbage(
    world: VirtualBoxWorld, driver: VirtualBoxDriver, spec: Specs, noted: bool
) -> None:
    made = driver.create(spec("srv-web", adapters=(nat(1),)))
    first = disk_of(world, made)
    driver.take_snapshot(made.handle, "base")
    discarded = disk_of(world, made)
    if noted:  # what a restore writes before it begins
        uuid = discarded.stem.strip("{}").replace("-", "")
        world.manage("setextradata", made.handle, DISCARDED, f'{{"SATA:0:0": "{uuid}"}}')
    attach(world, made.handle, "none", 0)
    write_into(discarded)
    assert list(driver.garbage()) == []  # nothing has taken its place
    attach(world, made.handle, str(first), 0)
    assert disk_of(world, made) not in (first, discarded)
    expected = [f"unused disk {discarded}"] if noted else []
    assert list(driver.garbage(CONTRACT)) == list(driver.garbage()) == expected
    assert strays(driver) == ([] if noted else [discarded])
    assert list(driver.collect_garbage(CONTRACT)) == expected
    assert discarded.exists() is not noted
    assert list(driver.collect_garbage()) == []
    driver.start(made.handle)


def test_a_restore_notes_what_it_throws_away_and_leaves_nothing(
    world: VirtualBoxWorld, driver: VirtualBoxDriver, spec: Specs
) -> None:
    made = driver.create(spec("srv-web", adapters=(nat(1),)))
    driver.take_snapshot(made.handle, "base")
    before = disk_of(world, made)
    driver.restore_snapshot(made.handle, "base")
    assert before.stem.strip("{}").replace("-", "") in world.manage("getextradata", made.handle, DISCARDED)
    assert not before.exists()
    assert is_blank(disk_of(world, made))
    assert list(driver.garbage()) == []
    assert strays(driver) == []


def test_a_blank_differencing_disk_that_nothing_uses_is_ours_and_garbage(
    world: VirtualBoxWorld, driver: VirtualBoxDriver, spec: Specs
) -> None:
    made = driver.create(spec("srv-web", adapters=(nat(1),)))
    own = disk_of(world, made)
    attach(world, made.handle, "none", 0)
    assert list(driver.garbage(CONTRACT)) == list(driver.garbage()) == [f"unused disk {own}"]
    assert own.exists()
    assert str(own) in known(world)
    assert list(driver.collect_garbage(CONTRACT)) == [f"unused disk {own}"]
    assert not own.exists()
    assert str(own) not in known(world)


def test_files_in_an_images_folder_are_neither_overwritten_nor_removed_with_it(
    world: VirtualBoxWorld, driver: VirtualBoxDriver, spec: Specs
) -> None:
    folder = world.folder / "vboxlab" / "vboxlab-image-second.vm"
    folder.mkdir()
    theirs = [folder / name for name in ("second.vdi", "disk0.vmdk", "notes.txt")]
    for path in theirs:
        path.write_text("do not lose")
    driver.import_image("second", world.disk("second"))
    made = driver.create(replace(spec("srv-web", adapters=(nat(1),)), image="second"))
    driver.start(made.handle)
    ova = world.home / "second.ova"
    driver.delete(made.handle)
    world.manage("export", "vboxlab-image-second", "--output", str(ova))
    driver.remove_image("second")
    driver.import_appliance("second", ova)
    driver.remove_image("second")
    assert sorted(path for path in folder.rglob("*") if path.is_file()) == sorted(theirs)
    assert {path.read_text() for path in theirs} == {"do not lose"}
    assert set(strays(driver, None)) == set(theirs)
    assert list(driver.garbage()) == []


def test_a_machine_is_mended_without_its_neighbours_disks_being_forgotten(
    world: VirtualBoxWorld, driver: VirtualBoxDriver, spec: Specs
) -> None:
    made = driver.create(spec("srv-web", adapters=(nat(1),)))
    disk = raid(world, made)
    write_into(disk)
    before = disk.read_bytes()
    driver.set_marks(made.handle, {"stage": "web"})
    driver.set_marks(made.handle, {"stage": None})
    cut_short(world, driver, folder_of(world, made) / "srv-web.vbox")
    fresh = world.open_virtualbox()
    assert fresh.inspect(made.handle).power is PowerState.OFF
    assert disk.read_bytes() == before
    assert str(disk) in known(world)
    assert strays(fresh) == [disk]
    fresh.start(made.handle)


@pytest.mark.parametrize("name", ["mine", "mine.vm"])
def test_settings_of_a_vm_that_is_not_ours_are_not_mended(
    world: VirtualBoxWorld, driver: VirtualBoxDriver, spec: Specs, name: str
) -> None:
    made = driver.create(spec("srv-web"))
    group = folder_of(world, made).parent
    world.manage("createvm", "--name", name, "--basefolder", str(group), "--register")
    for memory in ("64", "128"):
        world.manage("modifyvm", name, "--memory", memory)
    settings = group / name / f"{name}.vbox"
    assert settings.with_name(f"{name}.vbox-prev").exists()
    cut_short(world, driver, settings)
    fresh = world.open_virtualbox()
    assert {machine.power for machine in fresh.machines()} == {PowerState.OFF, PowerState.INACCESSIBLE}
    assert settings.read_bytes() == b"<?xml"
    fresh.collect_garbage()
    assert strays(fresh, None) == []
    assert settings.read_bytes() == b"<?xml"


def cut_short(world: VirtualBoxWorld, driver: VirtualBoxDriver, settings: Path) -> None:
    """Let a service have been killed while it wrote a VM's settings."""
    driver.close()
    world.kill_service()
    settings.write_bytes(b"<?xml")


def test_gc_names_strays_and_removes_them_only_when_told_to(
    world: VirtualBoxWorld, driver: VirtualBoxDriver, spec: Specs, vboxlab: Vboxlab
) -> None:
    made = driver.create(spec("srv-web", adapters=(nat(1),)))
    disk = raid(world, made)
    shown = vboxlab("gc", code=64)
    assert str(disk) in shown.stderr
    assert "2.0 MiB" in shown.stderr
    assert disk.exists()
    vboxlab("gc", "--yes")
    assert disk.exists()
    vboxlab("gc", "--stray", str(disk), "--yes")
    assert not disk.exists()
    assert str(disk) not in known(world)
    driver.start(made.handle)


def test_a_machine_is_made_beside_what_is_left_for_a_clone_of_the_one_before(
    world: VirtualBoxWorld, driver: VirtualBoxDriver, spec: Specs
) -> None:
    first = driver.create(spec("web"))
    driver.take_snapshot(first.handle, "plain")
    world.manage("clonevm", "web", "--snapshot", "plain", "--options", "link", "--name", "mine", "--register")
    left = folder_of(world, first)
    with pytest.raises(subprocess.CalledProcessError):  # VirtualBox removes the machine, and not what the clone needs
        world.manage("unregistervm", "web", "--delete")
    kept = {path: path.read_bytes() for path in sorted(left.rglob("*.vdi"))}
    assert kept
    made = driver.create(spec("web"))
    assert disk_of(world, made).is_relative_to(left.with_name("web.2.vm"))
    assert {path: path.read_bytes() for path in sorted(left.rglob("*.vdi"))} == kept
    world.manage("snapshot", "mine", "take", "works")
    driver.delete(made.handle)
    assert not left.with_name("web.2.vm").exists()
    assert {path: path.read_bytes() for path in sorted(left.rglob("*.vdi"))} == kept


def test_an_image_is_made_beside_what_is_left_for_the_clones_of_the_one_before(
    world: VirtualBoxWorld, driver: VirtualBoxDriver, spec: Specs
) -> None:
    first = driver.create(spec("web"))
    image = f"vboxlab-image-{IMAGE}"
    left = world.folder / "vboxlab" / f"{image}.vm"
    with pytest.raises(subprocess.CalledProcessError):
        world.manage("unregistervm", image, "--delete")
    kept = {path: path.read_bytes() for path in sorted(left.rglob("*.vdi"))}
    assert kept
    driver.import_image(IMAGE, world.disk("anew"))
    second = driver.create(spec("web-bis"))
    assert {path: path.read_bytes() for path in sorted(left.rglob("*.vdi"))} == kept
    driver.take_snapshot(first.handle, "works")
    driver.delete(second.handle)
    assert {path: path.read_bytes() for path in sorted(left.rglob("*.vdi"))} == kept
