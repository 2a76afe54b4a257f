"""`import vm`: what VirtualBox knows of a VM of somebody's becomes a topology, and the VM stays as it is."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.virtualbox.conftest import environment
from tests.virtualbox.test_foreign import add_teachers_vm, fingerprints
from tests.virtualbox.world import VirtualBoxWorld
from vboxlab.errors import MachineNotFound
from vboxlab.hypervisor.virtualbox.driver import VirtualBoxDriver
from vboxlab.topology.loader import load_topology

NAME = "Pare-feu n°1"


@pytest.fixture
def teachers(world: VirtualBoxWorld) -> str:
    """Return a VM on each kind of network, with two disks and a snapshot."""
    handle = add_teachers_vm(world, NAME)
    world.manage("natnetwork", "add", "--netname", "school", "--network", "10.9.8.0/24")
    world.add_disk(handle, "Normal")
    world.manage(
        "modifyvm", handle, "--cpus", "2", "--memory", "300", "--nic3", "natnetwork", "--nat-network3", "school",
        "--nic4", "bridged", "--bridgeadapter4", "none0", "--nic5", "generic", "--nicgenericdrv5", "UDPTunnel",
        "--cableconnected3", "off",
    )  # fmt: skip
    world.manage("snapshot", handle, "take", "start of term")
    return handle


def test_a_vm_is_described_with_its_disks_and_subnets(teachers: str, driver: VirtualBoxDriver) -> None:
    found = driver.describe(teachers)
    assert (found.machine.name, found.machine.cpus, found.machine.memory) == (NAME, 2, 300)
    assert [(each.slot, str(each.attachment)) for each in found.machine.adapters] == [
        (1, "nat"), (2, "internal sw-dmz"), (3, "nat-network school"), (4, "bridged none0"), (5, "Generic"),
    ]  # fmt: skip
    assert found.subnets == {3: "10.9.8.0/24"}
    assert [disk.size for disk in found.disks] == [8 << 20, 8 << 20]
    assert Path(found.disks[0].path).name == "disk.vdi"  # not the differencing one that the snapshot has made


def test_one_that_is_gone_is_not_described(driver: VirtualBoxDriver) -> None:
    with pytest.raises(MachineNotFound):
        driver.describe("6b2ee7a4-0000-0000-0000-000000000000")


@pytest.mark.parametrize("words", [(), ("--clone",)])
def test_a_topology_is_written_of_it_and_nothing_of_it_changes(
    world: VirtualBoxWorld,
    teachers: str,
    driver: VirtualBoxDriver,
    empty_home: Path,
    tmp_path: Path,
    words: tuple[str, ...],
) -> None:
    driver.close()
    before = fingerprints(world.folder / NAME)
    project = tmp_path / "project"
    project.mkdir()

    def vboxlab(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "vboxlab", *arguments],
            cwd=project, env=environment(empty_home), capture_output=True, text=True, encoding="utf-8", check=False,
        )  # fmt: skip

    done = vboxlab("import", "vm", NAME, "--as", "mine", *words)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "machine Pare-feu-n-1" in done.stderr
    machine = load_topology(project / "topologies" / "mine.yaml").machines["Pare-feu-n-1"]
    assert (machine.cpus, machine.memory) == (2, 300)
    assert machine.configured is not bool(words)
    for command in (line.strip() for line in done.stdout.splitlines() if line.strip().startswith("vboxlab base add")):
        added = vboxlab("base", "add", "pare-feu-n-1", "--vm", NAME, "--no-login")
        assert (command, added.returncode) == (f"vboxlab base add pare-feu-n-1 --vm '{NAME}' --no-login", 0)
    assert fingerprints(world.folder / NAME) == before
    checked = vboxlab("validate", "mine")
    assert checked.returncode == 0, checked.stdout
    wrong = vboxlab("import", "vm", "Pare-feu")
    assert (wrong.returncode, f"did you mean `{NAME}`?" in wrong.stderr) == (4, True)
