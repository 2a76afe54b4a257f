"""A bounded share of the campaign: some hundreds of sequences, the way back tried after some of their steps."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tests.campaign.conftest import ROOT

SECONDS = 75  # no sequence begins later


@pytest.mark.skipif(sys.platform == "win32", reason="processes are forked")
def test_no_sequence_does_harm() -> None:
    words = ["--count", "300", "--seed", "1", "--probes", "0.25", "--seconds", str(SECONDS)]
    done = subprocess.run(
        [sys.executable, "-m", "tests.campaign", *words], cwd=ROOT, capture_output=True, text=True, check=False,
        env={**os.environ, "PYTHONHASHSEED": "0"},
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert "seeds of which something was wrong: none" in done.stdout
