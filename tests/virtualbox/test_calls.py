"""The calls that the worker makes of VirtualBox's API, recorded in one run of all that it can do.

The record is held against each release series in tests/unit/hypervisor/virtualbox/test_versions.py, without VirtualBox.
To write it anew after the worker has come to call something else:

    GOLDEN=update GOLDEN_FOLDER=/shared sudo -E python tests/virtualbox/harness.py --share tests/golden \\
        -- tests/virtualbox/test_calls.py
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path

import pytest

from tests.contract.worlds import IMAGE, Specs, free_port, internal, management, nat
from tests.golden_files import GOLDEN, check_golden
from tests.unit.lab_world import ROOT
from tests.virtualbox import recording_binding
from tests.virtualbox.series import RECORD, SERIES, load
from tests.virtualbox.series.__main__ import INSTALLED, used
from tests.virtualbox.series.definitions import chosen
from tests.virtualbox.test_base_media import attach
from tests.virtualbox.test_foreign import add_teachers_vm
from tests.virtualbox.test_recovery import held
from tests.virtualbox.world import VirtualBoxWorld
from vboxlab.errors import VboxlabError
from vboxlab.hypervisor.virtualbox import readiness
from vboxlab.hypervisor.virtualbox.driver import VirtualBoxDriver
from vboxlab.hypervisor.virtualbox.worker.calls import AskFacts, Inspect
from vboxlab.planning.observed import Attachment, DiskState, Forward, ObservedMachine

TEACHERS = "teacher"


@pytest.fixture
def record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Let the workers of this test load the binding that writes down what is called, and return its file."""
    installation = readiness.find_installation()
    assert installation is not None
    folder = readiness.find_bindings(installation, None)[0].folder
    written = tmp_path / "record"
    chosen = recording_binding.install(tmp_path / "sdk", installation.sdk, Path(folder), written)
    for name, value in chosen.items():
        monkeypatch.setenv(name, value)
    return written


@pytest.fixture
def world(record: Path, tmp_path: Path) -> Iterator[VirtualBoxWorld]:
    """Return a fresh VirtualBox, used through the recording binding from the start."""
    del record
    made = VirtualBoxWorld(tmp_path / "world")
    made.prepare()
    yield made
    made.close()


def test_the_record_holds_each_call_that_the_worker_makes(
    world: VirtualBoxWorld, driver: VirtualBoxDriver, spec: Specs, record: Path
) -> None:
    made = _adapters(driver, spec)
    _power(world, driver, made, spec)
    _snapshots(world, driver, made)
    _disks(world, driver, spec)
    _foreign(world, driver, spec)
    _appliance(world, driver, spec)
    _leftovers(world, driver, spec)
    _unreadable(world, driver, spec)
    with host_only_interface():
        world.open_virtualbox().client.call(AskFacts())
    recorded = set(record.read_text(encoding="ascii").splitlines())
    if os.environ.get("GOLDEN") == "update":
        check_golden(RECORD, sorted(recorded, key=str.lower))
    known = set((GOLDEN / RECORD).read_text(encoding="ascii").splitlines())
    assert {"new": recorded - known, "no longer made": known - recorded} == {"new": set(), "no longer made": set()}


