"""Telling when something happened in a guest on the host's clock, with honest bounds. Times are seconds.

An offset is "host minus guest". A guest's reading that was asked for at host time `asked` and arrived at `arrived`
was made in between, so the true offset lies between `asked - reading` and `arrived - reading`. Many readings narrow it.
"""

from __future__ import annotations

from collections.abc import Iterable

from vboxlab.errors import InfrastructureTrouble
from vboxlab.guest.executor import Executor
from vboxlab.language import _
from vboxlab.lazily import dataclass
from vboxlab.verification.history import ClockRead
from vboxlab.verification.recorder import Recorder

CLOCK_SCRIPT = "date +%s.%N"
CLOCK_TIMEOUT = 30.0
CLOCK_READINGS = 3  # of a machine whose times are compared with another's: the quickest answer narrows them


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


def read_clock_closely(executor: Executor, recorder: Recorder, step: int) -> None:
    """Read the real clock of a machine whose times are compared with another's. Raises as `read_clock` does."""
    for _reading in range(CLOCK_READINGS):
        read_clock(executor, recorder, step)


def read_clock(executor: Executor, recorder: Recorder, step: int) -> None:
    """Read the real clock of a machine once, and record it.

    Raises InfrastructureTrouble when the guest gives no clock, GuestError and WaitTimeout as the executor does.
    """
    asked = recorder.now()
    completed = executor.run(CLOCK_SCRIPT, timeout=CLOCK_TIMEOUT)
    arrived = recorder.now()
    try:
        real = float(completed.stdout)
    except ValueError:
        raise InfrastructureTrouble(
            _("{machine}: the clock cannot be read").format(machine=executor.machine),
            details=[completed.stdout, completed.stderr],
        ) from None
    recorder.add(ClockRead(at=arrived, step=step, machine=executor.machine, asked=asked, real=real))
