"""A lab made by an old vboxlab on VirtualBox is understood by this one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fixtures.first_lab import unpack
from tests.understanding import Understanding
from tests.virtualbox.world import VirtualBoxWorld
from vboxlab.hypervisor.driver import Driver
from vboxlab.hypervisor.virtualbox.driver import VirtualBoxDriver


@pytest.fixture
def old_world(tmp_path: Path) -> Iterator[VirtualBoxWorld]:
    """Return a VirtualBox in which only the old labs and their images are."""
    made = VirtualBoxWorld(tmp_path / "été à l'école")
    made.enter()
    unpack("virtualbox", made.home)
    yield made
    made.close()


def test_a_lab_of_the_first_version_is_understood(
    old_world: VirtualBoxWorld, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def open_driver() -> Driver:
        old_world.opened.append(VirtualBoxDriver(old_world.home / "vboxlab"))
        return old_world.opened[-1]

    Understanding(old_world.home / "vboxlab", "virtualbox", open_driver, monkeypatch, capsys).check()
    assert list((old_world.folder / "vboxlab").glob("ha/**/*.vdi")) == []
