"""Samples of a page and what they say: gaps, lost and slow requests, who served. Pure; times are seconds."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from typing import Literal, get_args
from urllib.parse import unquote

from vboxlab.language import NC_, _, n_
from vboxlab.lazily import dataclass

Outcome = Literal["ok", "refused", "timeout", "broken", "unreachable"]
OUTCOMES: tuple[str, ...] = get_args(Outcome)
WORDS: dict[Outcome, str] = {
    "ok": NC_("request", "ok"),
    "refused": NC_("request", "refused"),
    "timeout": NC_("request", "timeout"),
    "broken": NC_("request", "broken"),
    "unreachable": NC_("request", "unreachable"),
}
UNKNOWN = "?"
"""Stands for whoever serves a page that no machine of the topology has."""


@dataclass(frozen=True)
class Sample:
    """One request that ended. `start` is on the monotonic clock of the machine that asked."""

    start: float
    duration: float
    outcome: Outcome
    status: int = 0
    page: str = ""

    @property
    def end(self) -> float:
        """Return the moment when the answer was complete, or given up."""
        return self.start + self.duration

    @property
    def good(self) -> bool:
        """Tell whether the page was served."""
        return self.outcome == "ok" and 200 <= self.status < 400


@dataclass(frozen=True)
class ClockReading:
    """Both clocks of the sampling machine at one moment."""

    monotonic: float
    real: float


@dataclass(frozen=True)
class End:
    """The prober has done all requests that it was asked for."""


@dataclass(frozen=True)
class Refusal:
    """The prober could not start, and says why."""

    reason: str


class ProberLines:
    """Reads what prober.pl prints; it remembers the pages that the samples refer to."""

    def __init__(self) -> None:
        self._pages: dict[str, str] = {"0": ""}

    def read(self, line: str) -> Sample | ClockReading | End | Refusal | None:
        """Return what a line says; None for one that only introduces a page. Raises ValueError for anything else."""
        match line.split():
            case ["S", start, duration, outcome, status, page] if outcome in OUTCOMES:
                if page not in self._pages:
                    raise _unknown(line)
                return Sample(float(start), float(duration), outcome, int(status), self._pages[page])  # type: ignore[arg-type]
            case ["C", monotonic, real]:
                return ClockReading(float(monotonic), float(real))
            case ["B", page, *text]:
                self._pages[page] = unquote(text[0]) if text else ""
                return None
            case ["E"]:
                return End()
            case ["X", *reason]:
                return Refusal(" ".join(reason))
            case _:
                raise _unknown(line)


def _unknown(line: str) -> ValueError:
    return ValueError(_("not a line of the prober: {line!r}").format(line=line))


@dataclass(frozen=True)
class Gap:
    """A stretch of time without a good answer."""

    begin: float
    end: float

    @property
    def length(self) -> float:
        """Return how long it is."""
        return self.end - self.begin


def longest_gap(samples: Iterable[Sample]) -> Gap | None:
    """Return the longest time without a good answer between the first request and the end of the last.

    None when there are no samples. A gap lasts from the end of one good answer to the end of the next: what a client
    waits, never less than the page was really gone.
    """
    samples = list(samples)
    if not samples:
        return None
    moments = [
        min(sample.start for sample in samples),
        *sorted(sample.end for sample in samples if sample.good),
        max(sample.end for sample in samples),
    ]
    gaps = [Gap(begin, end) for begin, end in pairwise(moments)]
    return max(gaps, key=lambda gap: gap.length)


def first_served(
    samples: Iterable[Sample], owners: Mapping[str, str], by: str, since: float = float("-inf")
) -> Sample | None:
    """Return the earliest complete good answer by a machine, of those asked for at or after a moment."""
    served = [s for s in samples if s.good and s.start >= since and owner(s.page, owners) == by]
    return min(served, key=lambda sample: sample.end, default=None)


def gap_before(samples: Iterable[Sample], sample: Sample) -> Gap | None:
    """Return the time from the last good answer before a sample to that sample's end; None when there was none."""
    ends = [other.end for other in samples if other.good and other.end < sample.end]
    return Gap(max(ends), sample.end) if ends else None


