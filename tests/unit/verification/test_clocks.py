"""Reading a machine's clock over one way there and back after the other."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from tests.unit.local_lab import HostExecutor
from tests.unit.verification.test_probes import recorder
from vboxlab.errors import InfrastructureTrouble
from vboxlab.guest.executor import Completed
from vboxlab.guest.recording import RecordingExecutor
from vboxlab.verification.clocks import CLOCK_READINGS, read_clock
from vboxlab.verification.history import ClockRead
from vboxlab.verification.offsets import clock_offset


@pytest.fixture
def without_bash(tmp_path: Path) -> Path:
    (tmp_path / "bash").write_text("#!/bin/sh\nexit 127\n")
    (tmp_path / "bash").chmod(0o755)
    return tmp_path


def test_the_true_offset_is_within_the_bounds_whichever_shell_tells_the_time(without_bash: Path) -> None:
    for commands in (None, without_bash):
        recording = recorder()
        read_clock(HostExecutor("guest", commands), recording, 1)
        true = recording.now() - time.time()
        reads = list(recording.history().of(ClockRead, 1))
        offset = clock_offset(recording.history(), 1, "guest")
        assert len(reads) == CLOCK_READINGS
        assert offset is not None
        assert offset.low - 1e-3 <= true <= offset.high + 1e-3  # date and bash cut what is below a microsecond
        assert offset.width < reads[0].at - reads[0].asked, "the shell's start is not in the bounds"


def test_what_is_no_time_is_no_reading() -> None:
    for answer in ("", "soon\n", "1e3s\n", "nan\n", "-inf\n"):
        with pytest.raises(InfrastructureTrouble, match="the clock cannot be read"):
            read_clock(RecordingExecutor(answers=[("EPOCHREALTIME", Completed(0, answer, ""))]), recorder(), 1)


def test_what_was_read_before_the_guest_fell_silent_counts() -> None:
    recording = recorder()
    read_clock(RecordingExecutor("guest", [("EPOCHREALTIME", Completed(0, "1000.5\n1000.6\n", ""))]), recording, 1)
    assert [read.real for read in recording.history().of(ClockRead, 1)] == [1000.5, 1000.6]
