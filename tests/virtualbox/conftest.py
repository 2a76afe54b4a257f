"""Fixtures of the tests that only VirtualBox can pass: each has a VirtualBox of its own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.contract.worlds import Specs
from tests.virtualbox.world import VirtualBoxWorld
from vboxlab.hypervisor.virtualbox import readiness
from vboxlab.hypervisor.virtualbox.driver import VirtualBoxDriver

HERE = Path(__file__).parent


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
