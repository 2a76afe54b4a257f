"""What machines get of the disks and drives of a teacher's VM, as VBoxManage sees it, and what that VM keeps."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tests.contract.worlds import Specs, nat
from tests.virtualbox.conftest import Vboxlab
from tests.virtualbox.test_added_bases import LOGIN
from tests.virtualbox.test_foreign import add_teachers_vm
from tests.virtualbox.world import VirtualBoxWorld
from vboxlab.errors import BaseError
from vboxlab.hypervisor.virtualbox.driver import VirtualBoxDriver
from vboxlab.planning.observed import ObservedMachine, PowerState

TEACHERS = "Debian 12"


def add_disk(world: VirtualBoxWorld, handle: str, kind: str = "normal", port: int = 1) -> Path:
    """Give a VM one more disk, of any kind."""
    disk = world.folder / TEACHERS / f"{kind}.vdi"
    variant = ("--variant", "Fixed") if kind == "shareable" else ()
    world.manage("createmedium", "disk", "--filename", str(disk), "--size", "8", *variant)
    if kind == "multiattach":  # only a disk that some machine's settings name can become one
        attach(world, handle, str(disk), port)
        attach(world, handle, "none", port)
    if kind != "normal":
        world.manage("modifymedium", "disk", str(disk), "--type", kind)
    attach(world, handle, str(disk), port)
    return disk


def attach(world: VirtualBoxWorld, handle: str, medium: str, port: int, what: str = "hdd", where: str = "SATA") -> None:
    world.manage(
        "storageattach", handle, "--storagectl", where, "--port", str(port), "--device", "0",
        "--type", what, "--medium", medium,
    )  # fmt: skip


def attached(world: VirtualBoxWorld, handle: str) -> dict[str, str]:
    """Return what is in each place of a VM that has something, as VBoxManage says it."""
    lines = world.manage("showvminfo", handle, "--machinereadable").splitlines()
    pairs = [line.replace('"', "").partition("=")[::2] for line in lines if line.startswith(('"SATA-', '"Floppy-'))]
    return {key: value for key, value in pairs if key.count("-") == 2 and value != "none"}


def make(driver: VirtualBoxDriver, spec: Specs, name: str) -> ObservedMachine:
    return driver.create(replace(spec(name, adapters=(nat(1),)), image="my"))


def check_two_clones(world: VirtualBoxWorld, driver: VirtualBoxDriver, spec: Specs, disks: int = 1) -> None:
    """Check that two machines share nothing with each other nor with the teacher's VM, and both run."""
    made = [make(driver, spec, name) for name in ("srv-web", "srv-web-bis")]
    for machine in made:
        places = attached(world, machine.handle)
        own = [path for path in places.values() if path != "emptydrive"]
        assert len(own) == disks
        assert all(f"{machine.name}.vm" in Path(path).parts and "Snapshots" in path for path in own)
        driver.start(machine.handle)
    assert [driver.inspect(machine.handle).power for machine in made] == [PowerState.RUNNING] * 2
    for machine in made:
        driver.delete(machine.handle)


@pytest.mark.parametrize("kind", ["writethrough", "shareable", "immutable"])
def test_a_second_disk_that_snapshots_do_not_hold_is_left_out(
    world: VirtualBoxWorld, driver: VirtualBoxDriver, spec: Specs, kind: str
) -> None:
    handle = add_teachers_vm(world, TEACHERS)
    disk = add_disk(world, handle, kind)
    said = driver.adopt_image("my", TEACHERS)
    assert "left out: it is " + kind in said
    before = disk.read_bytes()
    system = (world.folder / TEACHERS / "disk.vdi").read_bytes()
    check_two_clones(world, driver, spec)
    assert disk.read_bytes() == before
    assert (world.folder / TEACHERS / "disk.vdi").read_bytes() == system
    assert "SATA-1-0" in attached(world, handle)
    assert [path for path in world.folder.rglob("*.vdi") if "srv-web" in str(path)] == []
    assert list(driver.collect_garbage()) == []


@pytest.mark.parametrize("kind", ["writethrough", "shareable", "immutable"])
def test_a_first_disk_that_snapshots_do_not_hold_is_refused_and_the_vm_not_touched(
    world: VirtualBoxWorld, driver: VirtualBoxDriver, kind: str
) -> None:
    handle = add_teachers_vm(world, TEACHERS)
    attach(world, handle, "none", 0)
    disk = add_disk(world, handle, kind, port=0)
    with pytest.raises(BaseError, match=f"the VM {TEACHERS} cannot be a base") as caught:
        driver.adopt_image("my", TEACHERS)
    assert f"it is {kind}" in str(caught.value)
    assert disk.name in str(caught.value) or kind == "immutable"
    assert "make the disk normal" in str(caught.value.resolution)
    assert driver.inspect(handle).snapshots == ()
    assert not driver.has_image("my")


@pytest.mark.parametrize("kind", ["normal", "multiattach"])
def test_a_second_disk_is_linked_like_the_first(
    world: VirtualBoxWorld, driver: VirtualBoxDriver, spec: Specs, kind: str
) -> None:
    handle = add_teachers_vm(world, TEACHERS)
    disk = add_disk(world, handle, kind)
    said = driver.adopt_image("my", TEACHERS)
    assert said.count("every machine writes to a differencing disk of its own") == 2
    before = disk.read_bytes()
    check_two_clones(world, driver, spec, disks=2)
    assert disk.read_bytes() == before


