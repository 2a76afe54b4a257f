"""What the worker that installs packages gives their scripts, and what it says when they fail."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from vboxlab.base.native import mount_script, telling


def test_the_reason_that_dpkg_gives_is_told_with_its_error() -> None:
    lines = [
        "Suggested packages:", "  heartbeat", "dpkg: error processing archive drbd-utils.deb (--unpack):",
        " trying to overwrite '/var/lock', which is also in package base-files 12.4", "Errors were encountered:",
        " drbd-utils.deb", "E: Sub-process /usr/bin/dpkg returned an error code (1)",
    ]  # fmt: skip
    assert telling(lines) == [lines[2], lines[3], lines[6]]


def test_all_is_told_when_no_line_is_known_to_say_more() -> None:
    assert telling(["one", "two"]) == ["one", "two"]


@pytest.mark.skipif(os.geteuid() != 0 or shutil.which("unshare") is None, reason="mounts file systems: needs root")
def test_var_lock_is_a_folder_for_packages_that_bring_it(tmp_path: Path) -> None:
    tree, cache = tmp_path / "tree", tmp_path / "cache"
    for folder in ("dev", "proc", "run", "tmp", "etc", "var/lib/apt/lists", "var/cache/apt/archives"):
        (tree / folder).mkdir(parents=True)
    for folder in ("lists", "archives"):
        (cache / folder).mkdir(parents=True)
    (tree / "etc" / "resolv.conf").touch()
    (tree / "var" / "lock").symlink_to("../run/lock")  # as in base-files, but for the root
    script = mount_script(tree, cache) + f"test -d '{tree}/var/lock/'"
    assert subprocess.run(["unshare", "--mount", "sh", "-c", script], check=False).returncode == 0
    assert list((tree / "run").iterdir()) == []
