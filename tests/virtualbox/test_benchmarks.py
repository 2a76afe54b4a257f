"""The benchmarks on VirtualBox do what they say, on as few machines as they can; none is timed."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.virtualbox
ROOT = Path(__file__).parents[2]
SECONDS = r"\d+\.\d+ s"


@pytest.mark.parametrize(
    ("module", "arguments", "told"),
    [
        ("growth", "--driver virtualbox --one 2", [r'"up again": \d', r'"vboxlab MiB": [1-9]', r'"worker MiB": [1-9]']),
        ("start", "--copies 1 --rounds 1", [rf"status of one lab.*{SECONDS}", rf"status --all.*{SECONDS}"]),
        ("virtualbox_class", "--copies 1 --rounds 1", [rf"2 machines, all: {SECONDS}, bare calls {SECONDS}: \d"]),
    ],
)  # fmt: skip
def test_it_measures(module: str, arguments: str, told: list[str]) -> None:
    done = subprocess.run(
        [sys.executable, "-m", f"benchmarks.{module}", *arguments.split()],
        cwd=ROOT, text=True, capture_output=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    for pattern in told:
        assert re.search(pattern, done.stdout), done.stdout
