"""One base for all tests with guests, and one lab that is brought up once a run.

A test that needs the practical's lab asks for the fixture `fresh_lab` and may do with the lab whatever it likes: the
next one gets it back as `up failover` left it, from snapshots that hold the machines' memory, without a boot. A lab of
its own is only for a test of boot, first contact or clocks; that is marked `apart` and runs before the shared lab's
tests, in another process with another home (see the Makefile).

VBOXLAB_TEST_HOME keeps the base with its package layers from one run to the next, and is shared by runs at the same
time. Labs are always in a home of their own, which ends with the run.
"""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from tests.guests.booted import BootedLab
from tests.guests.command import CommandLine, processes_of
from vboxlab.base.store import BaseStore
from vboxlab.settings import Settings, load_settings

NEEDED = ("mmdebstrap", "qemu-system-x86_64", "qemu-img", "mke2fs")
# Folders of a home that hold the base and what is made from it; the locks of those who build are in them.
KEPT = ("bases", "cache", "keys", "layers")
# The story of the lab: how it comes up, what other tests do with it (by the order of their files), how it ends.
FIRST, LAST = "test_up.py", "test_lab.py"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    items.sort(key=lambda item: (item.path == here / LAST) - (item.path == here / FIRST))


@pytest.fixture(scope="session")
def home() -> Iterator[Path]:
    missing = [name for name in NEEDED if shutil.which(name, path=f"{os.environ['PATH']}:/usr/sbin:/sbin") is None]
    if missing:
        pytest.skip(f"{', '.join(missing)} needed")
    # Sockets have short paths, and pytest's own folders long ones.
    path = Path(tempfile.mkdtemp(prefix="vboxlab-"))
    if kept := os.environ.get("VBOXLAB_TEST_HOME"):
        for name in KEPT:
            (Path(kept) / name).mkdir(parents=True, exist_ok=True)
            (path / name).symlink_to(Path(kept).resolve() / name)
    yield path
    for pid in processes_of(path):  # of a test that failed
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    shutil.rmtree(path, ignore_errors=True)


@pytest.fixture(scope="session")
def store(home: Path) -> BaseStore:
    made = BaseStore(Settings(home=home, mirror=load_settings().mirror))
    made.build()
    return made


@pytest.fixture(scope="session")
def vboxlab(home: Path, store: BaseStore) -> Iterator[CommandLine]:
    line = CommandLine(home)
    yield line
    line.end()


@pytest.fixture(scope="session")
def booted_lab(vboxlab: CommandLine) -> BootedLab:
    return BootedLab(vboxlab)


@pytest.fixture
def fresh_lab(booted_lab: BootedLab) -> CommandLine:
    """Return the command line, with lab `ha` as `up failover` leaves it: all five machines run and are configured."""
    return booted_lab.fresh()
