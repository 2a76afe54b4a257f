"""Requests of a prober and what they say of a service: who served, how many were lost. Pure; times are seconds."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from typing import Literal, get_args
from urllib.parse import unquote

from vboxlab.language import NC_, _, n_
from vboxlab.lazily import dataclass

Outcome = Literal["ok", "refused", "timeout", "broken", "unreachable", "untrusted", "failed"]
OUTCOMES: tuple[str, ...] = get_args(Outcome)
WORDS: dict[Outcome, str] = {
    "ok": NC_("request", "ok"),
    "refused": NC_("request", "refused"),
    "timeout": NC_("request", "timeout"),
    "broken": NC_("request", "broken"),
    "unreachable": NC_("request", "unreachable"),
    "untrusted": NC_("request", "untrusted"),
    "failed": NC_("request", "failed"),
}
UNKNOWN = "?"
"""Stands for whoever serves a page that no machine of the topology has."""


@dataclass(frozen=True)
class Sample:
    """One request that ended. `start` is on the monotonic clock of the machine that asked.

    `status` is that of a page, or what a command ended with that failed, 0 of anything else; `page` is the beginning of
    what came, for people; `marks` are the numbers of the texts asked for that it contains.
    """

    start: float
    duration: float
    outcome: Outcome
    status: int = 0
    page: str = ""
    marks: tuple[int, ...] = ()

    @property
    def end(self) -> float:
        """Return the moment when the answer was complete, or given up."""
        return self.start + self.duration

    @property
    def good(self) -> bool:
        """Tell whether the page was served, or what else was asked for was answered."""
        return self.outcome == "ok" and (self.status == 0 or 200 <= self.status < 400)


@dataclass(frozen=True)
class ClockReading:
    """Both clocks of the sampling machine at one moment: the prober was at work then. `begun` counts its requests."""

    monotonic: float
    real: float
    begun: int = 0


@dataclass(frozen=True)
class End:
    """All requests of the prober have ended; `begun` counts them."""

    begun: int


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
        try:
            return self._read(line)
        except ValueError:
            raise ValueError(_("not a line of the prober: {line!r}").format(line=line)) from None

    def _read(self, line: str) -> Sample | ClockReading | End | Refusal | None:
        match line.split():
            case ["S", start, duration, outcome, status, marks, page] if outcome in OUTCOMES:
                if page not in self._pages:
                    raise ValueError(page)
                held = () if marks == "-" else tuple(int(mark) for mark in marks.split(","))
                return Sample(float(start), float(duration), outcome, int(status), self._pages[page], held)  # type: ignore[arg-type]
            case ["C", monotonic, real, begun]:
                return ClockReading(float(monotonic), float(real), int(begun))
            case ["B", page, *text]:
                self._pages[page] = unquote(text[0]) if text else ""
                return None
            case ["E", begun]:
                return End(int(begun))
            case ["X", *reason]:
                return Refusal(" ".join(reason))
            case _:
                raise ValueError(line)


@dataclass(frozen=True)
class Owners:
    """The machines that may serve, by the texts that tell them apart: `texts` has one for each of `machines`."""

    machines: tuple[str, ...]
    texts: tuple[str, ...]

    @classmethod
    def of(cls, pages: Mapping[str, str]) -> Owners:
        """Return the owners of some pages; an empty page tells nobody apart."""
        told = {machine: page.strip() for machine, page in pages.items() if page.strip()}
        return cls(tuple(told), tuple(told.values()))

    def served(self, sample: Sample) -> str:
        """Return the machine whose text the page contains, that with the longest of them, else UNKNOWN."""
        held = [mark for mark in sample.marks if mark < len(self.texts)]
        return self.machines[max(held, key=lambda mark: len(self.texts[mark]))] if held else UNKNOWN


def first_served(samples: Iterable[Sample], owners: Owners, by: str, since: float = float("-inf")) -> Sample | None:
    """Return the earliest complete good answer by a machine, of those asked for at or after a moment."""
    served = [s for s in samples if s.good and s.start >= since and owners.served(s) == by]
    return min(served, key=lambda sample: sample.end, default=None)


def failed(samples: Iterable[Sample]) -> int:
    """Return how many requests got no good answer."""
    return sum(not sample.good for sample in samples)


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


def distribution(samples: Iterable[Sample], owners: Owners) -> dict[str, int]:
    """Return how many good answers each machine gave, in the order of owners, those of unknown pages last."""
    counts = Counter(owners.served(sample) for sample in samples if sample.good)
    return {machine: counts[machine] for machine in (*owners.machines, UNKNOWN) if counts[machine]}


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
