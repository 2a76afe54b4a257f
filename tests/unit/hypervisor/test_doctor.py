"""`vboxlab doctor` where nothing is installed, and the parts of it that read files."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vboxlab.cli.main import run
from vboxlab.hypervisor.doctor import Finding, Needs, examine, whatever_it_meets
from vboxlab.hypervisor.virtualbox import readiness
from vboxlab.settings import Settings


def test_room_is_compared_with_what_is_needed(tmp_path: Path) -> None:
    def verdicts(needs: Needs) -> dict[str, str]:
        return {finding.check: finding.verdict for finding in examine(Settings(home=tmp_path / "home"), needs)}

    small = verdicts(Needs("small", 0, 1))
    huge = verdicts(Needs("huge", 10**6, 10**9))
    assert (small["memory"], huge["memory"]) == ("ok", "warning")
    assert huge["disk"] == "warning"
    free = shutil.disk_usage(tmp_path).free >> 20
    assert verdicts(Needs("stored", 0, 1, disks=free))["disk"] == "warning"


def test_every_warning_says_what_to_do(tmp_path: Path) -> None:
    findings = examine(Settings(home=tmp_path), Needs("huge", 10**6, 10**9))
    assert [finding for finding in findings if finding.verdict in ("warning", "problem") and not finding.fix] == []


def test_it_works_where_nothing_is_installed(tmp_path: Path) -> None:
    environment = {"PATH": str(tmp_path), "HOME": str(tmp_path), "VBOXLAB_HOME": str(tmp_path / "home")}
    if os.name == "nt":
        environment["SYSTEMROOT"] = os.environ["SYSTEMROOT"]
    code = "from vboxlab.cli.main import main; main()"
    ended = subprocess.run(
        [sys.executable, "-c", code, "doctor", "--offline", "--json"],
        env=environment, text=True, capture_output=True, check=False,
    )  # fmt: skip
    report = json.loads(ended.stdout)
    checks = {finding["check"]: finding for finding in report["findings"]}
    assert ended.stderr == ""
    assert checks["QEMU"]["verdict"] in ("warning", "note")
    if checks["VirtualBox"]["verdict"] != "ok":
        assert checks["driver"]["verdict"] == "problem"
        assert (ended.returncode, report["healthy"]) == (1, False)


@pytest.mark.parametrize(
    "home",
    [
        "/" + "a" * 300,
        "/dev/null/home",
        "relative/home",
        "/proc/self/fd/0",
        "/proc/1/root/x",
        "\x1b[2J",
        "é" * 200,
        "~none/x",
    ],
)
@pytest.mark.skipif(os.name == "nt", reason="names of POSIX")
def test_no_home_ends_it_as_a_bug(home: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("VBOXLAB_HOME", home)
    monkeypatch.setenv("VBOXLAB_SETTINGS", str(tmp_path / "none.yaml"))
    assert run(["doctor", "--offline", "--json"]) in (0, 1)


def test_a_part_that_fails_is_a_finding_and_what_was_found_before_stays() -> None:
    def look() -> Iterator[Finding]:
        yield Finding("a", "ok", "fine")
        yield Finding("b", "ok", str(int("nonsense")))

    first, second = whatever_it_meets("part", look)
    assert first == Finding("a", "ok", "fine")
    assert (second.check, second.verdict) == ("part", "problem")
    assert "ValueError: invalid literal" in second.text
    assert "test_doctor.py:" in second.text


@given(st.text(max_size=40))
def test_any_list_of_kernel_modules_is_read(text: str) -> None:
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        file = Path(folder) / "modules"
        file.write_text(text + "\nkvm_intel\nkvm_amd 1\n", encoding="utf-8")
        patch.setattr(readiness, "KERNEL_MODULES", file)
        assert readiness.other_hypervisor() == ""