@pytest.mark.parametrize("gone", [False, True])
def test_drives_are_empty_in_clones(world: VirtualBoxWorld, driver: VirtualBoxDriver, spec: Specs, gone: bool) -> None:
    handle = add_teachers_vm(world, TEACHERS)
    iso, floppy = world.home / "install.iso", world.home / "floppy.img"
    iso.write_bytes(bytes(2048 * 200))
    floppy.write_bytes(bytes(1474560))
    world.manage("storagectl", handle, "--name", "Floppy", "--add", "floppy")
    attach(world, handle, str(iso), 2, "dvddrive")
    attach(world, handle, str(floppy), 0, "fdd", "Floppy")
    if gone:
        iso.unlink()
    said = driver.adopt_image("my", TEACHERS)
    assert f"SATA port 2: {iso}: machines have an empty DVD drive{' (the file is gone)' if gone else ''}" in said
    assert f"Floppy port 0: {floppy}: machines have an empty floppy drive" in said
    iso.unlink(missing_ok=True)  # at the latest now
    check_two_clones(world, driver, spec)
    made = make(driver, spec, "client")
    assert attached(world, made.handle)["SATA-2-0"] == "emptydrive"
    assert attached(world, made.handle)["Floppy-0-0"] == "emptydrive"
    assert attached(world, handle) == {
        "SATA-0-0": attached(world, handle)["SATA-0-0"],
        "SATA-2-0": str(iso),
        "Floppy-0-0": str(floppy),
    }


def test_a_vm_without_a_disk_is_refused(world: VirtualBoxWorld, driver: VirtualBoxDriver) -> None:
    world.add_foreign(TEACHERS)
    with pytest.raises(BaseError, match="cannot be a base") as caught:
        driver.adopt_image("my", TEACHERS)
    assert "it has no hard disk" in str(caught.value)


def test_a_disk_of_the_host_itself_is_refused(world: VirtualBoxWorld, driver: VirtualBoxDriver) -> None:
    handle = add_teachers_vm(world, TEACHERS)
    raw, descriptor = world.home / "sdx", world.home / "sdx.vmdk"
    raw.write_bytes(bytes(1 << 20))
    descriptor.write_text(
        '# Disk DescriptorFile\nversion=1\nCID=11111111\nparentCID=ffffffff\ncreateType="fullDevice"\n'
        f'RW 2048 FLAT "{raw}" 0\nddb.virtualHWVersion = "4"\nddb.adapterType="ide"\n'
        'ddb.geometry.cylinders="2"\nddb.geometry.heads="16"\nddb.geometry.sectors="63"\n'
        'ddb.uuid.image="6d4ad2b0-5a0c-4a39-9a7e-63bb5c0a5d11"\n'
    )
    attach(world, handle, "none", 0)
    attach(world, handle, str(descriptor), 0)
    with pytest.raises(BaseError) as caught:
        driver.adopt_image("my", TEACHERS)
    assert "it is a disk of this computer itself" in str(caught.value)


def test_a_vm_that_lost_a_disk_since_is_refused_and_nothing_is_left(
    world: VirtualBoxWorld, driver: VirtualBoxDriver, spec: Specs
) -> None:
    handle = add_teachers_vm(world, TEACHERS)
    driver.adopt_image("my", TEACHERS)
    disk = world.folder / TEACHERS / "disk.vdi"
    hidden = disk.rename(disk.with_name("hidden"))
    with pytest.raises(BaseError, match=f"no machine can be made of the base my, which is the VM {TEACHERS}") as caught:
        make(driver, spec, "srv-web")
    assert f"{disk}: it cannot be read" in str(caught.value)
    assert [machine.handle for machine in driver.machines()] == [handle]
    assert not list(world.folder.glob("vboxlab/contract/*"))
    hidden.rename(disk)
    check_two_clones(world, driver, spec)


def test_base_add_says_what_machines_will_have(
    world: VirtualBoxWorld, vboxlab: Vboxlab, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TEACHERS_PASSWORD", "horse")
    handle = add_teachers_vm(world, TEACHERS)
    add_disk(world, handle, "writethrough")
    world.manage("snapshot", handle, "take", "start of term")
    add_disk(world, handle, "normal", port=2)
    said = vboxlab("base", "add", "my", "--vm", TEACHERS, *LOGIN).stdout
    assert "my is the VM Debian 12 as of its current snapshot, start of term" in said
    assert "disk.vdi: every machine writes to a differencing disk of its own" in said
    assert "writethrough.vdi: left out: it is writethrough: no snapshot holds it" in said
    assert "normal.vdi" not in said
    assert "the VM has changed since that snapshot" in said


def test_ports_and_recordings_that_lead_to_the_teachers_files_are_not_inherited(
    world: VirtualBoxWorld, driver: VirtualBoxDriver, spec: Specs
) -> None:
    handle = add_teachers_vm(world, TEACHERS)
    log = world.home / "teacher.log"
    world.manage("modifyvm", handle, "--uart2", "0x2F8", "3", "--uartmode2", "file", str(log), "--recording", "on")
    driver.adopt_image("my", TEACHERS)
    made = make(driver, spec, "srv-web")
    settings = world.manage("showvminfo", made.handle, "--machinereadable")
    assert [line for line in settings.splitlines() if line.startswith(("uart2", "recording_enabled", "lpt"))] == [
        'uart2="off"', 'lpt1="off"', 'lpt2="off"', 'recording_enabled="off"',
    ]  # fmt: skip
    assert str(log) not in settings
    assert 'uart1="off"' not in settings
