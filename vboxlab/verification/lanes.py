"""What samplers saw, as stretches of time: each machine has what was looked for, has it not, is off, or is not known.

Pure. Times are seconds since the run began; those of guests are put on that clock by the words that took the least time
to arrive.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import field
from itertools import pairwise
from typing import Literal

from vboxlab.lazily import dataclass
from vboxlab.verification.history import Beat, History, Request
from vboxlab.verification.outages import STILL
from vboxlab.verification.samples import Sample
from vboxlab.verification.sightings import Claimed, PowerSeen, SamplerBegun, SamplerEnded, Sighted

State = Literal["holds", "free", "off", "unknown"]
OFF = ("off", "saved")


@dataclass(frozen=True)
class Span:
    """A stretch of time in which a machine was in one state."""

    begin: float
    end: float
    state: State


@dataclass
class Session:
    """What came from one sampler between its first word and its last."""

    at: float
    words: list[Sighted | Claimed | Beat | Request] = field(default_factory=list)

    @property
    def offset(self) -> float:
        """Return the run's clock minus the machine's, at most too great by what the quickest word took to arrive."""
        told = [(word, word.told if isinstance(word, Claimed) else word.monotonic)
                for word in self.words if not isinstance(word, Request)]  # fmt: skip
        return min((word.at - moment for word, moment in told), default=0.0)


Heard = Sequence[Session | PowerSeen | SamplerEnded]
"""What came of one machine's sampler in a step, in order: sessions, their ends, and the power between."""


def heard_of(history: History, step: int, machine: str) -> Heard:
    """Return what came of a machine's sampler in a step."""
    found: list[Session | PowerSeen | SamplerEnded] = []
    current: Session | None = None
    for record in history.records:
        if getattr(record, "step", None) != step or getattr(record, "machine", machine) != machine:
            continue
        match record:
            case SamplerBegun():
                current = Session(record.at)
                found.append(current)
            case PowerSeen() | SamplerEnded():
                found.append(record)
            case Sighted() | Claimed() | Beat() | Request() if current is not None:
                current.words.append(record)
    return found


def has_spoken(heard: Heard) -> bool:
    """Tell whether a machine's sampler has said anything but that it is there."""
    return any(isinstance(part, Session) and part.words for part in heard)


def lane(heard: Heard, until: float, still: float = STILL) -> tuple[Span, ...]:
    """Return the states of a machine from the run's beginning until a moment. `still`: longer silence is not known."""
    line = _Line(still)
    for part in heard:
        match part:
            case Session(words=words):
                offset = part.offset
                for word in words:
                    if isinstance(word, Sighted):
                        line.say(word.monotonic + offset, word.holds)
            case SamplerEnded():
                line.fall_silent()
            case PowerSeen(at=at, power=power):
                line.power(at, power in OFF)
    if line.last is not None and until - line.last > still:
        line.fall_silent()
    return joined_spans(_between(line.points, until))


@dataclass
class _Line:
    """What is known of a machine so far: from each moment on it is in the state beside it."""

    still: float
    points: list[tuple[float, State]] = field(default_factory=lambda: [(0.0, "unknown")])
    last: float | None = None
    is_off: bool = False

    def say(self, moment: float, holds: bool | None) -> None:
        if self.last is not None and moment - self.last > self.still:
            self.fall_silent()
        self.points.append((moment, "unknown" if holds is None else "holds" if holds else "free"))
        self.is_off, self.last = False, moment

    def fall_silent(self) -> None:
        if self.last is not None and not self.is_off:
            self.points.append((self.last, "unknown"))

    def power(self, moment: float, is_off: bool) -> None:
        if is_off:
            self.fall_silent()
            self.points.append((moment, "off"))
        elif self.is_off:
            self.points.append((moment, "unknown"))
        self.is_off = is_off


def _between(points: Iterable[tuple[float, State]], until: float) -> Iterator[Span]:
    """Yield what the points say, in the order of time; of those at one moment the last counts."""
    ordered = [*sorted(points, key=lambda point: point[0]), (until, "unknown")]
    for (begin, state), (end, _next) in pairwise(ordered):
        if end > begin and begin < until:
            yield Span(begin, min(end, until), state)


def joined_spans(spans: Iterable[Span]) -> tuple[Span, ...]:
    """Return spans with neighbours of one state made one."""
    found: list[Span] = []
    for span in spans:
        if found and found[-1].state == span.state and span.begin - found[-1].end < 1e-6:
            found[-1] = Span(found[-1].begin, span.end, span.state)
        else:
            found.append(span)
    return tuple(found)


@dataclass(frozen=True)
class Round:
    """A question by ARP: who answered it, and from when to when that is taken to hold."""

    begin: float
    end: float
    who: frozenset[str]


def rounds(heard: Heard, names: Mapping[str, str], still: float = STILL) -> list[Round]:
    """Return the questions of a machine. `names` has the machine of each card; a strange card stands for itself."""
    asked: list[tuple[float, frozenset[str]]] = []
    for part in heard:
        if isinstance(part, Session):
            offset = part.offset
            for word in part.words:
                if isinstance(word, Claimed):
                    who = frozenset(names.get(card, card) for card in word.cards)
                    asked.append((word.monotonic + offset, who))
    ends = [min(after, moment + still) for (moment, _who), (after, _next) in pairwise(asked)]
    return [Round(moment, end, who) for (moment, who), end in zip(asked, ends, strict=False)]


def cards(begun: Iterable[SamplerBegun], machines: Iterable[str]) -> dict[str, str]:
    """Return the machine of each hardware address that samplers of some machines told."""
    wanted = set(machines)
    return {card: one.machine for one in begun if one.machine in wanted for card in one.cards}


def requests(heard: Heard) -> list[list[Sample]]:
    """Return the requests of a prober by its sessions, on the run's clock, in the order of their starts."""
    found = []
    for part in heard:
        if isinstance(part, Session):
            offset = part.offset
            asked = (word for word in part.words if isinstance(word, Request))
            samples = (Sample(one.start + offset, one.duration, one.outcome, one.status) for one in asked)
            found.append(sorted(samples, key=lambda sample: sample.start))
    return found
