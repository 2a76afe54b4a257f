"""What a command may not load: most of the time that a short one takes is that of its imports."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

CODE = "import sys\nfrom vboxlab.cli.main import run\nrun(sys.argv[1:])\nprint(*sorted(sys.modules))"
# What only a verb needs that works with machines, and what even that needs only for some of its work.
DOMAIN = {"pydantic", "yaml", "vboxlab.topology", "vboxlab.planning", "vboxlab.hypervisor", "vboxlab.lab"}
SELDOM = {
    "concurrent.futures.process", "cryptography", "filelock", "http.client", "jinja2", "paramiko", "psutil", "qemu",
    "rich", "ssl", "tarfile", "tenacity", "urllib.request", "vboxlab.base.builder", "vboxlab.hypervisor.qemu",
    "vboxlab.verification",
}  # fmt: skip


def loaded(home: Path, *arguments: str) -> set[str]:
    """Return the modules that a command loads."""
    environment = {**os.environ, "VBOXLAB_HOME": str(home), "VBOXLAB_DRIVER": "memory", "VBOXLAB_SETTINGS": os.devnull}
    done = subprocess.run(
        [sys.executable, "-c", CODE, *arguments], capture_output=True, text=True, check=True, env=environment
    )
    return set(done.stdout.splitlines()[-1].split())


@pytest.mark.parametrize("arguments", [("--version",), ("--help",), ("up", "--help"), ("status", "--help")])
def test_what_is_told_of_the_command_itself_loads_next_to_nothing(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    assert loaded(tmp_path, *arguments) & (DOMAIN | SELDOM) == set()


@pytest.mark.parametrize("arguments", [("status", "--all"), ("status", "loadbalancing"), ("status", "--all", "--json")])
def test_status_loads_nothing_that_it_does_not_need(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    found = loaded(tmp_path, *arguments)
    assert found & SELDOM == set()
    assert found >= {"vboxlab.lab.overview"}


def test_the_worker_is_launched_before_the_verb_is_loaded(tmp_path: Path) -> None:
    code = "import vboxlab.operations.ahead, vboxlab.hypervisor.virtualbox.launch, sys\nprint(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=tmp_path)
    heavy = {"pydantic", "yaml", "vboxlab.settings", "vboxlab.topology", "vboxlab.planning", "vboxlab.lab"}
    assert set(done.stdout.split()) & (heavy | SELDOM) == set()
