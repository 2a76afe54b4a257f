"""Who may work on a folder: one at a time, and never on what another has begun."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import pytest

from vboxlab.hypervisor.virtualbox.worker import layout
from vboxlab.hypervisor.virtualbox.worker.connection import Connection
from vboxlab.hypervisor.virtualbox.worker.locks import hold, is_held, remove_held
from vboxlab.hypervisor.virtualbox.worker.presence import CLIENT, Presence
from vboxlab.hypervisor.virtualbox.worker.protocol import Failure

CHILD = "Snapshots/{0f5a3b1e-7c53-4a0c-9d5e-0d8b8f8f3a11}.vdi"  # as VirtualBox names a clone's disk
RECORD = {"what": "create", "name": "srv-web", "lab": "ha", "copy": ""}


class QuietHost:
    """A VirtualBox without machines and disks, which lets something happen while it is looked through."""

    api_error = RuntimeError
    vbox = None

    def __init__(self, meanwhile: Callable[[], None] = lambda: None) -> None:
        self._meanwhile = meanwhile

    def array(self, _owner: object, _attribute: str) -> list[Any]:
        self._meanwhile()
        return []

    @contextmanager
    def errors(self, _doing: str) -> Iterator[None]:
        yield

    @classmethod
    def connection(cls, meanwhile: Callable[[], None] = lambda: None) -> Connection:
        return cast("Connection", cls(meanwhile))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return where a machine's folder may be."""
    return tmp_path / "srv-web.vm"


def leave_half_made(folder: Path) -> None:
    """Leave what a killed call leaves."""
    folder.mkdir()
    (folder / layout.PENDING).write_text(json.dumps(RECORD), encoding="utf-8")
    (folder / "Snapshots").mkdir()
    for name in ("srv-web.vbox", "console.log", CHILD):
        (folder / name).touch()


def test_a_held_file_is_held_by_one(tmp_path: Path) -> None:
    path = tmp_path / "file"
    first = hold(path)
    assert first is not None
    assert hold(path) is None
    assert is_held(path)
    remove_held(path, first)
    assert not path.exists()
    assert hold(path, make=False) is None
    assert not path.exists()


def test_a_file_that_was_removed_between_opening_and_locking_is_not_held(tmp_path: Path) -> None:
    path = tmp_path / "file"
    wins = []

    def compete() -> None:
        for _turn in range(200):
            stream = hold(path)
            if stream is None:
                continue
            wins.append(1)
            assert path.read_text(encoding="utf-8") == ""
            path.write_text("mine", encoding="utf-8")
            assert is_held(path)
            remove_held(path, stream)

    with ThreadPoolExecutor(4) as pool:
        for ended in [pool.submit(compete) for _ in range(4)]:
            ended.result()
    assert wins


def test_presence_is_held_however_many_look(tmp_path: Path) -> None:
    path, done = tmp_path / (CLIENT + "1"), threading.Event()

    def look() -> None:
        while not done.is_set():
            is_held(path)

    with ThreadPoolExecutor(2) as pool:
        for _ in range(2):
            pool.submit(look)
        try:
            for _turn in range(200):
                presence = Presence(tmp_path, CLIENT, "1")
                assert is_held(path)
                presence.leave()
        finally:
            done.set()


def test_nobody_begins_in_a_folder_that_is_being_cleared(folder: Path) -> None:
    refused = []

    def begin() -> None:
        with pytest.raises(Failure) as caught, layout.making(QuietHost.connection(), folder, RECORD):
            pass
        refused.append(caught.value.kind)

    leave_half_made(folder)
    with layout.making(QuietHost.connection(begin), folder, RECORD):
        assert [path.name for path in folder.iterdir()] == [layout.PENDING]
        (folder / "new.vdi").touch()
    assert set(refused) == {"busy"}
    assert [path.name for path in folder.iterdir()] == ["new.vdi"]


def test_nobody_begins_in_a_folder_that_is_being_removed(folder: Path) -> None:
    folder.mkdir()
    disk = folder / "disk.vdi"
    disk.touch()
    record = {**RECORD, "what": "delete", "disks": [str(disk), str(folder.parent / "elsewhere.vdi")]}
    (folder.parent / "elsewhere.vdi").touch()
    with layout.removing(QuietHost.connection(), folder, record):
        with pytest.raises(Failure, match="worked-on"), layout.making(QuietHost.connection(), folder, RECORD):
            pass
        assert disk.exists()
    assert not folder.exists()
    assert (folder.parent / "elsewhere.vdi").exists()


def test_a_failed_making_is_cleared_by_the_next(folder: Path) -> None:
    def fail() -> None:
        with layout.making(QuietHost.connection(), folder, RECORD):
            (folder / "Snapshots").mkdir()
            (folder / CHILD).touch()
            raise ValueError("oops")

    with pytest.raises(ValueError, match="oops"):
        fail()
    assert not is_held(folder / layout.PENDING)
    with layout.making(QuietHost.connection(), folder, RECORD):
        assert not (folder / CHILD).exists()


def test_a_disk_that_is_made_under_a_name_of_its_own_is_cleared_by_that_name(folder: Path) -> None:
    def fail() -> None:
        with layout.making(QuietHost.connection(), folder, RECORD) as note:
            note([folder / "tiny.vdi"])
            (folder / "tiny.vdi").touch()
            raise ValueError("oops")

    with pytest.raises(ValueError, match="oops"):
        fail()
    with layout.making(QuietHost.connection(), folder, RECORD):
        assert [path.name for path in folder.iterdir()] == [layout.PENDING]


@pytest.mark.parametrize("mark", [False, True])
def test_a_folder_with_another_machines_settings_is_refused(folder: Path, mark: bool) -> None:
    folder.mkdir()
    (folder / "work.vbox").write_text("do not lose", encoding="utf-8")
    if mark:  # a call that was killed between making the mark and writing into it
        (folder / layout.PENDING).touch()
    with pytest.raises(Failure) as caught, layout.making(QuietHost.connection(), folder, RECORD):
        pass
    assert caught.value.kind == "folder-exists"
    assert [path.name for path in folder.iterdir()] == ["work.vbox"]


@pytest.mark.parametrize("what", ["create", "image", "delete"])
def test_what_somebody_keeps_in_a_folder_stays_there_whatever_is_made_fails_or_is_cleared(
    folder: Path, what: str
) -> None:
    theirs = [folder / name for name in ("raid.vdi", "Snapshots/{11111111-7c53-4a0c-9d5e-0d8b8f8f3a11}.vdi", "a.txt")]
    (folder / "Snapshots").mkdir(parents=True)
    for path in theirs:
        path.write_text("do not lose", encoding="utf-8")

    def fail() -> None:
        with layout.making(QuietHost.connection(), folder, {**RECORD, "what": what}):
            (folder / CHILD).touch()
            raise ValueError("oops")

    with pytest.raises(ValueError, match="oops"):
        fail()
    with layout.making(QuietHost.connection(), folder, RECORD):
        pass
    left = sorted(path for path in folder.rglob("*") if path.is_file() and path != folder / CHILD)
    assert left == sorted(theirs)
    assert {path.read_text(encoding="utf-8") for path in left} == {"do not lose"}
    assert (folder / CHILD).exists() is (what == "delete")  # a record of a removal names its disks
