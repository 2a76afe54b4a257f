"""Workers that are launched before they are wanted: taken by who wants such a one, and else ended without a trace."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.hypervisor.virtualbox.stand_in_worker import GREETING, begins, line, put_worker
from vboxlab.errors import EXIT_INVALID, EXIT_USAGE, DriverUnavailable
from vboxlab.hypervisor.virtualbox.client import Client
from vboxlab.hypervisor.virtualbox.launch import begun
from vboxlab.hypervisor.virtualbox.worker.calls import ListMachines
from vboxlab.hypervisor.virtualbox.worker.protocol import CONNECTING, Reply

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="starts a script as an interpreter")
# Keeps a journal of its lives: begun, let go on, called, ended. One that is told to hang never reads.
WORKER = f"""#!{sys.executable}
import json, os, pathlib, sys, time
folder = pathlib.Path(__file__).parent

def journal(word):
    with (folder / "journal").open("a") as stream:
        stream.write(f"{{os.getpid()}} {{word}}\\n")

journal("begun ahead" if "--ahead" in sys.argv else "begun")
print({begins(CONNECTING)!r}, flush=True)
if (folder / "hang").exists():
    time.sleep(60)
if "--ahead" in sys.argv:
    if not sys.stdin.readline():
        journal("unwanted")
        sys.exit()
    journal("wanted")
print({GREETING!r}, flush=True)
for request in sys.stdin:
    asked = json.loads(request)
    journal(asked["call"])
    print(json.dumps({{**json.loads({line(Reply(1, "machines", ()))!r}), "id": asked["id"]}}), flush=True)
journal("ended")
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Return a folder with what stands for an installation of VirtualBox and for a worker."""
    worker = put_worker(tmp_path, WORKER)
    monkeypatch.setenv("VBOX_PROGRAM_PATH", str(tmp_path))
    monkeypatch.setenv("VBOXLAB_VBOX_PYTHON", str(worker))
    monkeypatch.setenv("VBOXLAB_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("VBOXLAB_SETTINGS", os.devnull)
    yield tmp_path
    for pid in {word.split()[0] for word in lines(tmp_path)}:
        assert not _runs(int(pid))
    assert list((tmp_path / "home" / "virtualbox" / "presence").glob("*")) == []


def lines(folder: Path) -> list[str]:
    """Return the journal's lines."""
    journal = folder / "journal"
    return journal.read_text().splitlines() if journal.exists() else []


def words(folder: Path) -> list[str]:
    """Return what the workers wrote down, without who did."""
    return [each.partition(" ")[2] for each in lines(folder)]


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def client(folder: Path, patience: float = 20.0) -> Client:
    """Return a client as the driver makes it."""
    return Client(folder / "home", preferred=str(folder / "worker.py"), patience=patience, lingers=0.0)


def vboxlab(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the command."""
    return subprocess.run([sys.executable, "-m", "vboxlab", *arguments], capture_output=True, text=True, check=False)


def _begun(folder: Path) -> None:
    deadline = time.monotonic() + 20
    while not lines(folder) and time.monotonic() < deadline:
        time.sleep(0.01)


def test_the_first_call_takes_it(folder: Path) -> None:
    with begun(folder / "home", preferred=str(folder / "worker.py"), patience=20.0):
        _begun(folder)
        assert words(folder) == ["begun ahead"]
        ours = client(folder)
        assert ours.call(ListMachines()) == ()
        ours.close()
    assert words(folder) == ["begun ahead", "wanted", "machines", "ended"]


def test_one_that_nobody_wants_ends_before_it_changes_anything(folder: Path) -> None:
    with begun(folder / "home", preferred=str(folder / "worker.py"), patience=20.0):
        _begun(folder)
    assert words(folder) == ["begun ahead", "unwanted"]


def test_one_that_hangs_is_ended_by_force(folder: Path) -> None:
    (folder / "hang").touch()
    with begun(folder / "home", preferred=str(folder / "worker.py"), patience=20.0):
        _begun(folder)
    assert words(folder) == ["begun ahead"]


def test_another_is_launched_for_who_wants_another(folder: Path) -> None:
    with begun(folder / "home", preferred=str(folder / "worker.py"), patience=20.0):
        _begun(folder)
        ours = client(folder, patience=1.0)
        assert ours.call(ListMachines()) == ()
        ours.close()
    assert words(folder) == ["begun ahead", "unwanted", "begun", "machines", "ended"]


def test_one_that_ended_meanwhile_is_told_of_as_ever(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(folder))  # few interpreters to try
    with begun(folder / "home", preferred=str(folder / "worker.py"), patience=20.0):
        _begun(folder)
        os.kill(int(lines(folder)[0].split()[0]), 9)
        with pytest.raises(DriverUnavailable, match="ended while loading it"):
            client(folder).call(ListMachines())


def test_nothing_is_told_where_none_can_be_launched(folder: Path) -> None:
    (folder / "VBoxSVC").unlink()
    with begun(folder / "home", preferred=str(folder / "worker.py"), patience=20.0):
        pass
    (folder / "VBoxSVC").touch()
    with begun(folder / "home", preferred=str(folder / "nowhere"), patience=20.0):
        pass
    assert words(folder) == []


def test_a_verb_begins_it_once_and_calls_it(folder: Path) -> None:
    done = vboxlab("status", "--all", "--driver", "virtualbox")
    assert (done.returncode, done.stderr) == (0, "")
    assert words(folder) == ["begun ahead", "wanted", "machines", "ended"]


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("--help",), 0),
        (("status", "--help"), 0),
        (("status", "--driver", "nonsense"), EXIT_USAGE),
        (("status", "--driver", "virtualbox", "--copy", "a", "--all"), EXIT_USAGE),
        (("list",), 0),
        (("status", "--driver", "qemu", "--all"), None),
    ],
)
def test_a_command_without_need_of_it_begins_none(folder: Path, arguments: tuple[str, ...], code: int | None) -> None:
    done = vboxlab(*arguments)
    assert code in (None, done.returncode)
    assert words(folder) == []


def test_a_verb_that_fails_before_its_first_call_leaves_none(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VBOXLAB_JOBS", "none")  # what the verb judges first
    done = vboxlab("up", "loadbalancing", "--driver", "virtualbox")
    assert done.returncode == EXIT_INVALID
    assert "settings are not valid" in done.stderr
    assert words(folder) in ([], ["begun ahead"], ["begun ahead", "unwanted"])  # it may be ended before a word
