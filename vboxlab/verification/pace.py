"""Whether a prober kept the rate that it was asked for. Pure; times are seconds of the client's clock.

What is told are the requests that it has begun, at each of its heartbeats: those whose end was never told count too.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from vboxlab.lazily import dataclass
from vboxlab.verification.outages import Watched
from vboxlab.verification.samples import Sample, rate

ENOUGH = 0.9  # of the rate asked for: below it, too much may have gone unseen


@dataclass(frozen=True)
class Pace:
    """So many requests begun in so many seconds of watching, where one was asked for each `every` seconds."""

    begun: int
    seconds: float
    every: float

    @property
    def kept(self) -> float:
        """Return the requests a second that were begun."""
        return self.begun / self.seconds

    @property
    def asked(self) -> float:
        """Return the requests a second that were asked for."""
        return 1 / self.every

    @property
    def is_enough(self) -> bool:
        """Tell whether the rate was kept well enough; one request may lie beyond either end of what was counted."""
        return self.begun + 1 >= ENOUGH * self.seconds * self.asked


def pace(watched: Watched, every: float, *, one_at_a_time: bool = False) -> Pace | None:
    """Return the pace kept while requests were wanted, without the standstills; None when nothing was counted.

    A standstill is doubted for itself: it says nothing of how many requests the client can make. Nor does the time that
    a command took beyond its pace, where the next one waits for it.
    """
    begun, seconds = 0, 0.0
    for (earlier, first), (later, last) in pairwise(watched.begun):
        if later <= watched.end and not watched.still(earlier, later):
            begun, seconds = begun + last - first, seconds + later - earlier
    if one_at_a_time:
        begun, seconds = 0, 0.0
        for one, after in pairwise(watched.samples):
            if not watched.still(one.start, after.start):
                begun, seconds = begun + 1, seconds + after.start - one.start - max(0.0, one.duration - every)
    if seconds:
        return Pace(begun, seconds, every)
    plain = rate(watched.samples)
    return Pace(len(watched.samples) - 1, (len(watched.samples) - 1) / plain, every) if plain else None


def completed_rate(samples: Sequence[Sample]) -> float:
    """Return how many requests a second came to their ends, from the first one's start on; 0 without any."""
    if not samples:
        return 0.0
    took = max(sample.end for sample in samples) - min(sample.start for sample in samples)
    return len(samples) / took if took > 0 else 0.0
