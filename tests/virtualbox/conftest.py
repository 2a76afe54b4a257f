"""Fixtures of the tests that only VirtualBox can pass: each has a VirtualBox of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.contract.worlds import Specs
from tests.unit.base_on_disk import put_base, put_layers
from tests.unit.lab_world import ROOT
from tests.virtualbox.world import VirtualBoxWorld
from vboxlab.hypervisor.virtualbox import readiness
from vboxlab.hypervisor.virtualbox.driver import VirtualBoxDriver
from vboxlab.topology.loader import load_topology

HERE = Path(__file__).parent
Vboxlab = Callable[..., "subprocess.CompletedProcess[str]"]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark every test of this folder, and skip it where there is no VirtualBox."""
    absent = pytest.mark.skipif(bool(readiness.installed()), reason="VirtualBox not installed")
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.virtualbox)
            item.add_marker(absent)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[VirtualBoxWorld]:
    """Return a fresh VirtualBox with the contract suite's image; its folders have spaces and accents."""
    made = VirtualBoxWorld(tmp_path / "été à l'école")
    made.prepare()
    yield made
    made.close()


@pytest.fixture
def driver(world: VirtualBoxWorld) -> VirtualBoxDriver:
    """Return a driver of the world."""
    return world.open_virtualbox()


@pytest.fixture
def spec() -> Specs:
    """Return a maker of machine specifications."""
    return Specs()


@pytest.fixture
def empty_home(world: VirtualBoxWorld) -> Path:
    """Return a home with nothing in it."""
    return world.home / "vboxlab"


@pytest.fixture
def home(empty_home: Path) -> Path:
    """Return a home with a base and its layers, whose disks are empty."""
    members: dict[str, tuple[str, ...]] = {"apache-base": ("srv-web", "srv-web-bis")}
    put_layers(put_base(empty_home), load_topology(ROOT / "topologies" / "failover.yaml"), members)
    for disk in empty_home.rglob("disk.qcow2"):
        disk.unlink()
        subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", disk, "64M"], check=True)
    return empty_home


def environment(home: Path, locale: str = "C.UTF-8") -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("LC_", "LANG"))}
    own = {"VBOXLAB_HOME": str(home), "VBOXLAB_SETTINGS": str(home / "none.yaml"), "VBOXLAB_DRIVER": "virtualbox"}
    return {**kept, **own, "LANG": locale}


@pytest.fixture
def vboxlab(empty_home: Path) -> Vboxlab:
    """Return a runner of the command, that checks its exit code."""

    def run(*arguments: str, code: int = 0, locale: str = "C.UTF-8") -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [sys.executable, "-m", "vboxlab", *arguments],
            cwd=ROOT, env=environment(empty_home, locale), capture_output=True, text=True, encoding="utf-8",
            check=False,
        )  # fmt: skip
        assert done.returncode == code, done.stdout + done.stderr
        return done

    return run
