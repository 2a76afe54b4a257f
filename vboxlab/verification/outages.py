"""What a client saw of an outage: between which bounds it began and ended, what was lost. Pure; seconds of its clock.

A request says something of the service at one moment between its start and its end. So an outage is known between
two bounds: at most from the last good answer before it to the first one after it, at least from when the first lost
request would have been answered to when the last lost one was begun.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise

from vboxlab.lazily import dataclass
from vboxlab.verification.clocks import Interval
from vboxlab.verification.samples import Sample

STILL = 1.0
"""Seconds without a sign of life after which a prober is taken to have stood still: four of its heartbeats."""


@dataclass(frozen=True)
class Stretch:
    """A stretch of time."""

    begin: float
    end: float

    @property
    def length(self) -> float:
        """Return how long it is."""
        return self.end - self.begin

    def within(self, begin: float, end: float) -> float:
        """Return how much of it lies between two moments."""
        return max(0.0, min(self.end, end) - max(self.begin, begin))


@dataclass(frozen=True)
class Watched:
    """What a client saw: its requests, until when it began some, and when itself, or its computer, stood still.

    `begun` are moments with how many requests it had begun until then, in order.
    """

    samples: tuple[Sample, ...]
    end: float
    stills: tuple[Stretch, ...] = ()
    begun: tuple[tuple[float, int], ...] = ()

    @property
    def good(self) -> list[Sample]:
        """Return the good answers, in the order of their ends."""
        return sorted((sample for sample in self.samples if sample.good), key=lambda sample: sample.end)

    def still(self, begin: float, end: float) -> float:
        """Return the seconds between two moments in which nothing could be seen."""
        return sum(stretch.within(begin, end) for stretch in self.stills)

    def excused(self, sample: Sample) -> bool:
        """Tell whether a request may have been given up only because the client stood still."""
        return sample.outcome == "timeout" and self.still(sample.start, sample.end) > 0

    def lost(self) -> list[Sample]:
        """Return the requests that were surely lost, in the order of their starts."""
        return [sample for sample in self.samples if not sample.good and not self.excused(sample)]


def standstills(signs: Iterable[float]) -> Iterator[Stretch]:
    """Yield the stretches in which a prober gave no sign of life, as its heartbeats and its requests are."""
    for earlier, later in pairwise(sorted(signs)):
        if later - earlier > STILL:
            yield Stretch(earlier, later)


def joined(stretches: Iterable[Stretch]) -> tuple[Stretch, ...]:
    """Return stretches that overlap as one."""
    found: list[Stretch] = []
    for each in sorted(stretches, key=lambda stretch: stretch.begin):
        if found and each.begin <= found[-1].end:
            found[-1] = Stretch(found[-1].begin, max(found[-1].end, each.end))
        else:
            found.append(each)
    return tuple(found)


@dataclass(frozen=True)
class Outage:
    """An outage after a cause: `length` is between these bounds; `high` is infinite when no end of it was seen."""

    length: Interval
    begin: Interval
    restored: Sample | None  # the good answer with which the service is back
    is_doubtful: bool = False  # what was given up while the client stood still may mean that it was not back


def outage(watched: Watched, cause: Interval, firsts: Sequence[Sample | None], steady: float) -> Outage | None:
    """Return the outage between a cause and the first good answers since it, one of each of some servers (None: none).

    What is lost after that answer belongs to it as well, until the service has been steady for so many seconds.
    What was given up while the client stood still may have been lost: the bounds hold both ways. None when one of them
    never answered and nothing was lost either: there is nothing to measure.
    """
    surely = _outage(watched, cause, firsts, steady, watched.lost())
    at_most = _outage(watched, cause, firsts, steady, [sample for sample in watched.samples if not sample.good])
    if surely is None or at_most is None:
        return at_most
    length = Interval(min(surely.length.low, at_most.length.low), max(surely.length.high, at_most.length.high))
    is_doubtful = surely.restored is not None and at_most.restored is None
    return Outage(length, surely.begin, surely.restored, is_doubtful)


def _outage(
    watched: Watched, cause: Interval, firsts: Sequence[Sample | None], steady: float, bad: Sequence[Sample]
) -> Outage | None:
    lost = [sample for sample in bad if sample.end > cause.low]
    restored = _restored(watched, firsts, lost, steady)
    if restored is None and not lost:
        return None
    begin = _begin(watched, cause, lost, restored)
    last = max((sample.start for sample in lost), default=begin.high)
    least = max(0.0, last - begin.high - watched.still(begin.high, last))
    most = max(least, restored.end - begin.low) if restored else float("inf")
    return Outage(Interval(least, most), begin, restored)


def _restored(
    watched: Watched, firsts: Sequence[Sample | None], lost: Sequence[Sample], steady: float
) -> Sample | None:
    known = [first for first in firsts if first is not None]
    if len(known) < len(firsts):
        return None
    answered = max(known, key=lambda sample: sample.end)
    again = [sample.start for sample in lost if sample.start > answered.start]
    if not again:
        return answered
    later = next((sample for sample in watched.good if sample.start > max(again)), None)
    return later if later is not None and watched.end - later.start >= steady else None


def _begin(watched: Watched, cause: Interval, lost: Sequence[Sample], restored: Sample | None) -> Interval:
    """Return between which moments the outage began; never before the cause."""
    until = lost[0].start if lost else restored.start if restored else cause.high
    before = [sample for sample in watched.good if sample.start < until]
    low = max(max((sample.start for sample in before), default=cause.low), cause.low)
    patience = max((sample.duration for sample in watched.good if sample.end <= cause.low), default=0.0)
    begun_down = [min(sample.end, sample.start + patience) for sample in lost if sample.start >= cause.low]
    high = min(begun_down, default=max((sample.end for sample in lost), default=low))
    return Interval(low, max(low, high))


def longest_gap(watched: Watched, since: float) -> Interval | None:
    """Return the longest time that the client waited between two good answers, or at an end of the watch.

    Only gaps that end after a moment count. What the client stood still in one may not have been one of the service,
    so it is taken off the lower bound. None when nothing was asked.
    """
    if not watched.samples:
        return None
    moments = [min(sample.start for sample in watched.samples), *(sample.end for sample in watched.good)]
    gaps = [
        Interval(max(0.0, later - earlier - watched.still(earlier, later)), later - earlier)
        for earlier, later in pairwise(sorted({*moments, max(moments[-1], watched.end)}))
        if later > since
    ]
    if not gaps:
        return None
    return Interval(max(gap.low for gap in gaps), max(gap.high for gap in gaps))


@dataclass(frozen=True)
class Losses:
    """How many requests got no good answer around a cause, by what they can have to do with it.

    `before` were lost without it; `in_flight` were begun before it was surely in force; `failed` began after that and
    have no excuse; `unclear` were given up while the client stood still.
    """

    before: int
    in_flight: int
    failed: int
    unclear: int


def losses(watched: Watched, cause: Interval, patience: float) -> Losses:
    """Return what was lost around a cause.

    What is under way when a server loses its power is lost with it, whoever shares its load. That excuses what was
    begun before the hypervisor had done it, and had waited no longer than `patience`, the seconds that an answer may
    take: one that hung before was lost without the cause.
    """
    counts = {"before": 0, "in_flight": 0, "failed": 0, "unclear": 0}
    for sample in watched.samples:
        if not sample.good:
            counts[_blame(watched, sample, cause, patience)] += 1
    return Losses(**counts)


def _blame(watched: Watched, sample: Sample, cause: Interval, patience: float) -> str:
    if watched.excused(sample):
        return "unclear"
    if sample.start >= cause.high:
        return "failed"
    return "in_flight" if sample.end >= cause.low and cause.low - sample.start <= patience else "before"


def slow(watched: Watched, since: float, after: float) -> Interval:
    """Return how many good answers since a moment took longer than so many seconds: surely, and at most."""
    late = [sample for sample in watched.good if sample.end > since and sample.duration > after]
    surely = [s for s in late if s.duration - watched.still(s.start, s.end) > after]
    return Interval(len(surely), len(late))


@dataclass(frozen=True)
class Second:
    """What was asked in one second after a cause, and how much of it was lost."""

    second: int
    asked: int
    lost: int


def loss_over_time(samples: Iterable[Sample], cause: float) -> tuple[Second, ...]:
    """Return what was lost second by second, the cause at 0."""
    asked: dict[int, list[Sample]] = {}
    for sample in samples:
        asked.setdefault(int((sample.start - cause) // 1), []).append(sample)
    return tuple(
        Second(second, len(found), sum(not sample.good for sample in found)) for second, found in sorted(asked.items())
    )
