"""Telling when something happened in a guest on the host's clock, with honest bounds. Times are seconds.

An offset is "host minus guest". A guest's reading that was asked for at host time `asked` and arrived at `arrived`
was made in between, so the true offset lies between `asked - reading` and `arrived - reading`. Many readings narrow it.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Iterable
from contextlib import suppress

from vboxlab.errors import InfrastructureTrouble
from vboxlab.guest.executor import Executor, Stream
from vboxlab.language import _
from vboxlab.lazily import dataclass
from vboxlab.verification.history import ClockRead
from vboxlab.verification.recorder import Recorder

# Tells the time once for each line that it is given. A shell that can do so itself (bash since 5.0, bash(1)) starts no
# process for it, so that a reading takes no longer than the way there and back.
CLOCK_SCRIPT = """\
export LC_ALL=C
if [ -n "$(bash -c 'echo "$EPOCHREALTIME"' 2>/dev/null)" ]; then
    exec bash -c 'while read -r line; do echo "$EPOCHREALTIME"; done'
fi
while read -r line; do echo "$(date +%s.%N)"; done
"""
CLOCK_TIMEOUT = 30.0
CLOCK_READINGS = 6  # the quickest narrows what the others leave open


@dataclass(frozen=True)
class Interval:
    """A value known to lie between two bounds."""

    low: float
    high: float

    @property
    def width(self) -> float:
        """Return how uncertain the value is."""
        return self.high - self.low

    def plus(self, other: Interval) -> Interval:
        """Return the bounds of the sum."""
        return Interval(self.low + other.low, self.high + other.high)

    def minus(self, other: Interval) -> Interval:
        """Return the bounds of the difference."""
        return Interval(self.low - other.high, self.high - other.low)


def exactly(value: float) -> Interval:
    """Return a value that is known."""
    return Interval(value, value)


def offset_bounds(asked: float, arrivals: Iterable[tuple[float, float]]) -> Interval:
    """Return the bounds of host minus guest.

    `arrivals` are pairs of the guest's reading and the host's time when it arrived; `asked` is before them all.
    Raises ValueError when there is no reading.
    """
    pairs = list(arrivals)
    low = max(asked - reading for reading, _arrived in pairs)
    high = min(arrived - reading for reading, arrived in pairs)
    return Interval(min(low, high), max(low, high))


def combine(first: Interval, second: Interval) -> Interval:
    """Return what two measurements of one offset say together; if they disagree (a clock was set), both count."""
    low, high = max(first.low, second.low), min(first.high, second.high)
    return Interval(low, high) if low <= high else Interval(min(first.low, second.low), max(first.high, second.high))


def read_clock(executor: Executor, recorder: Recorder, step: int) -> None:
    """Read the real clock of a machine several times in a row, and record each reading.

    Raises InfrastructureTrouble when the guest gives no clock, GuestError as the executor does.
    """
    with executor.stream(CLOCK_SCRIPT) as stream:
        guard = threading.Timer(CLOCK_TIMEOUT, stream.stop)
        guard.start()
        try:
            heard = _ask_in_turn(stream, executor.machine, recorder, step)
        finally:
            guard.cancel()
    if not heard:
        raise _unreadable(executor.machine)


def _ask_in_turn(stream: Stream, machine: str, recorder: Recorder, step: int) -> int:
    """Ask for one reading after the other, and return how many came."""
    answers = stream.lines()
    for heard in range(CLOCK_READINGS):
        asked = recorder.now()
        stream.send_line("")
        answer = next(answers, None)
        if answer is None:
            return heard
        recorder.add(ClockRead(at=recorder.now(), step=step, machine=machine, asked=asked, real=_time(machine, answer)))
    return CLOCK_READINGS


def _time(machine: str, answer: str) -> float:
    with suppress(ValueError):
        time = float(answer)
        if math.isfinite(time):
            return time
    raise _unreadable(machine, answer)


def _unreadable(machine: str, *details: str) -> InfrastructureTrouble:
    return InfrastructureTrouble(_("{machine}: the clock cannot be read").format(machine=machine), details=details)
