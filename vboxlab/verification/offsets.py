"""How far the clocks of the machines are from the run's, from the records of a step. Pure; times are seconds."""

from __future__ import annotations

from vboxlab.verification.clocks import Interval, combine, offset_bounds
from vboxlab.verification.history import Beat, ClockRead, History, ProbeBegun


def client_offset(history: History, number: int, machine: str) -> Interval:
    """Return the bounds of the run's clock minus the monotonic clock of the machine that samples in a step.

    The heartbeats that arrive give a close upper bound, as they take no time to come; the lower bound is as far away as
    the prober took to start, or, where the machine's other clock was read before, as that reading is.
    """
    begun, beats = history.last(ProbeBegun, number), list(history.of(Beat, number))
    if begun is None or not beats:
        return Interval(-float("inf"), float("inf"))
    bounds = offset_bounds(begun.at, [(beat.monotonic, beat.at) for beat in beats])
    real = clock_offset(history, number, machine)
    if real is None:
        return bounds
    ahead = [beat.real - beat.monotonic for beat in beats]
    return combine(bounds, real.plus(Interval(min(ahead), max(ahead))))


def clock_offset(history: History, number: int, machine: str, since: float = 0.0) -> Interval | None:
    """Return the bounds of the run's clock minus the real clock of a machine, None when it was not read in a step.

    Only readings that were asked for since a moment count.
    """
    found = None
    for read in history.of(ClockRead, number):
        if read.machine == machine and read.asked >= since:
            bounds = offset_bounds(read.asked, [(read.real, read.at)])
            found = bounds if found is None else combine(found, bounds)
    return found
