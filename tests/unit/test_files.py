"""Files that survive whole and stay private."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from vboxlab.errors import StorageTrouble
from vboxlab.events import discard
from vboxlab.files import DRAFT, make_private_folder, remove_durably, write_durably
from vboxlab.lab.directory import LabDirectory
from vboxlab.topology.addressing import LabName


@pytest.fixture
def no_umask() -> Iterator[None]:
    before = os.umask(0)
    yield
    os.umask(before)


def mode_of(path: Path) -> int:
    return path.stat().st_mode & 0o777


def test_a_file_is_replaced_and_readable_by_its_owner_only(tmp_path: Path, no_umask: None) -> None:
    path = tmp_path / "journal.json"
    path.write_text("old")
    write_durably(path, "neu: é\n")
    assert path.read_bytes() == "neu: é\n".encode()
    assert mode_of(path) == 0o600
    write_durably(path, b"\0\1", mode=0o644)
    assert path.read_bytes() == b"\0\1"
    assert mode_of(path) == 0o644
    assert list(tmp_path.iterdir()) == [path]


def test_a_write_that_fails_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "journal.json"
    path.mkdir()
    with pytest.raises(OSError):  # which one differs between systems
        write_durably(path, "new")
    assert list(tmp_path.iterdir()) == [path]


def test_removing_what_is_not_there_is_fine(tmp_path: Path) -> None:
    write_durably(tmp_path / "a", "")
    remove_durably(tmp_path / "a")
    remove_durably(tmp_path / "a")
    assert list(tmp_path.iterdir()) == []


def test_a_private_folder_is_closed_from_its_creation(tmp_path: Path, no_umask: None) -> None:
    folder = tmp_path / "home" / "labs" / "ha"
    make_private_folder(folder)
    assert [mode_of(each) for each in (folder, folder.parent, folder.parent.parent)] == [0o700] * 3
    folder.chmod(0o755)
    make_private_folder(folder)
    assert mode_of(folder) == 0o700


def test_what_a_killed_writer_left_is_removed_by_the_next_one_who_locks_the_lab(tmp_path: Path) -> None:
    directory = LabDirectory(tmp_path, LabName("ha"))
    directory.ensure()
    (directory.path / f".restore.json.abcd1234{DRAFT}").write_text('{"snap')
    directory.journal.write_text("{}")
    with directory.locked(discard, patience=0):
        assert sorted(path.name for path in directory.path.iterdir()) == ["holder.json", "lock", "restore.json"]


def test_a_disk_that_is_full_is_no_bug() -> None:
    full = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "/home/labs/ha/lock")
    trouble = StorageTrouble.of(full)
    assert trouble is not None
    assert trouble.brief == "/home/labs/ha/lock: No space left on device"
    assert trouble.exit_code == 4
    assert StorageTrouble.of(OSError(errno.EROFS, "read-only")) is not None
    assert StorageTrouble.of(FileNotFoundError(errno.ENOENT, "no such file")) is None
    assert StorageTrouble.of(ValueError("a bug")) is None
