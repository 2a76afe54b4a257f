"""Configuration over an executor that runs the scripts in this host's own shell, and over one of canned answers."""

from __future__ import annotations

import getpass
import grp
import os
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from vboxlab.errors import GuestError
from vboxlab.guest.configurator import ResourceResult, StageReport, Status, Way, configure
from vboxlab.guest.executor import Completed, Executor
from vboxlab.guest.recording import RecordingExecutor
from vboxlab.guest.resources import Await, Command, File, Hole, Package, Resource, SecretText, Service

USER, GROUP = getpass.getuser(), grp.getgrgid(os.getgid()).gr_name


def in_shell(script: str, stdin: bytes) -> Completed:
    done = subprocess.run(["sh", "-c", script], input=stdin, capture_output=True, check=False)
    return Completed(done.returncode, done.stdout.decode(), done.stderr.decode())


def local() -> RecordingExecutor:
    """Return an executor whose guest is this host."""
    return RecordingExecutor("srv-web", [("", in_shell)])


def own_file(path: Path, content: str) -> File:
    return File(str(path), content, 0o600, USER, GROUP)


def test_a_second_run_changes_nothing_and_each_run_is_one_exec_as_root(tmp_path: Path) -> None:
    executor = local()
    resources = [own_file(tmp_path / "a", "one"), own_file(tmp_path / "b", "two")]
    assert configure(executor, resources, secrets={}).summary == "2 changed"
    assert configure(executor, resources, secrets={}).summary == "2 unchanged"
    (tmp_path / "a").unlink()
    assert configure(executor, resources, secrets={}).summary == "1 changed, 1 unchanged"
    assert [(asked.root, asked.stdin) for asked in executor.asked] == [(True, b"")] * 3


def test_a_preview_says_what_would_change_and_changes_nothing(tmp_path: Path) -> None:
    report = configure(local(), [own_file(tmp_path / "a", "one")], changes=False, secrets={})
    assert report.changed == (ResourceResult(f"file:{tmp_path}/a", "would-change", "does not exist"),)
    assert report.summary == "1 to change"
    assert not (tmp_path / "a").exists()


def test_a_failure_names_machine_resource_and_reason_and_what_was_skipped(tmp_path: Path) -> None:
    resources: list[Resource] = [
        Command("certificate", run=("sh", "-c", "echo no room; exit 1"), unless=("false",)),
        own_file(tmp_path / "a", "one"),
        Await("page", ("true",)),
    ]
    with pytest.raises(GuestError) as caught:
        configure(local(), resources, secrets={})
    assert caught.value.brief == "srv-web: command:certificate failed"
    assert caught.value.details == (
        "command:certificate: no room",
        "await:page: skipped, not waited for, because something failed",
    )
    assert (tmp_path / "a").read_text() == "one"


def test_a_script_that_ends_early_is_an_error_with_what_it_said() -> None:
    executor = RecordingExecutor("srv-web", [("", Completed(1, "", "sudo: a password is required\n"))])
    with pytest.raises(GuestError) as caught:
        configure(executor, [Package("apache2")], secrets={})
    assert caught.value.details == ("exit code 1", "sudo: a password is required")


@dataclass
class Delta:
    """A package delta whose script the recording executor knows."""

    packages: Sequence[str]
    archive: bytes = b"archive"
    made: list[str] = field(default_factory=list)

    def script(self) -> str:
        return "unpack the delta"

    def data(self) -> bytes:
        return self.archive


def guest_without_packages(unpacked: Completed) -> RecordingExecutor:
    """Return a guest that lacks heartbeat until the delta was unpacked or apt has run."""
    installed: list[bool] = []

    def unpack(_script: str, stdin: bytes) -> Completed:
        assert stdin == b"archive"
        installed.extend([True] * (unpacked.exit_code == 0))
        return unpacked

    def check(script: str, _stdin: bytes) -> Completed:
        if installed:
            return Completed(0, "@0\tunchanged\t\n@1\tunchanged\t\n", "")
        if "exit 9" in script:
            return Completed(9, "@0\tmissing\tnot installed\n", "")
        return Completed(0, "@0\tchanged\tnot installed\n@1\tunchanged\t\n", "")

    return RecordingExecutor("srv-web", [("unpack the delta", unpack), ("", check)])