def test_the_table_of_the_installed_series_says_what_is_installed(world: VirtualBoxWorld, tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-m", "tests.virtualbox.series", "--installed", tmp_path], cwd=ROOT, check=True)
    found = json.loads((tmp_path / INSTALLED).read_text(encoding="utf-8"))
    series = ".".join(found["version"].split(".")[:2])
    assert series in SERIES, "a series that has no table: make one, and the record of it"
    assert chosen(found["interfaces"], used()) == load(series).interfaces


@contextmanager
def host_only_interface() -> Iterator[None]:
    """Let this host, whose network is the harness's own, have an interface that VirtualBox takes for one of its own."""
    subprocess.run(["ip", "link", "add", "vboxnet0", "type", "veth", "peer", "name", "other0"], check=True)
    try:
        yield
    finally:
        subprocess.run(["ip", "link", "delete", "vboxnet0"], check=True)


def _adapters(driver: VirtualBoxDriver, spec: Specs) -> ObservedMachine:
    kinds = (
        nat(1, Forward(free_port(), 22), cable=False),
        replace(internal(3, "school"), attachment=Attachment("nat-network", "school")),
        replace(internal(4, "none0"), attachment=Attachment("bridged", "none0")),
        replace(internal(5, "vboxnet0"), attachment=Attachment("host-only", "vboxnet0")),
    )
    made = driver.create(spec("srv-web", adapters=kinds))
    driver.client.call(Inspect(made.handle, through_api=True))
    driver.attach(made.handle, 1, Attachment("internal", "sw-dmz"))
    driver.set_cable(made.handle, 1, connected=True)
    driver.set_adapters(made.handle, (nat(1, Forward(free_port(), 22)), internal(2, "sw-lan")))
    driver.set_adapters(made.handle, (nat(1),))
    driver.set_marks(made.handle, {"stage": "web"})
    driver.set_hardware(made.handle, cpus=1, memory=32)
    with suppress(VboxlabError):
        driver.create(spec("srv-web"))
    return made


def _power(world: VirtualBoxWorld, driver: VirtualBoxDriver, made: ObservedMachine, spec: Specs) -> None:
    handle = made.handle
    driver.start(handle)
    driver.screenshot(handle, world.home / "screen.png")
    driver.power_off(handle, "graceful", timeout=0.2)
    driver.start(handle)
    world.manage("controlvm", handle, "pause")
    driver.start(handle)
    world.save_by_hand(handle)
    driver.power_off(handle, "hard")
    with suppress(VboxlabError):
        driver.power_off(world.add_foreign("not ours"), "hard")
    broken = driver.create(spec(adapters=(internal(1, "sw-dmz"),)))
    if not world.runs_internal:  # its failure is a chain of errors, and its log is read
        with pytest.raises(VboxlabError):
            driver.start(broken.handle)
    driver.delete(broken.handle)


def _snapshots(world: VirtualBoxWorld, driver: VirtualBoxDriver, made: ObservedMachine) -> None:
    handle = made.handle
    driver.take_snapshot(handle, "first")
    driver.take_snapshot(handle, "second")
    driver.restore_snapshot(handle, "first")
    driver.take_snapshot(handle, "third")
    driver.delete_snapshot(handle, "first")  # hidden, as two snapshots depend on it
    driver.client.call(Inspect(handle, through_api=True))
    driver.delete_snapshot(handle, "second")
    driver.start(handle)
    driver.take_snapshot(handle, "live", live=True)
    driver.power_off(handle, "hard")
    driver.restore_snapshot(handle, "live")
    driver.restore_snapshot(handle, "third")
    world.manage("snapshot", handle, "take", "twin")
    world.manage("snapshot", handle, "take", "twin")
    with suppress(VboxlabError):
        driver.restore_snapshot(handle, "twin")


def _disks(world: VirtualBoxWorld, driver: VirtualBoxDriver, spec: Specs) -> None:
    disks = (DiskState("data", 8), DiskState("quorum", 8, shared=True))
    one, two = (driver.create(spec(name, adapters=())).handle for name in ("node-1", "node-2"))
    driver.take_snapshot(one, "before")
    for handle in (one, two):
        driver.add_disks(handle, disks)
        driver.set_dvd(handle, str(world.disc()))
        driver.set_dvd(handle, "")
        driver.set_dvd(handle, str(world.disc()))
    driver.restore_snapshot(one, "before")
    for handle in (one, two):
        driver.delete(handle)


def _foreign(world: VirtualBoxWorld, driver: VirtualBoxDriver, spec: Specs) -> None:
    handle = add_teachers_vm(world, TEACHERS)
    iso = world.home / "install.iso"
    iso.write_bytes(bytes(2048 * 200))
    world.add_disk(handle, "Immutable")
    attach(world, handle, str(iso), 5, "dvddrive")
    attach(world, handle, "emptydrive", 6, "dvddrive")
    world.manage("storageattach", handle, "--storagectl", "SATA", "--port", "6", "--device", "0", "--passthrough", "on")
    log = world.home / "teacher.log"
    world.manage(
        "modifyvm", handle, "--uart2", "0x2F8", "3", "--uartmode2", "file", str(log), "--recording", "on",
        "--vrde", "on",
    )  # fmt: skip
    world.manage("sharedfolder", "add", handle, "--name", "home", "--hostpath", str(world.home))
    world.manage("natnetwork", "add", "--netname", "school", "--network", "10.9.8.0/24")
    world.manage("modifyvm", handle, "--nic3", "natnetwork", "--nat-network3", "school")
    world.manage("modifyvm", handle, "--nic4", "hostonly", "--hostonlyadapter4", "vboxnet0")
    driver.describe(handle)
    driver.adopt_image("my", TEACHERS)
    driver.images()
    made = driver.create(replace(spec("client", adapters=(nat(1), management())), image="my"))
    driver.delete(made.handle)
    driver.remove_image("my")


def _appliance(world: VirtualBoxWorld, driver: VirtualBoxDriver, spec: Specs) -> None:
    handle = world.add_foreign("exported")
    world.add_disk(handle, "Normal")
    appliance = world.home / "exported.ova"
    world.manage("export", handle, "--output", str(appliance))
    driver.import_appliance("from-ova", appliance)
    made = driver.create(replace(spec("dns"), image="from-ova"))
    with suppress(VboxlabError):
        driver.remove_image("from-ova")
    driver.delete(made.handle)
    driver.remove_image("from-ova")


def _leftovers(world: VirtualBoxWorld, driver: VirtualBoxDriver, spec: Specs) -> None:
    made = driver.create(spec("firewall"))
    disk = world.put_stray(made, "raid.vdi")
    driver.strays()
    driver.garbage()
    driver.remove_stray(disk)
    hasty = VirtualBoxDriver(world.home, patience=0.1)
    with held(made.handle), pytest.raises(VboxlabError):
        hasty.take_snapshot(made.handle, "first")
    hasty.close()


def _unreadable(world: VirtualBoxWorld, driver: VirtualBoxDriver, spec: Specs) -> None:
    made = driver.create(spec("broken"))
    (settings,) = world.folder.rglob("broken.vbox")
    driver.close()
    world.kill_service()
    settings.write_bytes(settings.read_bytes()[:700])
    settings.with_name("broken.vbox-prev").unlink(missing_ok=True)
    later = world.open_virtualbox()
    later.machines()
    with suppress(VboxlabError):
        later.create(replace(spec("other"), image=f"no {IMAGE}"))
    with suppress(VboxlabError):
        later.delete(made.handle)
