"""One base for all tests with guests. VBOXLAB_TEST_HOME keeps it, with its package layers, from one run to the next."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.guests.command import CommandLine
from vboxlab.base.store import BaseStore
from vboxlab.settings import Settings, load_settings

NEEDED = ("mmdebstrap", "qemu-system-x86_64", "qemu-img", "mke2fs")


@pytest.fixture(scope="session")
def home() -> Iterator[Path]:
    missing = [name for name in NEEDED if shutil.which(name, path=f"{os.environ['PATH']}:/usr/sbin:/sbin") is None]
    if missing:
        pytest.skip(f"{', '.join(missing)} needed")
    kept = os.environ.get("VBOXLAB_TEST_HOME")
    # Sockets have short paths, and pytest's own folders long ones.
    path = Path(kept or tempfile.mkdtemp(prefix="vboxlab-"))
    yield path
    if not kept:
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