RESOURCES: list[Resource] = [Package("heartbeat"), Service("heartbeat")]


def test_missing_packages_come_from_the_delta_and_count_as_changed() -> None:
    executor = guest_without_packages(Completed(0, "", ""))
    report = configure(executor, RESOURCES, secrets={}, ways=[lambda _missing: Delta(["heartbeat", "net-tools"])])
    assert report.summary == "1 changed, 1 unchanged"
    assert [asked.script == "unpack the delta" for asked in executor.asked] == [False, True, False]


@pytest.mark.parametrize(
    ("deltas", "calls"),
    [
        ([Delta(["other"])], 2),
        ([Delta(["heartbeat"])], 3),
        ([None], 2),
        ([None, Delta(["heartbeat"]), Delta(["heartbeat"])], 4),
        ([], 1),
    ],
    ids=["does not bring them", "does not fit the guest", "cannot be made", "none of several fits", "none"],
)
def test_apt_installs_what_no_delta_can(deltas: list[Delta | None], calls: int) -> None:
    executor = guest_without_packages(Completed(3, "", "another package database"))
    asked: list[Sequence[str]] = []

    def way(delta: Delta | None) -> Way:
        return lambda missing: asked.append(missing) or delta  # type: ignore[func-returns-value]

    report = configure(executor, RESOURCES, secrets={}, ways=[way(delta) for delta in deltas])
    assert report.summary == "1 changed, 1 unchanged"
    assert len(executor.asked) == calls
    assert asked == [["heartbeat"]] * len(deltas)


def test_after_a_way_that_helped_no_other_is_asked_for() -> None:
    executor = guest_without_packages(Completed(0, "", ""))
    asked: list[str] = []
    ways: list[Way] = [lambda _missing: Delta(["heartbeat"]), lambda _missing: asked.append("second")]
    assert configure(executor, RESOURCES, secrets={}, ways=ways).summary == "1 changed, 1 unchanged"
    assert asked == []


def test_a_delta_that_breaks_in_the_middle_is_an_error() -> None:
    executor = guest_without_packages(Completed(1, "", "tar: No space left on device"))
    with pytest.raises(GuestError) as caught:
        configure(executor, RESOURCES, secrets={}, ways=[lambda _missing: Delta(["heartbeat"])])
    assert caught.value.details == ("exit code 1", "tar: No space left on device")


def test_a_report_counts_in_words() -> None:
    statuses: tuple[Status, ...] = ("changed", "failed", "unchanged", "changed")
    results = [ResourceResult(str(number), status) for number, status in enumerate(statuses)]
    assert StageReport("m", tuple(results)).summary == "1 failed, 2 changed, 1 unchanged"
    assert StageReport("m", ()).summary == "none"


def test_the_recording_executor_is_an_executor_that_refuses_what_it_does_not_know() -> None:
    executor: Executor = RecordingExecutor("srv-web", [("uptime", Completed(0, "up\nlong\n", ""))])
    with executor.stream("uptime") as stream:
        lines = stream.lines()
        assert next(lines) == "up"
        stream.stop()
        assert list(lines) == []
    with pytest.raises(GuestError, match="srv-web: no answer to this script"):
        executor.run("reboot")


def test_what_a_program_says_of_its_file_shows_no_secret(tmp_path: Path) -> None:
    text = SecretText("user = app\npassword = {secret app}\n", "", holes=(Hole("{secret app}", "app"),))
    check = ("sh", "-c", 'echo "bad line:"; cat "$1"; exit 1', "sh", "{}")
    file = File(str(tmp_path / "conf"), text, 0o600, USER, GROUP, as_written=True, check=check)
    for secret in ("correct-horse $x", "first half\nsecond half"):
        with pytest.raises(GuestError) as caught:
            configure(local(), [file], secrets={"app": secret})
        told = "; ".join(caught.value.details)
        assert "bad line:" in told
        assert not any(line in told for line in secret.splitlines())
    ended = RecordingExecutor("srv-web", [("", lambda *_given: Completed(2, "", "sh: line 3: correct-horse: no"))])
    with pytest.raises(GuestError) as caught:
        configure(ended, [file], secrets={"app": "correct-horse"})
    assert caught.value.details == ("exit code 2", "sh: line 3: …: no")
