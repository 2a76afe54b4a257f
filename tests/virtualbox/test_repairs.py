"""What of VirtualBox's is broken is told by every verb and repaired by none but `doctor --repair`, for who agrees."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.contract.worlds import Specs
from tests.virtualbox.conftest import Vboxlab
from tests.virtualbox.world import VirtualBoxWorld
from vboxlab.errors import DriverError
from vboxlab.hypervisor.virtualbox.driver import VirtualBoxDriver
from vboxlab.hypervisor.virtualbox.repairs import carry_out, find_repair
from vboxlab.planning.observed import PowerState

VERBS = (
    ("plan", "failover"), ("status", "failover"), ("up", "failover", "--until", "created"), ("check", "failover"),
    ("down", "failover"), ("destroy", "failover", "--yes"), ("reset", "failover", "--yes"), ("verify", "failover"),
    ("snapshot", "list"), ("snapshot", "take", "a"), ("ssh", "srv-web"), ("ssh-config",), ("gc", "--yes"),
)  # fmt: skip


def contents(folder: Path) -> dict[str, bytes]:
    """Return what settings there are; a service writes its log into the same folder."""
    return {path.name: path.read_bytes() for path in sorted(folder.glob("VirtualBox.xml*"))}


def wait_for(condition: Callable[[], bool], seconds: float = 20.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.2)


def stop_service(world: VirtualBoxWorld, driver: VirtualBoxDriver) -> Path:
    driver.close()
    world.kill_service()
    return world.settings / "VirtualBox.xml"


@pytest.mark.parametrize("damage", ["missing", "cut short"])
def test_a_lost_list_of_machines_stops_every_verb_until_its_user_has_it_put_back(
    world: VirtualBoxWorld, driver: VirtualBoxDriver, spec: Specs, home: Path, vboxlab: Vboxlab, damage: str
) -> None:
    teachers = world.add_foreign("PF_FIREWALL")
    made = driver.create(spec())
    registry = stop_service(world, driver)
    whole = registry.read_bytes()
    registry.replace(registry.with_name("VirtualBox.xml-prev"))
    if damage == "cut short":
        registry.write_bytes(whole[: len(whole) // 2])
    lost = contents(world.settings)
    for words in VERBS:
        done = vboxlab(*words, code=4)
        assert "VirtualBox's list of machines is lost" in done.stderr, words
        state = "missing" if damage == "missing" else "damaged or cut short"
        assert f"{registry} is {state}" in done.stderr, words
        assert "VirtualBox.xml-prev, whole, of " in done.stderr, words
        assert ", with 3 machines" in done.stderr, words  # the image of the world is one as well
        assert "vboxlab doctor --repair" in done.stderr, words
    report = json.loads(vboxlab("doctor", "--offline", "--json", code=1).stdout)
    found = {finding["check"]: finding for finding in report["findings"]}
    assert found["list of machines"]["verdict"] == "problem"
    assert "doctor --repair" in found["list of machines"]["fix"]
    refused = vboxlab("doctor", "--offline", "--repair", code=64)  # nobody can be asked
    assert "VirtualBox.xml-prev" in refused.stderr
    assert contents(world.settings) == lost
    assert world.pids() == []  # a service that starts now would take its list for an empty one
    said = vboxlab("doctor", "--offline", "--repair", "--yes").stderr
    assert f"{registry} is put back, with 3 machines" in said
    after = contents(world.settings)
    assert after["VirtualBox.xml"] == whole
    kept = [name for name in after if name.startswith("VirtualBox.xml.vboxlab-")]
    assert [after[name] for name in kept] == ([lost["VirtualBox.xml"]] if damage == "cut short" else [])
    found_again = {machine.handle for machine in world.open_virtualbox().machines()}
    assert found_again == {teachers, made.handle}
    assert "nothing to repair" in vboxlab("doctor", "--offline", "--repair", "--yes").stderr


def test_nothing_is_put_back_under_a_service_that_started_without_the_list(
    world: VirtualBoxWorld, driver: VirtualBoxDriver, spec: Specs
) -> None:
    made = driver.create(spec())
    registry = stop_service(world, driver)
    content = registry.read_bytes()
    registry.replace(registry.with_name("VirtualBox.xml-prev"))

    def says_none() -> bool:  # what is left of the killed service may be met first
        try:
            return world.manage("list", "vms").strip() == ""
        except subprocess.CalledProcessError:
            return False

    wait_for(says_none)
    broken = find_repair()
    assert broken is not None
    with pytest.raises(DriverError, match="VirtualBox is running"):
        carry_out(broken, patience=0.0)
    with pytest.raises(DriverError, match="list of machines is lost"):
        list(world.open_virtualbox().machines())
    assert not registry.exists()
    assert carry_out(broken, patience=20.0) == [f"{registry} is put back, with 2 machines"]  # it ends without clients
    assert registry.read_bytes() == content
    assert {machine.handle for machine in world.open_virtualbox().machines()} == {made.handle}


def test_settings_of_ours_that_were_cut_short_are_mended_kept_and_told(
    world: VirtualBoxWorld, driver: VirtualBoxDriver, spec: Specs, tmp_path: Path
) -> None:
    made = driver.create(spec("srv-web"))
    driver.set_marks(made.handle, {"stage": "web"})
    stop_service(world, driver)
    (settings,) = (world.folder / "vboxlab").rglob("srv-web.vbox")
    short = settings.read_bytes()[:700]
    settings.write_bytes(short)
    said: list[str] = []
    fresh = VirtualBoxDriver(world.home, say=said.append)
    try:
        found = fresh.inspect(made.handle)
    finally:
        fresh.close()
    assert (found.name, found.power, found.marks["lab"]) == ("srv-web", PowerState.OFF, "contract")
    (kept,) = settings.parent.glob("srv-web.vbox.vboxlab-*")
    assert kept.read_bytes() == short
    assert len(said) == 2
    assert str(settings) in said[0]
    assert kept.name in said[0]


def test_what_is_not_ours_is_not_mended_wherever_it_lies(
    world: VirtualBoxWorld, driver: VirtualBoxDriver, spec: Specs
) -> None:
    made = driver.create(spec("srv-web"))
    (own,) = (world.folder / "vboxlab").rglob("srv-web.vbox")
    raid = own.parent / "raid.vdi"  # where VirtualBox's window puts a new disk of that machine
    world.manage("createmedium", "disk", "--filename", str(raid), "--size", "8")
    output = world.manage("createvm", "--name", "mine", "--groups", "/vboxlab/contract", "--register")
    handle = next(line.split()[1] for line in output.splitlines() if line.startswith("UUID:"))
    world.manage("modifyvm", handle, "--memory", "64")
    world.manage("modifyvm", handle, "--memory", "65")
    stop_service(world, driver)
    (settings,) = (world.folder / "vboxlab").rglob("mine.vbox")
    assert settings.with_name("mine.vbox-prev").is_file()
    for file in (settings, own):
        file.write_bytes(file.read_bytes()[:700])
    before = {path.name: path.read_bytes() for path in settings.parent.iterdir()}
    fresh = world.open_virtualbox()
    found = {machine.handle: machine for machine in fresh.machines()}
    assert found[handle].power is PowerState.INACCESSIBLE
    assert found[made.handle].power is PowerState.OFF
    assert {path.name: path.read_bytes() for path in settings.parent.iterdir()} == before
    assert str(raid) in world.manage("list", "hdds")
    assert raid.is_file()
