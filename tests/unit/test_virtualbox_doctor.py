"""`vboxlab doctor` where nothing is installed, and the parts of it that read files."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from vboxlab.hypervisor.doctor import Needs, examine
from vboxlab.settings import Settings


def test_room_is_compared_with_what_is_needed(tmp_path: Path) -> None:
    def verdicts(needs: Needs) -> dict[str, str]:
        return {finding.check: finding.verdict for finding in examine(Settings(home=tmp_path / "home"), needs)}

    small = verdicts(Needs("small", 0, 1))
    huge = verdicts(Needs("huge", 10**6, 10**9))
    assert (small["memory"], huge["memory"]) == ("ok", "warning")
    assert huge["disk"] == "warning"


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
