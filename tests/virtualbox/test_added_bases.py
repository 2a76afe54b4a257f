"""Bases that are the user's own VMs, appliances and disks, through the command line on real VirtualBox."""

from __future__ import annotations

import io
import json
import re
import socket
import stat
import subprocess
import tarfile
from dataclasses import replace
from pathlib import Path

import pytest

from tests.contract.worlds import DEAF_GUEST, IMAGE, Specs, free_port, internal, management, nat
from tests.disk_samples import FORMATS, make
from tests.unit.lab_world import ROOT
from tests.virtualbox.conftest import Vboxlab
from tests.virtualbox.test_foreign import add_teachers_vm, fingerprints
from tests.virtualbox.world import VirtualBoxWorld
from tests.watching import CommandLines, open_to_others
from vboxlab.errors import BaseError, DriverError
from vboxlab.hypervisor.virtualbox.driver import VirtualBoxDriver
from vboxlab.planning.observed import Forward

TEACHERS = "Debian 12 (école)"
LOGIN = ("--user", "teacher", "--password-from", "env:TEACHERS_PASSWORD")
PASSWORD = "correct horse"
DEFAULT = ' localhost-reachable="true"'


@pytest.fixture(autouse=True)
def password(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the teacher's password be in the environment."""
    monkeypatch.setenv("TEACHERS_PASSWORD", PASSWORD)


def settled_fingerprints(folder: Path) -> dict[str, str]:
    """Return the fingerprints of a VM's files but for the copy of its former settings, with the settings as text.

    While a disk depends on a VM's, VirtualBox notes it in that VM's settings, and keeps what they were before. When its
    service has read the settings anew, it writes a default into them that it left out when it made them.
    """
    found = {name: digest for name, digest in fingerprints(folder).items() if not name.endswith("-prev")}
    for name in found:
        if name.endswith(".vbox"):
            text = (folder / name).read_text(encoding="utf-8")
            found[name] = re.sub(rf"\n *<NAT{DEFAULT}/>", "", text).replace(DEFAULT, "")
    return found


def test_a_teachers_vm_is_added_used_and_forgotten(world: VirtualBoxWorld, empty_home: Path, vboxlab: Vboxlab) -> None:
    handle = add_teachers_vm(world, TEACHERS)
    with CommandLines([PASSWORD]) as watch:
        said = vboxlab("base", "add", "my-debian", "--vm", TEACHERS, *LOGIN)
    assert (watch.seen, open_to_others(empty_home)) == (set(), {})
    assert "a snapshot was taken" in said.stdout
    before = settled_fingerprints(world.folder / TEACHERS)
    record = empty_home / "bases" / "my-debian"
    assert (record / "password").read_text() == f"{PASSWORD}\n"
    assert stat.S_IMODE((record / "password").stat().st_mode) == 0o600
    assert PASSWORD not in said.stdout + said.stderr + (record / "added.json").read_text()
    vboxlab("up", "failover", "--until", "created", "--set", "base=my-debian")
    driver = world.open()
    made = [machine for machine in driver.machines() if machine.lab]
    assert {machine.image for machine in made} == {"my-debian"}
    (row,) = json.loads(vboxlab("base", "list", "--json").stdout)
    assert (row["name"], row["origin"]) == ("my-debian", f"VM {TEACHERS} (virtualbox)")
    assert row["machines"] == ["client", "dns", "firewall", "srv-web", "srv-web-bis"]
    refused = vboxlab("base", "remove", "my-debian", code=4)
    assert "srv-web-bis" in refused.stderr
    plan = vboxlab("plan", "failover", code=2)
    assert plan.stdout.count("first contact over adapter 1") == 5
    vboxlab("destroy", "failover", "--yes")
    vboxlab("base", "remove", "my-debian")
    assert not record.exists()
    assert [machine.handle for machine in driver.machines()] == [handle]
    assert settled_fingerprints(world.folder / TEACHERS) == before


def test_what_cannot_be_a_base_is_refused_by_name(world: VirtualBoxWorld, empty_home: Path, vboxlab: Vboxlab) -> None:
    def refused(*arguments: str, code: int = 4) -> str:
        return vboxlab("base", "add", *arguments, *LOGIN, code=code).stderr

    handle = add_teachers_vm(world, TEACHERS)
    assert f"near it: {TEACHERS}" in refused("my", "--vm", "debian 12 (ecole)")
    world.manage("createvm", "--name", "twin", "--basefolder", str(world.home / "a"), "--register")
    world.manage("createvm", "--name", "twin", "--basefolder", str(world.home / "b"), "--register")
    twins = [machine.handle for machine in world.open().machines() if machine.name == "twin"]
    text = refused("my", "--vm", "twin")
    assert "2 VMs are named twin" in text
    assert all(twin in text for twin in twins)
    assert "has no snapshot nope" in refused("my", "--vm", TEACHERS, "--snapshot", "nope")
    world.manage("modifyvm", handle, "--nic2", "none")
    world.open().start(handle)
    assert "has no snapshot, and is not off (running)" in refused("my", "--vm", TEACHERS)
    world.manage("controlvm", handle, "poweroff")
    assert "no such file" in refused("my", "--ova", "/nowhere/vm.ova")
    (world.home / "notes.ova").write_text("no appliance")
    assert "is no appliance" in refused("my", "--ova", str(world.home / "notes.ova"))
    assert "it is a text" in refused("my", "--disk", str(world.home / "notes.ova"))
    assert "is taken" in refused("debian12", "--vm", TEACHERS)
    assert "one of --vm, --ova and --disk" in refused("my", code=64)
    assert "it has no hard disk" in refused("my", "--vm", twins[0])
    world.add_disk(twins[0], "Normal")
    vboxlab("base", "add", "my", "--vm", twins[0], *LOGIN)
    assert "there is a base my already" in refused("my", "--vm", TEACHERS)
    assert [path.name for path in (empty_home / "bases").iterdir() if path.is_dir()] == ["my"]
    assert world.open().inspect(handle).snapshots == ()


def test_a_snapshot_by_name_while_the_vm_runs(world: VirtualBoxWorld, driver: VirtualBoxDriver, spec: Specs) -> None:
    handle = world.add_foreign("teacher")
    world.add_disk(handle, "Normal")
    for name in ("start of term", "later"):
        world.manage("snapshot", handle, "take", name)
    driver.start(handle)
    world.manage("snapshot", handle, "take", "while it ran", "--live")
    with pytest.raises(Exception, match="taken while it ran") as caught:
        driver.adopt_image("my", "teacher")
    assert "start of term, later" in str(caught.value)
    assert "start of term" in driver.adopt_image("my", "teacher", snapshot="start of term")
    made = driver.create(replace(spec("srv-web", adapters=(nat(1),)), image="my"))
    driver.start(made.handle)


def test_an_appliance_becomes_an_image(world: VirtualBoxWorld, driver: VirtualBoxDriver, spec: Specs) -> None:
    handle = add_teachers_vm(world, TEACHERS)
    ova = world.home / "modèle.ova"
    world.manage("export", handle, "--output", str(ova))
    before = ova.read_bytes()
    driver.import_appliance("from-ova", ova)
    assert ova.read_bytes() == before
    made = driver.create(replace(spec("srv-web", adapters=(nat(1), internal(2, "sw-dmz"))), image="from-ova"))
    assert {image.name: image.clones for image in driver.images()} == {IMAGE: (), "from-ova": ("srv-web",)}
    driver.delete(made.handle)
    driver.remove_image("from-ova")
    assert [machine.name for machine in driver.machines()] == [TEACHERS]
    assert not list((world.folder / "vboxlab").glob("*from-ova*"))
    assert list(driver.collect_garbage()) == []


@pytest.mark.parametrize("form", ["vmdk", "vpc", "vdi"])
def test_a_disk_of_any_form_becomes_an_image(
    world: VirtualBoxWorld, driver: VirtualBoxDriver, spec: Specs, form: str
) -> None:
    raw, disk = world.home / "disk.img", world.home / f"disk.{form}"
    raw.write_bytes(DEAF_GUEST)
    subprocess.run(["qemu-img", "convert", "-f", "raw", "-O", form, raw, disk], check=True)
    before = disk.read_bytes()
    driver.import_image("from-disk", disk)
    assert disk.read_bytes() == before
    made = driver.create(replace(spec("srv-web", adapters=(nat(1),)), image="from-disk"))
    driver.start(made.handle)


def without_qemu_img(monkeypatch: pytest.MonkeyPatch, driver: VirtualBoxDriver) -> None:
    """Let there be no qemu-img, once the worker runs, which needs other programs."""
    assert driver.version
    monkeypatch.setenv("PATH", "/nowhere:.")


def test_virtualbox_converts_alone_where_there_is_no_qemu_img(
    world: VirtualBoxWorld, driver: VirtualBoxDriver, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    disks = {name: make(tmp_path / "given", name) for name in FORMATS}
    stream = tmp_path / "given" / "stream.vmdk"
    world.manage("clonemedium", str(disks["vdi"]), str(stream), "--format", "VMDK", "--variant", "Stream")
    world.manage("closemedium", str(disks["vdi"]))
    world.manage("closemedium", str(stream))
    before = world.traces()
    without_qemu_img(monkeypatch, driver)
    refused = {}
    for name, disk in {**disks, "stream of VirtualBox": stream}.items():
        try:
            driver.import_image("image", disk)
        except BaseError as error:
            refused[name] = error
        else:
            driver.remove_image("image")
        assert world.traces() == before, name
    # VirtualBox 7.2 does not read these of qemu-img's; the details are its words.
    assert refused.keys() == {"vmdk-stream", "vhdx", "vhdx-fixed", "qcow2-extended", "qcow2-zstd"}
    zstd = refused["qcow2-zstd"]
    assert zstd.brief == f"{disks['qcow2-zstd']}: VirtualBox cannot read this qcow2 disk"
    assert "install qemu-img" in str(zstd.resolution)


def test_a_disk_that_is_registered_is_imported_from_a_copy(world: VirtualBoxWorld, driver: VirtualBoxDriver) -> None:
    """A disk of a VM of the user's: VirtualBox knows its path and its identity already, and keeps them."""
    handle = add_teachers_vm(world, TEACHERS)
    for form in ("VDI", "VMDK", "VHD"):
        disk = world.home / f"mine.{form.lower()}"
        world.manage("createmedium", "--filename", str(disk), "--size", "8", "--format", form)
        if form != "VDI":
            world.manage("closemedium", str(disk))
        before = disk.read_bytes(), world.manage("list", "hdds")
        driver.import_image("mine", disk)
        driver.remove_image("mine")
        assert (disk.read_bytes(), world.manage("list", "hdds")) == before
    assert world.open().inspect(handle).name == TEACHERS


def with_another_disk(ova: Path, disk: bytes) -> bytes:
    """Return an OVA with another disk in the place of its own."""
    changed = io.BytesIO()
    with tarfile.open(ova) as old, tarfile.open(fileobj=changed, mode="w", format=tarfile.USTAR_FORMAT) as new:
        for member in old:
            stream = old.extractfile(member)
            assert stream is not None
            data = disk if member.name.endswith(".vmdk") else re.sub(rb' ovf:size="\d+"', b"", stream.read())
            entry = tarfile.TarInfo(member.name)
            entry.size = len(data)
            new.addfile(entry, io.BytesIO(data))
    return changed.getvalue()


def test_a_hostile_or_broken_appliance_leaves_nothing(
    world: VirtualBoxWorld, driver: VirtualBoxDriver, tmp_path: Path
) -> None:
    handle = add_teachers_vm(world, TEACHERS)
    ova = world.home / "modèle.ova"
    world.manage("export", handle, "--output", str(ova))
    whole = ova.read_bytes()
    name = re.search(rb'href="([^"]+\.vmdk)"', whole)
    assert name is not None
    disk = bytearray(make(tmp_path, "vmdk-stream").read_bytes())
    grain = disk.index(b"\x78", 512 * 128)
    disk[grain : grain + 64] = bytes(64)
    before = world.traces()
    for changed, words in (
        (whole.replace(name[1], b"/etc/passwd".ljust(len(name[1]), b"x"), 1), "no file of its own"),
        (whole[: len(whole) // 2], "cut short"),
        (with_another_disk(ova, bytes(disk)), re.escape(str(ova))),  # which only VirtualBox can see
    ):
        ova.write_bytes(changed)
        with pytest.raises((BaseError, DriverError), match=words):
            driver.import_appliance("from-ova", ova)
        assert world.traces() == before
        ova.write_bytes(whole)
    assert list(driver.collect_garbage()) == []
    driver.import_appliance("from-ova", ova)


def test_the_topology_file_may_name_the_base(world: VirtualBoxWorld, empty_home: Path, vboxlab: Vboxlab) -> None:
    add_teachers_vm(world, TEACHERS)
    file = world.home / "mine.yaml"
    text = (ROOT / "topologies" / "failover.yaml").read_text(encoding="utf-8")
    file.write_text(text.replace('base: "{base}"', "base: my-debian"), encoding="utf-8")
    assert "there is no base `my-debian`" in vboxlab("validate", str(file), code=3).stdout
    vboxlab("base", "add", "my-debian", "--vm", TEACHERS, *LOGIN)
    assert "no problem" in vboxlab("validate", str(file)).stdout


def test_the_way_in_moves_from_adapter_1_to_8_while_the_machine_runs(driver: VirtualBoxDriver, spec: Specs) -> None:
    port = free_port()
    away, forward = nat(1), Forward(port, 22)
    own = (away, replace(management(port), slot=8))
    lent = (replace(away, attachment=replace(away.attachment, forwards=(forward,))),
            replace(own[1], attachment=replace(own[1].attachment, forwards=())))  # fmt: skip
    made = driver.create(spec("srv-web", adapters=own))
    driver.set_adapters(made.handle, lent)
    assert driver.inspect(made.handle).management_port == port
    driver.start(made.handle)
    driver.set_adapters(made.handle, own)
    now = driver.inspect(made.handle)
    assert (now.adapters, now.management_port) == (own, port)
    with socket.create_connection(("127.0.0.1", port), timeout=5):
        pass
