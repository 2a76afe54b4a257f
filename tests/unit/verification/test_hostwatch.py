"""A program that is stopped for a while, as all are on a computer that sleeps, and what it records of that."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import pytest

from vboxlab.verification.history import StoodStill
from vboxlab.verification.hostwatch import HostWatch
from vboxlab.verification.recorder import Recorder

STOPPED = 0.8
PROGRAM = f"""
import sys, time
from tests.unit.verification.histories import run_begun
from vboxlab.verification.history import StoodStill
from vboxlab.verification.recorder import Recorder
from vboxlab.verification.hostwatch import HostWatch
recorder = Recorder()
recorder.add(run_begun())
with HostWatch(recorder, noticed={STOPPED / 2}):
    print("ready", flush=True)
    sys.stdin.readline()
    time.sleep(0.5)
print(*(f"{{one.at}} {{one.seconds}}" for one in recorder.history().of(StoodStill)), sep="\\n", flush=True)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="no signal stops a process there")
def test_a_program_that_is_stopped_records_it_once() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", PROGRAM], text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as program:
        assert program.stdout is not None
        assert program.stdout.readline() == "ready\n"
        os.kill(program.pid, signal.SIGSTOP)
        time.sleep(STOPPED)
        os.kill(program.pid, signal.SIGCONT)
        told, _ = program.communicate("\n")
    ((at, seconds),) = (map(float, line.split()) for line in told.splitlines())
    assert STOPPED / 2 <= seconds <= at


def test_what_is_too_short_to_matter_is_not_recorded() -> None:
    recorder = Recorder()
    with HostWatch(recorder, noticed=60.0):
        time.sleep(0.4)
    assert not [one for one in recorder._records if isinstance(one, StoodStill)]
