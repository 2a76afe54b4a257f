from __future__ import annotations

import os
import stat
import subprocess
import sys
import tarfile
import time
from pathlib import Path

import pytest

from vboxlab import programs
from vboxlab.base.jobs import namespace_command, run_job, scratch_directory, side_by_side, tethered_command
from vboxlab.base.native import Job, Step
from vboxlab.errors import BaseError
from vboxlab.language import speaking


def has_namespaces() -> bool:
    try:
        return subprocess.run(namespace_command(["true"]), capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        return False


needs_namespaces = pytest.mark.skipif(not has_namespaces(), reason="this host lets us make no namespaces")


def test_a_tethered_command_ends_when_its_parent_lets_go(tmp_path: Path) -> None:
    beat = tmp_path / "beat"
    script = f"while :; do date >> {beat}; sleep 0.05; done"
    with programs.start(programs.module("vboxlab.base.tether", "sh", "-c", script), stdin=subprocess.PIPE) as tether:
        while not beat.exists():
            time.sleep(0.02)
        assert tether.stdin is not None
        tether.stdin.close()
        assert tether.wait(15) != 0
    time.sleep(0.2)
    size = beat.stat().st_size
    time.sleep(0.3)
    assert beat.stat().st_size == size


@needs_namespaces
def test_killing_the_parent_ends_everything_in_the_namespace(tmp_path: Path) -> None:
    beat = tmp_path / "beat"
    inner = tethered_command(["sh", "-c", f"(setsid sh -c 'while :; do date >> {beat}; sleep 0.05; done') & wait"])
    parent = f"import subprocess, sys; subprocess.Popen({inner!r}, stdin=subprocess.PIPE).wait()"
    with subprocess.Popen([sys.executable, "-c", parent]) as process:
        while not beat.exists():
            time.sleep(0.02)
        process.kill()
    # As an ordinary user there is no process namespace: only the command's own process group ends.
    if "unshare" in inner:
        time.sleep(0.5)
        size = beat.stat().st_size
        time.sleep(0.3)
        assert beat.stat().st_size == size


@needs_namespaces
def test_the_worker_unpacks_trees_and_makes_a_disk(tmp_path: Path) -> None:
    (tmp_path / "hello").write_text("hello")
    tree, scratch = tmp_path / "tree.tar", tmp_path / "scratch"
    with tarfile.open(tree, "w") as archive:
        archive.add(tmp_path / "hello", "etc/hello")
    scratch.mkdir()
    said: list[str] = []
    disk = scratch / "disk.raw"
    job = Job((str(tree),), (), str(scratch), "", (Step((), disk=str(disk)),), 32, "label")
    run_job(job, lambda text, _percent: said.append(text))
    assert said == ["unpacking the base", "making the disk"]
    assert disk.stat().st_size == 32 * 1024**2
    assert b"label" in disk.read_bytes()[1024**2 : 1024**2 + 4096]


@needs_namespaces
def test_what_goes_wrong_in_the_worker_is_said(tmp_path: Path) -> None:
    (tmp_path / "no.tar").write_text("no archive")
    job = Job((str(tmp_path / "no.tar"),), (), str(tmp_path), "", (), 32, "label")
    with pytest.raises(BaseError, match="tar failed") as caught:
        run_job(job)
    assert any("does not look like a tar archive" in detail for detail in caught.value.details)


def test_a_job_has_its_worker_speak_the_language_spoken_here() -> None:
    with speaking("fr"):
        job = Job((), (), "", "", (), 32, "label")
    assert Job.from_json(job.to_json()).language == "fr"


def test_others_can_pass_to_what_lies_beside_the_scratch_directory_and_outside_the_home(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        with scratch_directory(tmp_path / "bases") as scratch:
            assert stat.S_IMODE(scratch.stat().st_mode) == 0o700
            assert stat.S_IMODE(scratch.parent.stat().st_mode) == 0o711
            assert not scratch.is_relative_to(tmp_path)
    finally:
        os.umask(before)


def test_what_a_killed_build_left_is_removed_first(tmp_path: Path) -> None:
    with scratch_directory(tmp_path) as scratch:
        place = scratch
        assert list(scratch.iterdir()) == []
    assert not place.parent.exists()
    place.mkdir(parents=True)
    (place / "left").write_text("over")
    with scratch_directory(tmp_path) as scratch:
        assert scratch == place
        assert list(scratch.iterdir()) == []


def test_the_first_failure_of_works_side_by_side_is_raised_and_nothing_more_begins() -> None:
    done: list[int] = []

    def fail() -> None:
        raise BaseError("no")

    def work() -> None:
        time.sleep(0.2)
        done.append(1)

    with pytest.raises(BaseError, match="no"):
        side_by_side([fail, *[work] * 40])
    assert len(done) < 40


@needs_namespaces
def test_an_interruption_ends_the_jobs_of_works_side_by_side(tmp_path: Path) -> None:
    """A tree that never ends, as a pipe, keeps the worker; Ctrl-C comes to the thread that waits for all works."""
    os.mkfifo(tmp_path / "endless")
    script = f"""
import os, signal, threading, time
from vboxlab.base.jobs import run_job, side_by_side
from vboxlab.base.native import Job
def said(text, percent):
    os.kill(os.getpid(), signal.SIGINT)
job = Job(({str(tmp_path / "endless")!r},), (), {str(tmp_path)!r}, "", (), 32, "label")
try:
    side_by_side([lambda: run_job(job, said)])
except KeyboardInterrupt:
    print("interrupted")
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout == "interrupted\n"
