"""Commands that run at once are shown one after the other, and one failure fails all."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.unit.lab_world import ROOT


def side_by_side(*commands: str) -> subprocess.CompletedProcess[str]:
    argv = [sys.executable, "-m", "tests.side_by_side", *commands]
    return subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, check=False)


def test_they_run_at_once_and_are_shown_in_their_order(tmp_path: Path) -> None:
    sign = tmp_path / "sign"
    done = side_by_side(
        f"until [ -e {sign} ]; do sleep 0.05; done; echo first", f"touch {sign}; echo second; echo last"
    )
    assert done.returncode == 0
    shown, *ends = done.stdout.split("\n$ ")
    assert shown == "first\nsecond\nlast\n"
    assert [end.splitlines()[0].endswith("(ended with 0)") for end in ends] == [True, True]
    assert [end.splitlines()[1] for end in ends] == ["first", "last"]


@pytest.mark.parametrize(("codes", "expected"), [((0, 0), 0), ((0, 3), 3), ((3, 4), 3)])
def test_one_failure_fails_all(codes: tuple[int, ...], expected: int) -> None:
    assert side_by_side(*(f"exit {code}" for code in codes)).returncode == expected