def failed(samples: Iterable[Sample]) -> int:
    """Return how many requests got no good answer."""
    return sum(not sample.good for sample in samples)


@dataclass(frozen=True)
class Losses:
    """How many requests got no good answer around a fault, by what it can have to do with that.

    `failed` have no excuse, `unclear` may have begun before the fault or after it, `in_flight` were under way at it.
    """

    failed: int
    unclear: int
    in_flight: int


def losses(samples: Iterable[Sample], earliest: float, latest: float, patience: float) -> Losses:
    """Return what was lost around a fault that came into force between two moments of the samples' clock.

    What is under way when a server loses its power is lost with it, whoever shares its load. That excuses a request
    which had waited no longer than `patience`, the seconds that an answer may take, and no other: one that hung before
    was lost without the fault.
    """
    lost = [sample for sample in samples if not sample.good]
    unclear = sum(earliest <= sample.start < latest for sample in lost)
    in_flight = sum(earliest - patience <= sample.start < earliest <= sample.end for sample in lost)
    return Losses(len(lost) - unclear - in_flight, unclear, in_flight)


def slow(samples: Iterable[Sample], after: float) -> int:
    """Return how many good answers took longer than so many seconds."""
    return sum(sample.good and sample.duration > after for sample in samples)


def slowest(samples: Iterable[Sample]) -> float:
    """Return the seconds that the slowest good answer took, 0 without any."""
    return max((sample.duration for sample in samples if sample.good), default=0.0)


def rate(samples: Iterable[Sample]) -> float:
    """Return the requests a second that were really made, 0 when there are fewer than two."""
    starts = sorted(sample.start for sample in samples)
    spread = starts[-1] - starts[0] if starts else 0.0
    return (len(starts) - 1) / spread if spread > 0 else 0.0


def widest_spacing(samples: Iterable[Sample]) -> float:
    """Return the longest time between the starts of two consecutive requests: what may have gone unseen."""
    starts = sorted(sample.start for sample in samples)
    return max((later - earlier for earlier, later in pairwise(starts)), default=0.0)


def owner(page: str, owners: Mapping[str, str]) -> str:
    """Return the machine that a page belongs to: the one with the longest page that the text contains, else UNKNOWN."""
    matching = [machine for machine, text in owners.items() if text.strip() and text.strip() in page]
    return max(matching, key=lambda machine: len(owners[machine].strip()), default=UNKNOWN)


def distribution(samples: Iterable[Sample], owners: Mapping[str, str]) -> dict[str, int]:
    """Return how many good answers each machine gave, in the order of owners, those of unknown pages last."""
    counts = Counter(owner(sample.page, owners) for sample in samples if sample.good)
    return {machine: counts[machine] for machine in (*owners, UNKNOWN) if counts[machine]}


def uneven(counts: Mapping[str, int], over: Sequence[str], requests: int, tolerance: int) -> list[str]:
    """Return what is wrong with a distribution: a share too far from even, or somebody who should not serve."""
    share = requests / len(over)
    problems = [
        _("{machine} served {count} of {requests}, expected {share:g} (give or take {tolerance})").format(
            machine=machine, count=counts.get(machine, 0), requests=requests, share=share, tolerance=tolerance
        )
        for machine in over
        if abs(counts.get(machine, 0) - share) > tolerance
    ]
    problems += [_unexpected(machine, count) for machine, count in counts.items() if machine not in over and count]
    lost = requests - sum(counts.values())
    if lost > 0:
        text = n_(
            "{lost} of {requests} requests got no good answer", "{lost} of {requests} requests got no good answer", lost
        )
        problems.append(text.format(lost=lost, requests=requests))
    return problems


def _unexpected(machine: str, count: int) -> str:
    if machine == UNKNOWN:
        text = n_(
            "an unknown page came {count} times, expected never",
            "an unknown page came {count} times, expected never",
            count,
        )
    else:
        text = n_(
            "the page of {machine} came {count} times, expected never",
            "the page of {machine} came {count} times, expected never",
            count,
        )
    return text.format(machine=machine, count=count)
