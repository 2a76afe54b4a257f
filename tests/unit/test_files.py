"""Files that survive whole and stay private."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from vboxlab.events import discard
from vboxlab.files import (
    DRAFT,
    bytes_on_disk,
    create_durably,
    flush,
    make_private_folder,
    remove_durably,
    replacing,
    write_durably,
)
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


def test_a_block_that_raises_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "VirtualBox.xml"
    path.write_text("old")
    with pytest.raises(FileExistsError):
        _write_and_raise(path)
    assert [(each, each.read_text()) for each in tmp_path.iterdir()] == [(path, "old")]


def _write_and_raise(path: Path) -> None:
    with replacing(path) as stream:
        stream.write(b"new")
        flush(stream)
        raise FileExistsError


class Trace:
    """What the system calls of this process were, by strace: each with the path that its descriptor belongs to."""

    def __init__(self, file: Path, code: str) -> None:
        calls = "trace=fsync,fdatasync,rename,renameat,renameat2,write"
        argv = ["strace", "-f", "-y", "-e", calls, "-o", str(file), sys.executable, "-c", code]
        done = subprocess.run(argv, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        self.lines = [line.split(maxsplit=1)[1] for line in file.read_text().splitlines()]

    def first(self, *words: str) -> int:
        return next(number for number, line in enumerate(self.lines) if all(word in line for word in words))

    def last(self, *words: str) -> int:
        return max(number for number, line in enumerate(self.lines) if all(word in line for word in words))


@pytest.mark.skipif(shutil.which("strace") is None, reason="no strace here")
def test_what_is_written_is_flushed_before_it_has_its_name_and_the_name_after(tmp_path: Path) -> None:
    path = tmp_path / "journal.json"
    code = f"from pathlib import Path; from vboxlab.files import write_durably; write_durably(Path({str(path)!r}), 'x')"
    trace = Trace(tmp_path / "trace", code)
    renamed = trace.first("rename", str(path))
    assert trace.last("write(", ".journal.json.") < trace.first("fsync(", ".journal.json.") < renamed
    assert trace.last("fsync(", f"<{tmp_path}>") > renamed


@pytest.mark.skipif(shutil.which("strace") is None, reason="no strace here")
def test_a_folder_is_flushed_with_all_that_is_in_it_before_it_has_its_name(tmp_path: Path) -> None:
    draft, final = tmp_path / ".new", tmp_path / "base"
    (draft / "layer").mkdir(parents=True)
    files = [draft / "disk.qcow2", draft / "layer" / "record.json"]
    for file in files:
        file.write_text("content")
    (draft / "link").symlink_to("nowhere")
    call = f"publish(Path({str(draft)!r}), Path({str(final)!r}))"
    code = f"from pathlib import Path; from vboxlab.files import publish; {call}"
    trace = Trace(tmp_path / "trace", code)
    renamed = trace.first("rename", str(final))
    for each in (*files, draft, draft / "layer"):
        assert trace.first("fsync(", f"<{each}>") < renamed
    assert trace.last("fsync(", f"<{tmp_path}>") > renamed
    assert (final / "layer" / "record.json").read_text() == "content"
    assert not draft.exists()


def test_how_much_room_a_file_takes(tmp_path: Path) -> None:
    sparse = tmp_path / "disk.img"
    with sparse.open("wb") as stream:
        stream.truncate(64 << 20)
        stream.write(b"x" * 4096)
    assert bytes_on_disk(sparse) < 1 << 20


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


def test_of_many_who_make_a_file_one_does_and_all_read_the_same(tmp_path: Path) -> None:
    path = tmp_path / "heartbeat"

    def make(number: int) -> tuple[bool, str]:
        made = create_durably(path, f"secret {number}")
        return made, path.read_text()

    with ThreadPoolExecutor(max_workers=16) as pool:
        results = list(pool.map(make, range(64)))
    assert [made for made, _ in results].count(True) == 1
    assert {text for _, text in results} == {path.read_text()}
    assert [each.name for each in tmp_path.iterdir()] == ["heartbeat"]
    assert mode_of(path) == 0o600


def test_a_file_is_made_where_there_are_no_hard_links(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(errno.EPERM, os.strerror(errno.EPERM))

    monkeypatch.setattr(os, "link", refuse)
    path = tmp_path / "heartbeat"
    assert (create_durably(path, "one"), path.read_text()) == (True, "one")
    assert (create_durably(path, "two"), path.read_text()) == (False, "one")
    assert [each.name for each in tmp_path.iterdir()] == ["heartbeat"]
