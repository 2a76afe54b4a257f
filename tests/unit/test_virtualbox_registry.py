"""VirtualBox's list of machines: found on each system, and put back where a killed service left none."""

from __future__ import annotations

from pathlib import Path

import pytest

from vboxlab.hypervisor.virtualbox.worker.registry import home, machines_in, restore

OLD, NEW = (
    '<VirtualBox xmlns="http://www.virtualbox.org/"><Global><MachineRegistry>'
    + "".join(f'<MachineEntry uuid="{{{number}}}" src="é/{number}.vbox"/>' for number in range(machines))
    + "</MachineRegistry></Global></VirtualBox>"
    for machines in (2, 3)
)


def put(folder: Path, **files: str) -> None:
    for name, text in files.items():
        (folder / f"VirtualBox.xml{name.replace('_', '-')}").write_text(text, encoding="utf-8")


def test_the_folder_of_the_settings_is_the_one_that_the_manual_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    assert home({"VBOX_USER_HOME": "/elsewhere"}, "linux") == Path("/elsewhere")
    assert home({}, "linux") == tmp_path / ".config" / "VirtualBox"
    assert home({"XDG_CONFIG_HOME": "/xdg"}, "linux") == Path("/xdg/VirtualBox")
    assert home({}, "win32") == tmp_path / ".VirtualBox"
    assert home({}, "darwin") == tmp_path / "Library" / "VirtualBox"
    (tmp_path / ".VirtualBox").mkdir()
    assert home({}, "linux") == tmp_path / ".VirtualBox"


@pytest.mark.parametrize(
    ("left", "machines"),
    [({"_prev": OLD, "_tmp": NEW}, 3), ({"_prev": OLD}, 2), ({"_prev": OLD, "_tmp": NEW[:80]}, 2)],
)
def test_a_lost_list_is_put_back_from_the_newest_that_is_whole(
    tmp_path: Path, left: dict[str, str], machines: int
) -> None:
    put(tmp_path, **left)
    before = sorted(tmp_path.iterdir())
    assert restore(tmp_path) == tmp_path / "VirtualBox.xml"
    assert machines_in(tmp_path / "VirtualBox.xml") == machines
    assert sorted(tmp_path.iterdir()) == [tmp_path / "VirtualBox.xml", *before]


@pytest.mark.parametrize("present", [{"": OLD, "_prev": NEW}, {"": "cut sho", "_prev": NEW}, {"_prev": "cut sho"}, {}])
def test_a_list_that_is_there_stays_and_none_is_made_up(tmp_path: Path, present: dict[str, str]) -> None:
    put(tmp_path, **present)
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    assert restore(tmp_path) is None
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before
    assert restore(tmp_path / "nowhere") is None
