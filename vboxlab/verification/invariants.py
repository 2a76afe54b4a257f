"""Judging what was to hold through a whole run: pure functions of its history.

A figure has two bounds: the least is what was surely so, the most what may have been, where a machine was silent. One
that is off is not silent: it holds nothing. One that only boots is silent from within; who answers by ARP in its
network is known all the same.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import pairwise

from vboxlab.language import NC_, _
from vboxlab.lazily import dataclass
from vboxlab.topology.invariants import AnswersInvariant, HoldersInvariant, InvariantStep
from vboxlab.verification.figures import Stretching
from vboxlab.verification.history import History, RunBegun, RunEnded
from vboxlab.verification.lanes import (
    Heard,
    Round,
    Span,
    cards,
    has_spoken,
    heard_of,
    joined_spans,
    lane,
    requests,
    rounds,
)
from vboxlab.verification.outages import STILL
from vboxlab.verification.report import Bar, Measurement, StepOutcome, StepReport
from vboxlab.verification.samples import Sample
from vboxlab.verification.sightings import SamplerBegun, SamplerEnded, WatchEnded

BLINK = 1.0  # seconds of silence, times the scale, that say nothing against an invariant: no sampler is quicker told of
SHOWN = 5  # violations in a report; the pictures have all


@dataclass(frozen=True)
class Moment:
    """A stretch of time, who surely had it in that time, and of whom nothing was known."""

    begin: float
    end: float
    who: tuple[str, ...]
    silent: tuple[str, ...]

    @property
    def length(self) -> float:
        """Return its seconds."""
        return self.end - self.begin

    @property
    def several(self) -> bool:
        """Tell whether several have it for sure."""
        return len(self.who) > 1

    @property
    def none(self) -> bool:
        """Tell whether none has it for sure."""
        return not self.who and not self.silent


def judge_invariant(history: History, number: int, step: InvariantStep, unjudged: StepReport) -> StepReport:
    """Return what came of an invariant. What nobody saw is unclear, whatever else was seen."""
    ended = history.last(WatchEnded) or history.last(RunEnded)
    until = ended.at if ended else history.records[-1].at
    begun = list(history.of(SamplerBegun, number))
    heard = {machine: heard_of(history, number, machine) for machine in step.machines}
    missing = [machine for machine, parts in heard.items() if not has_spoken(parts)]
    if missing:
        reasons = dict.fromkeys(
            f"{one.machine}: {one.reason}" for one in history.of(SamplerEnded, number) if one.reason
        )
        message = _("nothing was seen of {machines}").format(machines=", ".join(missing))
        return replace(unjudged, message=message, details=tuple(reasons), seconds=round(until, 3))
    begin = max(next(one.at for one in begun if one.machine == machine) for machine in step.machines)
    unjudged = replace(unjudged, seconds=round(until - begin, 3))
    if isinstance(step, AnswersInvariant):
        return _answers(history.run, heard[step.source], step, unjudged, until)
    names = cards(begun, step.on)
    return _holders(history.run, heard, names, step, unjudged, Span(begin, until, "unknown"))


def _holders(
    run: RunBegun, heard: Mapping[str, Heard], names: Mapping[str, str], step: HoldersInvariant,
    unjudged: StepReport, watched: Span,
) -> StepReport:  # fmt: skip
    own = max((run.own_seconds.get(machine, 0.0) for machine in step.on), default=0.0)
    stretching = Stretching(run.time_scale, own)
    still = max(STILL, 4 * step.every * run.time_scale)
    lanes = {machine: lane(heard[machine], watched.end, still) for machine in step.on}
    firsts = (next((span.begin for span in spans if span.state != "unknown"), 0.0) for spans in lanes.values())
    first = max(firsts, default=0.0)
    if 0.0 < first - watched.begin < still:  # from its beginning to its first word a sampler is not silent
        watched = replace(watched, begin=first)
    asked: list[Round] = []
    if step.source is not None:
        asked = rounds(heard[step.source], names, max(STILL, 2.0 * run.time_scale))
    moments = list(_moments(lanes, asked, watched))
    unsure = 2 * step.every * run.time_scale + 0.1
    unseen = max(BLINK, step.unseen_for) * run.time_scale
    several = _figure(
        NC_("figure", "several"), _("longest time in which several had it"), moments,
        lambda one: one.several, lambda one: len(one.who) + len(one.silent) > 1,
        (step.several_for, stretching.limit(step.several_for, waits=False)), (unsure, unseen),
    )  # fmt: skip
    found = [several]
    if step.exactly_one:
        limit = (step.none_for, stretching.limit(step.none_for, waits=True))
        found.append(_figure(
            NC_("figure", "without"), _("longest time in which none had it"), moments,
            lambda one: one.none, lambda one: not one.who, limit, (unsure, unseen),
        ))  # fmt: skip
    bars = {machine: tuple(_bars(lanes[machine], watched.begin)) for machine in step.on}
    if asked:
        bars[_("seen by ARP")] = tuple(_bars_of_rounds(asked, watched.begin))
    wrong = tuple(sorted(_wrongs(found), key=lambda bar: bar.begin))
    bars[_("violated")] = wrong
    return _told(unjudged, found, bars, watched)


def _moments(lanes: Mapping[str, Sequence[Span]], asked: Sequence[Round], watched: Span) -> Iterator[Moment]:
    edges = {watched.begin, watched.end}
    edges |= {span.begin for spans in lanes.values() for span in spans}
    edges |= {edge for one in asked for edge in (one.begin, one.end)}
    begins = {machine: [span.begin for span in spans] for machine, spans in lanes.items()}
    starts = [one.begin for one in asked]
    for begin, end in pairwise(sorted(edge for edge in edges if watched.begin <= edge <= watched.end)):
        at = {machine: spans[bisect_right(begins[machine], begin) - 1].state for machine, spans in lanes.items()}
        place = bisect_right(starts, begin) - 1
        answered = asked[place].who if place >= 0 and begin < asked[place].end else None
        yield _moment(begin, end, at, answered)


def _moment(begin: float, end: float, at: Mapping[str, str], answered: frozenset[str] | None) -> Moment:
    who = {machine for machine, state in at.items() if state == "holds"}
    silent = {machine for machine, state in at.items() if state == "unknown"}
    if answered is not None:
        who |= silent & answered
        who |= answered - set(at)  # somebody else in the network
        if len(answered) > 1 or not who:
            who |= answered
        silent = set()
    return Moment(begin, end, tuple(sorted(who)), tuple(sorted(silent)))


@dataclass(frozen=True)
class _Found:
    measurement: Measurement
    sure: tuple[Moment, ...]
    doubted: tuple[Moment, ...]


def _figure(
    name: str, meaning: str, moments: Sequence[Moment], sure: Callable[[Moment], bool],
    maybe: Callable[[Moment], bool], limit: tuple[float, float], margins: tuple[float, float],
) -> _Found:  # fmt: skip
    unsure, unseen = margins
    surely, perhaps = list(_stays(moments, sure)), list(_stays(moments, maybe))
    wrong = tuple(one for one in surely if one.length - unsure > limit[1])
    doubted = tuple(one for one in perhaps if one.length > max(limit[1] + unsure, unseen) and one.silent)
    least = max((max(0.0, one.length - unsure) for one in surely), default=0.0)
    most = max((one.length for one in perhaps), default=0.0)
    outcome: StepOutcome = "failed" if wrong else "unclear" if doubted else "passed"
    figure = Measurement(name, meaning, "s", round(least, 3), round(max(most, least), 3), *limit, outcome)
    return _Found(figure, wrong, () if wrong else doubted)


def _stays(moments: Iterable[Moment], holds: Callable[[Moment], bool]) -> Iterator[Moment]:
    found: list[Moment] = []
    for one in moments:
        if holds(one):
            found.append(one)
        elif found:
            yield _stay(found)
            found = []
    if found:
        yield _stay(found)


def _stay(found: Sequence[Moment]) -> Moment:
    who = dict.fromkeys(name for one in found for name in one.who)
    silent = dict.fromkeys(name for one in found for name in one.silent)
    return Moment(found[0].begin, found[-1].end, tuple(who), tuple(silent))


def _bars(spans: Iterable[Span], since: float) -> Iterator[Bar]:
    for span in spans:
        if span.end > since:
            yield Bar(round(max(span.begin, since), 3), round(span.end, 3), span.state)


def _bars_of_rounds(asked: Iterable[Round], since: float) -> Iterator[Bar]:
    spans = (Span(one.begin, one.end, "holds" if one.who else "free") for one in asked)
    yield from _bars(joined_spans(spans), since)


def _wrongs(found: Iterable[_Found]) -> Iterator[Bar]:
    for one in found:
        for stay in one.sure:
            yield Bar(round(stay.begin, 3), round(stay.end, 3), "wrong")
        for stay in one.doubted:
            yield Bar(round(stay.begin, 3), round(stay.end, 3), "unknown")


def _told(
    unjudged: StepReport, found: Sequence[_Found], bars: Mapping[str, tuple[Bar, ...]], watched: Span
) -> StepReport:
    outcomes = [one.measurement.outcome for one in found]
    outcome: StepOutcome = next((o for o in ("failed", "unclear") if o in outcomes), "passed")
    lines = [line for one in found for line in _lines(one)]
    if not lines:
        text = _("it held for all of {seconds:.0f} s")
        lines = [text.format(seconds=watched.end - watched.begin)]
    more = len(lines) - SHOWN
    if more > 0:
        lines = [*lines[:SHOWN], _("and {count} more").format(count=more)]
    return replace(
        unjudged,
        outcome=outcome,
        message=lines[0],
        details=tuple(lines[1:]),
        measurements=tuple(one.measurement for one in found),
        bars={name: each for name, each in bars.items() if each},
    )


def _lines(found: _Found) -> Iterator[str]:
    for stay in found.sure:
        if found.measurement.name == "several":
            text = _("{machines} had it at once for {seconds:.1f} s, from {moment:.1f} s after the beginning on")
        elif found.measurement.name == "failing":
            text = _("no good answer for {seconds:.1f} s, from {moment:.1f} s after the beginning on")
        else:
            text = _("none had it for {seconds:.1f} s, from {moment:.1f} s after the beginning on")
        yield text.format(machines=", ".join(stay.who), seconds=stay.length, moment=stay.begin)
    for stay in found.doubted:
        text = _("{machines} said nothing for {seconds:.1f} s, from {moment:.1f} s after the beginning on")
        yield text.format(machines=", ".join(stay.silent), seconds=stay.length, moment=stay.begin)


def _answers(run: RunBegun, heard: Heard, step: AnswersInvariant, unjudged: StepReport, until: float) -> StepReport:
    own = max(run.own_seconds.values(), default=0.0)
    limit = Stretching(run.time_scale, own).limit(step.failing_for, waits=True)
    scale = run.time_scale
    moments: list[Moment] = []
    begin = until
    for samples in requests(heard):
        if not samples:
            continue
        begin = min(begin, samples[0].start)
        if moments:
            moments.append(Moment(moments[-1].end, samples[0].start, (), (step.source,)))
        moments += _answering(samples, step.source, max(STILL, 4 * step.every * scale))
    if not moments:
        return replace(unjudged, message=_("no request was made"))
    if until - moments[-1].end > max(STILL, (4 * step.every + step.timeout) * scale):
        moments.append(Moment(moments[-1].end, until, (), (step.source,)))
    found = _figure(
        NC_("figure", "failing"), _("longest time without a good answer"), moments, lambda one: one.none,
        lambda one: not one.who, (step.failing_for, limit), (0.0, BLINK * scale),
    )  # fmt: skip
    spans = [Span(one.begin, one.end, "holds" if one.who else "unknown" if one.silent else "free") for one in moments]
    bars = {step.asked: tuple(_bars(joined_spans(spans), 0.0)), _("violated"): tuple(_wrongs([found]))}
    return _told(unjudged, [found], bars, Span(begin, until, "unknown"))


def _answering(samples: Sequence[Sample], source: str, still: float) -> Iterator[Moment]:
    """Yield from each request's beginning to the next one's whether it was answered well."""
    ends = [*(after.start for after in samples[1:]), samples[-1].end]
    for one, end in zip(samples, ends, strict=True):
        who = (source,) if one.good else ()
        if end - one.start > still + one.duration:
            yield Moment(one.start, one.end, who, ())
            yield Moment(one.end, end, (), (source,))
        else:
            yield Moment(one.start, max(end, one.start), who, ())
