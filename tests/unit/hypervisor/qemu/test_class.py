"""A whole class on real QEMU disks: made, snapshotted, reset and destroyed, none booted."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from tests.unit.base_on_disk import put_base, put_layers
from tests.unit.lab_world import ROOT
from vboxlab.cli.main import run
from vboxlab.events import discard
from vboxlab.hypervisor.qemu.driver import QemuDriver
from vboxlab.lab.directory import LabDirectory
from vboxlab.planning.observed import MachineSpec
from vboxlab.topology.addressing import LabName
from vboxlab.topology.loader import load_topology

pytestmark = pytest.mark.qemu


@pytest.fixture
def driver(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> QemuDriver:
    monkeypatch.setenv("VBOXLAB_HOME", str(tmp_path))
    monkeypatch.setenv("VBOXLAB_SETTINGS", str(tmp_path / "none.yaml"))
    monkeypatch.setenv("VBOXLAB_DRIVER", "qemu")
    monkeypatch.setenv("VBOXLAB_JOBS", "4")
    monkeypatch.chdir(ROOT)
    members: dict[str, tuple[str, ...]] = {"apache-base": ("srv-web", "srv-web-bis")}
    put_layers(put_base(tmp_path), load_topology(ROOT / "topologies" / "failover.yaml"), members)
    for disk in tmp_path.rglob("disk.qcow2"):
        disk.unlink()
        subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", disk, "64M"], check=True)
        for name in ("vmlinuz", "initrd.img", "cmdline"):
            (disk.parent / name).touch()
    return QemuDriver(tmp_path)


def test_thirty_copies_of_which_one_is_in_use(
    driver: QemuDriver, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    copies = ["--copies", "1-30"]
    driver.import_image("teacher", next(tmp_path.rglob("disk.qcow2")))
    foreign = driver.create(MachineSpec("teacher", "teacher", 1, 64, (), {}))
    assert run(["up", "failover", *copies, "--until", "created"]) == 0
    assert run(["up", "failover", *copies, "--until", "created"]) == 0
    assert run(["snapshot", "take", "fresh", *copies]) == 0
    machines = {machine.name: machine for machine in driver.machines()}
    assert len(machines) == 151
    with LabDirectory(tmp_path, LabName("ha", "13")).locked(discard, patience=0):
        capsys.readouterr()
        assert run(["reset", *copies, "--to", "fresh", "--yes", "--wait", "0"]) == 8
        out = capsys.readouterr().out
    assert out.splitlines()[-1] == "29 of 30 copies done, 1 not"
    assert "lab ha/13 is in use by `vboxlab" in out
    assert run(["status", "--all", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert {(row["machines"], row["running"], tuple(row["drift"])) for row in rows} == {(5, 0, ())}
    assert run(["destroy", "failover", "--copies", "2", "--yes"]) == 0
    left = {machine.name: machine for machine in driver.machines()}
    assert left == {name: machine for name, machine in machines.items() if machine.lab != LabName("ha", "2")}
    assert run(["destroy", "failover", "--all", "--yes"]) == 0
    assert driver.machines() == [foreign]
