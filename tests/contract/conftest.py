"""The worlds of the contract suite. A driver joins by adding its World here."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.contract.worlds import MemoryWorld, QemuWorld, Specs, World
from tests.virtualbox.world import VirtualBoxWorld
from vboxlab.hypervisor.driver import Driver
from vboxlab.hypervisor.virtualbox import readiness

needs_qemu = pytest.mark.skipif(shutil.which("qemu-system-x86_64") is None, reason="qemu-system-x86_64 not installed")
needs_virtualbox = pytest.mark.skipif(bool(readiness.installed()), reason="VirtualBox not installed")

WORLDS = [
    pytest.param(MemoryWorld, id="memory"),
    pytest.param(QemuWorld, id="qemu", marks=[pytest.mark.qemu, needs_qemu]),
    pytest.param(VirtualBoxWorld, id="virtualbox", marks=[pytest.mark.virtualbox, needs_virtualbox]),
]


@pytest.fixture(params=WORLDS)
def world(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[World]:
    """Return a fresh host with the image."""
    kind: type[World] = request.param
    made = kind(tmp_path)
    made.prepare()
    yield made
    made.close()


@pytest.fixture
def driver(world: World) -> Driver:
    """Return a driver of the world."""
    return world.open()


@pytest.fixture
def spec() -> Specs:
    """Return a maker of machine specifications."""
    return Specs()
