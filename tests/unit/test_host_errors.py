"""What the computer itself refuses (rights, a full disk, no such folder) is told as that, never as a bug of ours."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.unit.lab_world import ROOT
from vboxlab.errors import EXIT_DRIVER, HostError, host_error

NO_FOLDER = Path("/proc/nope/home")  # nothing can be made in /proc


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="needs /proc")
@pytest.mark.parametrize("verb", ["up failover", "base build", "destroy failover --yes"])
def test_a_home_that_cannot_be_made_is_named(verb: str) -> None:
    own = {"VBOXLAB_HOME": str(NO_FOLDER), "VBOXLAB_DRIVER": "qemu"}
    done = subprocess.run(
        [sys.executable, "-m", "vboxlab", *verb.split()],
        cwd=ROOT, env={**os.environ, **own}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == EXIT_DRIVER, done.stderr
    assert f"{NO_FOLDER}/" in done.stderr
    assert "the folder cannot be made: No such file or directory\n  -> choose a folder" in done.stderr


@pytest.mark.parametrize(
    ("number", "advice"),
    [
        (errno.ENOSPC, "make room on that disk, then repeat the command"),
        (errno.EACCES, "give your user the right to it, or choose another folder with VBOXLAB_HOME"),
        (errno.EMFILE, "close other programs, or raise the limit (`ulimit -n`), then repeat the command"),
    ],
)
def test_what_the_system_refuses_is_told_with_what_to_do(number: int, advice: str) -> None:
    assert host_error(OSError(number, os.strerror(number), "/home/x")) == HostError(
        f"/home/x: {os.strerror(number)}", resolution=advice
    )


def test_what_may_be_a_mistake_of_ours_stays_a_bug() -> None:
    assert host_error(FileNotFoundError(errno.ENOENT, "No such file", "/home/x")) is None
    assert host_error(OSError("no number")) is None
    assert host_error(ValueError("a bug")) is None


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_disk_that_fills_up_under_a_verb_is_no_bug(tmp_path: Path) -> None:
    """What the verb prints goes to full(4), a disk that is always full."""
    with Path("/dev/full").open("w", encoding="utf-8") as full:
        done = subprocess.run(
            [sys.executable, "-m", "vboxlab", "list"],
            cwd=ROOT, env={**os.environ, "VBOXLAB_HOME": str(tmp_path)}, stdout=full, stderr=subprocess.PIPE, text=True,
            check=False,
        )  # fmt: skip
    assert done.returncode == EXIT_DRIVER, done.stderr
    assert done.stderr == "error: No space left on device\n  -> make room on that disk, then repeat the command\n"
