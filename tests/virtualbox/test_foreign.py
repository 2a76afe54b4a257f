"""What is not ours stays as it is, to the byte, and nothing that is wrong with it disturbs us."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

import pytest

from tests.contract.worlds import IMAGE, Specs, free_port, internal, nat
from tests.virtualbox.world import VirtualBoxWorld
from vboxlab.errors import DriverError, MachineConflict, MachineNotFound
from vboxlab.hypervisor.virtualbox.driver import VirtualBoxDriver
from vboxlab.hypervisor.virtualbox.worker.calls import AskFacts
from vboxlab.hypervisor.virtualbox.worker.lookup import VM_PREFIX
from vboxlab.planning.observed import PowerState


def add_teachers_vm(world: VirtualBoxWorld, name: str = "PF_FIREWALL") -> str:
    """Make a VM with a disk, adapters, forwards and a snapshot, as a teacher would."""
    handle = world.add_foreign(name)
    disk = world.folder / name / "disk.vdi"
    world.manage("createmedium", "disk", "--filename", str(disk), "--size", "8")
    world.manage("storagectl", handle, "--name", "SATA", "--add", "sata")
    world.manage(
        "storageattach", handle, "--storagectl", "SATA", "--port", "0", "--device", "0",
        "--type", "hdd", "--medium", str(disk),
    )  # fmt: skip
    forward = f"ssh,tcp,127.0.0.1,{free_port()},,22"
    world.manage("modifyvm", handle, "--nic1", "nat", "--natpf1", forward, "--nic2", "intnet", "--intnet2", "sw-dmz")
    world.manage("setextradata", handle, "GUI/LastNormalWindowPosition", "1,2,3,4")
    return handle


def fingerprints(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def test_a_labs_whole_life_leaves_foreign_machines_as_they_were(
    world: VirtualBoxWorld, driver: VirtualBoxDriver, spec: Specs
) -> None:
    handle = add_teachers_vm(world)
    world.manage("snapshot", handle, "take", "start of term")
    world.manage("natnetwork", "add", "--netname", "school", "--network", "10.9.8.0/24")
    folder = world.folder / "PF_FIREWALL"
    before, networks = fingerprints(folder), world.manage("natnetwork", "list")
    made = driver.create(spec("srv-web", adapters=(nat(1), internal(2, "sw-dmz", cable=False))))
    driver.take_snapshot(made.handle, "base")
    driver.set_adapters(made.handle, (nat(1),))
    driver.start(made.handle)
    driver.power_off(made.handle, "hard")
    driver.restore_snapshot(made.handle, "base")
    driver.delete(made.handle)
    driver.collect_garbage()
    assert fingerprints(folder) == before
    assert world.manage("natnetwork", "list") == networks
    (foreign,) = driver.machines()
    assert (foreign.name, foreign.marks) == ("PF_FIREWALL", {})


def test_a_foreign_machine_is_shown_in_full_when_asked_for(world: VirtualBoxWorld, driver: VirtualBoxDriver) -> None:
    handle = add_teachers_vm(world)
    world.manage("snapshot", handle, "take", "start of term")
    found = driver.inspect(handle)
    assert [(adapter.slot, str(adapter.attachment)) for adapter in found.adapters] == [
        (1, "nat"),
        (2, "internal sw-dmz"),
    ]
    assert [(snapshot.name, snapshot.id) for snapshot in found.snapshots] == [("start of term", found.current_snapshot)]
    assert found.lab is None


def test_an_adopted_machine_is_started_and_nothing_else(world: VirtualBoxWorld, driver: VirtualBoxDriver) -> None:
    handle = world.add_foreign("PF_FIREWALL")
    driver.start(handle)
    assert driver.inspect(handle).power is PowerState.RUNNING
    for attempt in (
        lambda: driver.power_off(handle, "hard"),
        lambda: driver.delete(handle),
        lambda: driver.set_marks(handle, {"lab": "ha"}),
        lambda: driver.set_cable(handle, 1, False),
        lambda: driver.set_adapters(handle, ()),
        lambda: driver.take_snapshot(handle, "x", live=True),
    ):
        with pytest.raises(MachineConflict, match="PF_FIREWALL"):
            attempt()
    assert driver.inspect(handle).power is PowerState.RUNNING


def test_an_inaccessible_machine_disturbs_nothing(
    world: VirtualBoxWorld, driver: VirtualBoxDriver, spec: Specs
) -> None:
    handle = world.add_foreign("broken")
    driver.close()
    world.kill_service()
    (world.folder / "broken" / "broken.vbox").unlink()
    fresh = world.open_virtualbox()
    made = fresh.create(spec("works", adapters=(nat(1),)))
    found = {machine.name: machine for machine in fresh.machines()}
    assert set(found) == {"broken", "works"}
    assert found["broken"].power is PowerState.INACCESSIBLE
    assert found["broken"].problem
    fresh.start(made.handle)
    fresh.delete(made.handle)
    with pytest.raises(DriverError):
        fresh.start(handle)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        bytes(range(256)) * 20,
        b"<a>" * 3000,
        b"<?xml version='1.0' encoding='klingon'?><VirtualBox/>",
        b'<VirtualBox xmlns="http://www.virtualbox.org/" version="1.19-linux"><Machine/></VirtualBox>',
    ],
)
def test_settings_that_virtualbox_refuses_disturb_nothing(
    world: VirtualBoxWorld, driver: VirtualBoxDriver, spec: Specs, content: bytes
) -> None:
    handle = world.add_foreign("broken")
    mine = driver.create(spec("mine"))
    driver.close()
    world.kill_service()
    (own,) = (world.folder / "vboxlab").rglob("mine.vbox")
    whole = own.read_bytes()
    for file in (world.folder / "broken" / "broken.vbox", own):
        file.write_bytes(content)
        file.with_name(file.name + "-prev").unlink(missing_ok=True)
    fresh = world.open_virtualbox()
    found = {machine.handle: machine for machine in fresh.machines()}
    assert {found[each].power for each in (handle, mine.handle)} == {PowerState.INACCESSIBLE}
    assert all(found[each].problem for each in (handle, mine.handle))
    made = fresh.create(spec("works"))
    assert len(fresh.client.call(AskFacts()).inaccessible) == 2
    fresh.collect_garbage()
    assert own.read_bytes() == (world.folder / "broken" / "broken.vbox").read_bytes() == content
    own.write_bytes(whole)
    fresh.delete(made.handle)
    assert {machine.handle for machine in fresh.machines()} >= {handle, mine.handle}


@pytest.mark.parametrize("text", ["{", "[]", "5", '{"id": 5}', '{"id": "", "marks": []}', "[" * 50_000, "été \u2028"])
def test_marks_that_cannot_be_read_make_a_machine_nobodys_and_doctor_says_so(
    world: VirtualBoxWorld, driver: VirtualBoxDriver, spec: Specs, text: str
) -> None:
    made = driver.create(spec("srv-web"))
    world.manage("setextradata", made.handle, "vboxlab/marks", text)
    world.manage("setextradata", "global", "vboxlab/image/odd", text)
    found = driver.inspect(made.handle)
    assert (found.name, found.marks) == ("srv-web", {})
    assert [image.name for image in driver.images()] == [IMAGE]
    assert driver.client.call(AskFacts()).damaged == ("srv-web",)
    with pytest.raises(MachineConflict):
        driver.delete(made.handle)


def test_a_disk_that_somebody_attached_is_not_deleted(
    world: VirtualBoxWorld, driver: VirtualBoxDriver, spec: Specs
) -> None:
    made = driver.create(spec("srv-web"))
    disk = world.home / "my data.vdi"
    world.manage("createmedium", "disk", "--filename", str(disk), "--size", "8")
    world.manage(
        "storageattach", made.handle, "--storagectl", "SATA", "--port", "1", "--device", "0",
        "--type", "hdd", "--medium", str(disk),
    )  # fmt: skip
    before = disk.read_bytes()
    driver.delete(made.handle)
    assert disk.read_bytes() == before


def test_a_folder_in_the_way_is_named_and_left_alone(
    world: VirtualBoxWorld, driver: VirtualBoxDriver, spec: Specs
) -> None:
    folder = world.folder / "vboxlab" / "contract" / "srv-web.vm"
    folder.mkdir(parents=True)
    (folder / "thesis.txt").write_text("do not lose")
    settings = folder / "srv-web.vbox"
    settings.write_text("of a VM that was removed from VirtualBox, its files kept")
    with pytest.raises(MachineConflict, match="srv-web") as caught:
        driver.create(spec("srv-web"))
    assert str(folder) in str(caught.value)
    assert sorted(folder.iterdir()) == [settings, folder / "thesis.txt"]
    assert list(driver.machines()) == []
    settings.unlink()
    driver.delete(driver.create(spec("srv-web")).handle)
    assert [path.name for path in folder.iterdir()] == ["thesis.txt"]
    assert (folder / "thesis.txt").read_text() == "do not lose"


def test_a_teachers_vm_becomes_an_image_by_reference(
    world: VirtualBoxWorld, driver: VirtualBoxDriver, spec: Specs
) -> None:
    handle = add_teachers_vm(world, "Debian 12 (école)")
    said = driver.adopt_image("teacher", "Debian 12 (école)")
    assert "a snapshot was taken" in said
    assert "its current snapshot" in driver.adopt_image("teacher", "Debian 12 (école)")
    teacher = driver.inspect(handle)
    assert [snapshot.name for snapshot in teacher.snapshots] == ["vboxlab-base"]
    assert teacher.marks == {}
    wanted = spec("srv-web", adapters=(nat(3), internal(1, "sw-dmz")))
    made = driver.create(replace(wanted, image="teacher"))
    assert made.adapters == tuple(sorted(wanted.adapters, key=lambda adapter: adapter.slot))
    assert (made.marks, made.image, made.snapshots) == (dict(wanted.marks), "teacher", ())
    assert {image.name: image.clones for image in driver.images()} == {IMAGE: (), "teacher": ("srv-web",)}
    with pytest.raises(MachineConflict, match="Debian 12"):
        driver.delete(handle)
    driver.delete(made.handle)
    driver.remove_image("teacher")
    assert driver.inspect(handle) == teacher
    with pytest.raises(MachineNotFound):
        driver.adopt_image("teacher", "no such VM")


def test_what_a_user_cloned_from_ours_is_the_users(
    world: VirtualBoxWorld, driver: VirtualBoxDriver, spec: Specs
) -> None:
    made = driver.create(spec("srv-web"))
    driver.take_snapshot(made.handle, "base")
    for source, name in ((made.handle, "my copy"), (f"{VM_PREFIX}{IMAGE}", "my base")):
        world.manage("clonevm", source, "--name", name, "--register")
    found = {machine.name: machine for machine in driver.machines()}
    assert sorted(found) == ["my base", "my copy", "srv-web"]
    assert found["my copy"].marks == found["my base"].marks == {}
    assert [image.name for image in driver.images()] == [IMAGE]
    with pytest.raises(MachineConflict, match="my copy"):
        driver.delete(found["my copy"].handle)
    driver.delete(made.handle)
    assert sorted(machine.name for machine in driver.machines()) == ["my base", "my copy"]
