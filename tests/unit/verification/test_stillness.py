"""A program that is stopped for a while, as all are on a computer that sleeps, and what it notices of that."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import pytest

from vboxlab.verification.stillness import Stillness

STOPPED = 0.8
PROGRAM = f"""
import sys
from vboxlab.verification.stillness import Stillness
with Stillness(noticed={STOPPED / 2}) as stillness:
    print("ready", flush=True)
    sys.stdin.readline()
    print(stillness.take(), stillness.take(), flush=True)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="no signal stops a process there")
def test_a_program_that_is_stopped_notices_it_once() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", PROGRAM], text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as program:
        assert program.stdout is not None
        assert program.stdout.readline() == "ready\n"
        os.kill(program.pid, signal.SIGSTOP)
        time.sleep(STOPPED)
        os.kill(program.pid, signal.SIGCONT)
        told, _ = program.communicate("\n")
    first, second = map(float, told.split())
    assert first >= STOPPED / 2
    assert second < first


def test_what_is_too_short_to_matter_is_not_told() -> None:
    with Stillness(noticed=60.0) as stillness:
        time.sleep(0.1)
        assert stillness.take() == 0.0
