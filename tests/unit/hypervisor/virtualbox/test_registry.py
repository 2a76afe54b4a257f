"""VirtualBox's list of machines: found on each system, missed where a killed service left none, put back when asked."""

from __future__ import annotations

import os
import tempfile
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vboxlab.hypervisor.virtualbox.repairs import put_back
from vboxlab.hypervisor.virtualbox.sentences.telling import say
from vboxlab.hypervisor.virtualbox.worker.protocol import Failure
from vboxlab.hypervisor.virtualbox.worker.registry import Loss, check, find_loss, home, machines_in

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
    ("left", "copy", "machines"),
    [
        ({"_prev": OLD, "_tmp": NEW}, "-tmp", 3),
        ({"_prev": OLD}, "-prev", 2),
        ({"_prev": OLD, "_tmp": NEW[:80]}, "-prev", 2),
        ({"": NEW[:80], "_prev": OLD}, "-prev", 2),
        ({"": "", "_prev": OLD}, "-prev", 2),
        ({"": "<html/>", "_prev": OLD}, "-prev", 2),
    ],
)
def test_a_lost_list_is_told_and_put_back_only_when_asked(
    tmp_path: Path, left: dict[str, str], copy: str, machines: int
) -> None:
    put(tmp_path, **left)
    os.utime(tmp_path / f"VirtualBox.xml{copy}", (1795867200, 1795867200))
    target = tmp_path / "VirtualBox.xml"
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    loss = find_loss(tmp_path)
    assert loss == Loss(target, "" not in left, tmp_path / f"VirtualBox.xml{copy}", 1795867200.0, machines)
    state = "is damaged or cut short" if "" in left else "is missing"
    when = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(1795867200))
    told = [f"{target} {state}", f"beside it lies VirtualBox.xml{copy}, whole, of {when}, with {machines} machines"]
    assert [say(each) for each in loss.describe()] == told
    with pytest.raises(Failure) as caught:
        check(tmp_path)
    assert (caught.value.kind, caught.value.details) == ("registry", loss.describe())
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before
    kept = put_back(loss)
    assert machines_in(target) == machines
    after = {path: path.read_bytes() for path in tmp_path.iterdir()}
    assert {path: text for path, text in after.items() if path in before and path != target} == {
        path: text for path, text in before.items() if path != target
    }
    if "" in left:
        assert kept is not None
        assert kept.name.startswith("VirtualBox.xml.vboxlab-")
        assert after[kept] == before[target]
    assert set(after) - set(before) == {kept or target}
    assert find_loss(tmp_path) is None


@pytest.mark.parametrize("damaged", [{"": "cut sho"}, {"": "cut sho", "_prev": "cut sho"}])
def test_without_a_whole_copy_it_is_told_and_nothing_is_put_there(tmp_path: Path, damaged: dict[str, str]) -> None:
    put(tmp_path, **damaged)
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    with pytest.raises(Failure) as caught:
        check(tmp_path)
    assert caught.value.kind == "registry-gone"
    loss = find_loss(tmp_path)
    assert loss is not None
    with pytest.raises(FileNotFoundError):
        put_back(loss)
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before


@pytest.mark.parametrize("present", [{"": OLD, "_prev": NEW}, {"_prev": "cut sho"}, {}])
def test_a_list_that_is_there_stays_and_none_is_made_up(tmp_path: Path, present: dict[str, str]) -> None:
    put(tmp_path, **present)
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    check(tmp_path)
    check(tmp_path / "nowhere")
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_a_list_that_came_back_meanwhile_is_not_written_over(tmp_path: Path) -> None:
    put(tmp_path, _prev=OLD)
    loss = find_loss(tmp_path)
    assert loss is not None
    put(tmp_path, **{"": NEW})
    with pytest.raises(FileExistsError):
        put_back(loss)
    assert machines_in(tmp_path / "VirtualBox.xml") == 3
    assert len(list(tmp_path.iterdir())) == 2


@given(st.binary(max_size=300))
def test_whatever_lies_there_is_a_list_or_none(content: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "VirtualBox.xml"
        path.write_bytes(content)
        assert machines_in(path) is None
