"""A lab made by an old vboxlab on QEMU is understood by this one."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.fixtures.first_lab import unpack
from tests.understanding import Understanding
from vboxlab.hypervisor.qemu.driver import QemuDriver

pytestmark = pytest.mark.qemu


def test_a_lab_of_the_first_version_is_understood(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    home = unpack("qemu", tmp_path / "été à l'école")
    Understanding(home, "qemu", lambda: QemuDriver(home), monkeypatch, capsys).check()
    assert list((home / "qemu" / "machines").iterdir()) == []
