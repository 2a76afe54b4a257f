"""`gc` as an operation: what is found is shown before it is asked for, and stays when the answer is no."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.operations.doors import RecordingDoor
from vboxlab.errors import UsageError
from vboxlab.operations.gc import GcRequest, Removed, Unowned, gc


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the folder of a lab that has no machines."""
    monkeypatch.setenv("VBOXLAB_HOME", str(tmp_path))
    monkeypatch.setenv("VBOXLAB_SETTINGS", str(tmp_path / "none.yaml"))
    monkeypatch.setenv("VBOXLAB_DRIVER", "memory")
    folder = tmp_path / "labs" / "gone--ann"
    folder.mkdir(parents=True)
    (folder / "secrets").write_text("x", encoding="utf-8")
    return folder


def test_nothing_goes_when_the_answer_is_no(folder: Path) -> None:
    shown: list[Unowned] = []
    door = RecordingDoor(declines=True)
    with pytest.raises(UsageError, match="declined"):
        gc(GcRequest(), door, shown.append)
    assert door.asked == ["remove all this?"]
    assert [found.path for found in shown[0].folders] == [folder]
    assert (folder / "secrets").exists()


def test_a_folder_without_machines_goes(folder: Path) -> None:
    assert gc(GcRequest(), RecordingDoor(), lambda _found: None) == Removed(1, 0, (), 0)
    assert not folder.exists()
