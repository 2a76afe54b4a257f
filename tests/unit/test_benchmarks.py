"""The benchmarks that need neither a guest nor VirtualBox do what they say, on few machines; none is timed."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks import growth

ROOT = Path(__file__).parents[2]


def test_growth_measures_each_verb_at_each_size() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.growth", "--machines", "2", "4", "--rounds", "1"],
        cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)}, text=True, capture_output=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    heading, *rows, verdict = done.stdout.splitlines()
    assert heading.split() == ["machines", "2", "4"]
    for verb, row in zip(growth.VERBS, rows, strict=True):
        assert re.fullmatch(rf"{verb}( +\d+\.\d\d s +\d+ ms){{2}} +power -?\d+\.\d\d", row), row
    assert re.search(r"from 2 to 4 machines: at most power -?\d+\.\d\d \(goal 1.15: (not )?reached\)", verdict)


@pytest.mark.parametrize(("seconds", "power"), [((1.0, 3.0), 1.0), ((1.0, 9.0), 2.0), ((2.0, 2.0), 0.0)])
def test_the_power_that_seconds_grow_with(seconds: tuple[float, float], power: float) -> None:
    assert growth.exponent((100, 300), seconds) == pytest.approx(power)
