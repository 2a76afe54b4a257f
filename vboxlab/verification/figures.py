"""What a measure comes to: figures with their bounds, held against their limits. Pure.

The figures are kept apart, because they have different causes:

    cause ──detection──> a peer says "dead" ──takeover──> page served again
          └──────────────────interruption──────────────────────┘

Detection and take-over cross machines, so they carry the uncertainty of the clocks; the interruption is seen by the
client alone, and known as closely as its requests are spaced.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import field, replace
from functools import reduce

from vboxlab.language import C_, N_, NC_, _, n_
from vboxlab.lazily import dataclass
from vboxlab.topology.scenario import Measure
from vboxlab.verification.clocks import Interval, exactly
from vboxlab.verification.outages import Losses, Outage, Watched, longest_gap, loss_over_time, losses, outage, slow
from vboxlab.verification.pace import pace
from vboxlab.verification.report import Evidence, Measurement, Stage, StepOutcome, Unit
from vboxlab.verification.samples import (
    UNKNOWN,
    Owners,
    Sample,
    distribution,
    first_served,
    slowest,
    widest_spacing,
)

FOREVER = float("inf")


@dataclass(frozen=True)
class Observation:
    """Everything seen around a cause. `cause` and `detected` are on the host's clock, `offset` is host minus client.

    `listened` is the host's moment until which nobody had told of the death, where it was listened for; `gave_up` says
    why it was not waited longer.
    """

    watched: Watched
    cause: Interval | None  # None: nothing was done, as the page was not served before
    offset: Interval
    detected: Interval | None = None
    listened: float | None = None
    gave_up: str = ""
    evidence: tuple[Evidence, ...] = ()
    stages: tuple[Stage, ...] = ()

    @property
    def at(self) -> Interval:
        """Return the cause on the client's clock."""
        assert self.cause is not None  # noqa: S101 -- asked only of what was caused
        return self.cause.minus(self.offset)


@dataclass(frozen=True)
class Stretching:
    """How limits stretch: times the scale, but for what programs wait by their own settings (`own`, seconds)."""

    scale: float
    own: float = 0.0

    def limit(self, seconds: float, *, waits: bool) -> float:
        """Return a limit for the speed of these machines; `waits`: the programs' own waiting is in it."""
        own = min(self.own, seconds) if waits else 0.0
        return round(own + (seconds - own) * self.scale, 3)


@dataclass(frozen=True)
class Result:
    """What a measure came to."""

    outcome: StepOutcome
    message: str
    problems: tuple[str, ...]
    measurements: tuple[Measurement, ...] = ()
    facts: Mapping[str, str] = field(default_factory=dict)
    moments: Mapping[str, Interval] = field(default_factory=dict)
    stages: tuple[Stage, ...] = ()


def evaluate(measure: Measure, seen: Observation, owners: Owners, stretching: Stretching) -> Result:
    """Return what an observation comes to: failed when something is surely wrong, unclear when it may be."""
    if seen.cause is None:
        problem = _("{url} was not served steadily for {seconds:g} s before, so nothing was done").format(
            url=measure.asked, seconds=measure.before * stretching.scale
        )
        problems = [problem, seen.gave_up] if seen.gave_up else [problem]
        return Result("failed", problem, tuple(problems))
    judging = _Judging(measure, seen, owners, stretching)
    figures = [judging.limited(figure) for figure in judging.figures()]
    problems = [judging.problem(figure) for figure in figures if figure.outcome == "failed"]
    problems += judging.absent()
    doubts = [judging.doubt(figure) for figure in figures if figure.outcome == "unclear" and judging.is_watched_closely]
    doubts += judging.doubts()
    outcome: StepOutcome = "failed" if problems else "unclear" if doubts else "passed"
    return Result(
        outcome,
        judging.headline(figures),
        (*problems, *doubts),
        tuple(figures),
        judging.facts(),
        judging.moments(),
        tuple(judging.stages()),
    )


class _Judging:
    def __init__(self, measure: Measure, seen: Observation, owners: Owners, stretching: Stretching) -> None:
        self._measure, self._seen, self._owners, self._stretching = measure, seen, owners, stretching
        watched, scale = seen.watched, stretching.scale
        self._slow_after = measure.slow_after * scale
        self._pace = pace(watched, measure.every * scale, one_at_a_time=bool(measure.run))
        self._lost: Losses = losses(watched, seen.at, self._slow_after)
        firsts = [first_served(watched.samples, owners, m, seen.at.low) for m in measure.served_by]
        self._firsts = dict(zip(measure.served_by, firsts, strict=True))
        self._outage: Outage | None = outage(watched, seen.at, firsts, measure.observe * scale)

    @property
    def is_watched_closely(self) -> bool:
        """Tell whether enough requests were made for the figures to mean something."""
        return self._pace is None or self._pace.is_enough

    def _served_on(self) -> list[str]:
        """Return who of served_by served before the cause already, where nothing was lost: nothing was interrupted."""
        if self._outage is not None and self._outage.length.low > 0:
            return []
        good = [s for s in self._seen.watched.good if s.end <= self._seen.at.low]
        return [m for m in self._measure.served_by if any(self._owners.served(s) == m for s in good)]

    def _last_first(self) -> Sample | None:
        """Return the answer with which all of served_by have served since the cause, None when one has not."""
        found = [first for first in self._firsts.values() if first is not None]
        return max(found, key=lambda sample: sample.end) if len(found) == len(self._firsts) else None

    def figures(self) -> Iterator[Measurement]:
        """Yield all figures, without limits."""
        measure, seen = self._measure, self._seen
        assert seen.cause is not None  # noqa: S101 -- evaluate has returned before
        last_first = self._last_first()
        served = None if last_first is None else Interval(last_first.start, last_first.end).plus(seen.offset)
        if measure.detection:
            yield from self._told_dead(served)
        by = reduce(lambda some, one: _("{first} and {second}").format(first=some, second=one), measure.served_by)
        if served_on := self._served_on():
            who = ", ".join(served_on)
            meaning = _("not meaningful: {machines} served it before already").format(machines=who)
            yield _time(NC_("figure", "interruption"), meaning, None)
        else:
            meaning = _("page gone since the cause -> served steadily by {machines}").format(machines=by)
            yield _time(NC_("figure", "interruption"), meaning, self._outage.length if self._outage else None)
        meaning = _("cause -> first good answer by {machines}").format(machines=by)
        yield _time(NC_("figure", "served_after"), meaning, served.minus(seen.cause) if served else None)
        meaning = _("longest time without a good answer")
        yield _time(NC_("figure", "longest_gap"), meaning, longest_gap(seen.watched, seen.at.low))
        yield from self._counts()

    def _told_dead(self, served: Interval | None) -> Iterator[Measurement]:
        measure, seen = self._measure, self._seen
        assert measure.detection is not None and seen.cause is not None  # noqa: S101, PT018 -- asked before
        meaning = _("cause -> {peer} says that {machine} is dead").format(
            peer=measure.detection.on, machine=measure.detection.node
        )
        if seen.detected is not None:
            value: Interval | None = seen.detected.minus(seen.cause)
        else:
            value = Interval(seen.listened - seen.cause.high, FOREVER) if seen.listened is not None else None
        yield _time(NC_("figure", "detection"), meaning, value)
        if self._served_on():  # nobody takes anything over, and a limit of it must not pass
            who = ", ".join(self._served_on())
            meaning = _("not meaningful: {machines} served it before already").format(machines=who)
            yield _time(NC_("figure", "takeover"), meaning, None)
            return
        between = served.minus(seen.detected) if served and seen.detected else None
        yield _time(NC_("figure", "takeover"), _("said to be dead -> page served again"), between)

    def _counts(self) -> Iterator[Measurement]:
        """Yield the numbers of lost and of slow requests; what was under way at the cause is counted apart."""
        lost, seen = self._lost, self._seen
        after = [s for s in seen.watched.samples if s.start >= seen.at.high]
        most = lost.failed + lost.unclear
        if after:
            share = Interval(100 * lost.failed / len(after), 100 * most / len(after))
            meaning = _("of the requests begun since the cause got no good answer")
            yield Measurement(NC_("figure", "loss"), meaning, "%", round(share.low, 1), round(share.high, 1))
        without = _("requests of {count} without a good answer").format(count=len(seen.watched.samples))
        yield Measurement(NC_("figure", "failed"), without, "requests", lost.failed, most)
        beside = _("lost beside them: begun before the cause was in force")
        yield Measurement(NC_("figure", "in_flight"), beside, "requests", lost.in_flight, lost.in_flight)
        late = _("good answers slower than {seconds:g} s").format(seconds=self._slow_after)
        count = slow(seen.watched, seen.at.low, self._slow_after)
        yield Measurement(NC_("figure", "slow"), late, "requests", count.low, count.high)

    def limited(self, figure: Measurement) -> Measurement:
        """Hold a figure against its limit: failed when it is surely above, unclear when it may be."""
        limit = getattr(self._measure.limits, figure.name, None)
        if limit is None:
            return figure
        waits = figure.name != "takeover"
        scaled = self._stretching.limit(limit, waits=waits) if figure.unit == "s" else limit
        outcome: StepOutcome = "unclear"
        if not self.is_watched_closely:
            pass  # too much may have gone unseen, for better or worse
        elif figure.most is not None and figure.most <= scaled:
            outcome = "passed"
        elif figure.least is not None and figure.least > scaled:
            outcome = "failed"
        return replace(figure, limit=limit, scaled_limit=scaled, outcome=outcome)

    def problem(self, figure: Measurement) -> str:
        """Say by how much a figure is above its limit."""
        name, least, limit = C_("figure", figure.name), figure.least or 0.0, figure.scaled_limit
        if figure.name == "failed":
            text = n_(
                "{actual:g} requests failed, the limit is {limit:g} requests",
                "{actual:g} requests failed, the limit is {limit:g} requests",
                int(least),
            )
        elif figure.unit == "requests":
            text = n_(
                "{actual:g} requests slow, the limit is {limit:g} requests",
                "{actual:g} requests slow, the limit is {limit:g} requests",
                int(least),
            )
        elif figure.most is None:
            text = _("{figure} took more than {actual:.1f} s, the limit is {limit:g} s")
        else:
            text = _("{figure} took {actual:.1f} s, the limit is {limit:g} s")
            least = figure.most
        return text.format(figure=name, actual=least, limit=limit)

    def doubt(self, figure: Measurement) -> str:
        """Say why it cannot be told whether a figure is within its limit."""
        name, limit = C_("figure", figure.name), figure.scaled_limit
        if figure.least is None:
            text = _("{figure} could not be seen ({meaning}); the limit is {limit:g} s")
            return text.format(figure=name, meaning=figure.meaning, limit=limit)
        if figure.most is None:
            text = _("{figure} took more than {least:.1f} s and its end was not seen, the limit is {limit:g}")
            return text.format(figure=name, least=figure.least, limit=limit)
        text = _("{figure} lies between {least:g} and {most:g}, the limit is {limit:g}")
        return text.format(figure=name, least=round(figure.least, 2), most=round(figure.most, 2), limit=limit)

    def absent(self) -> list[str]:
        """Return who of served_by has not served since the cause, or that the page was gone again."""
        missing = [machine for machine, first in self._firsts.items() if first is None]
        text, cause = _("{machine} did not serve {url} after {cause}"), self._measure.cause_words
        problems = [text.format(machine=machine, url=self._measure.asked, cause=cause) for machine in missing]
        if problems:
            return [*problems, self._seen.gave_up] if self._seen.gave_up else problems
        if self._outage is not None and self._outage.restored is None:
            last = self._last_first()
            since = last.start if last else self._seen.at.low
            later = [s for s in self._seen.watched.samples if s.start > since]
            count = sum(not sample.good for sample in later)
            text = n_(
                "{url} did not become steady: {count} of {requests} requests after the first good answer was lost",
                "{url} did not become steady: {count} of {requests} requests after the first good answer were lost",
                count,
            )
            return [text.format(url=self._measure.asked, count=count, requests=len(later))]
        return []

    def doubts(self) -> list[str]:
        """Return what makes the figures as a whole doubtful."""
        found = []
        if self._lost.before:
            text = n_(
                "{count} request was lost before the cause already, so what followed may not come from it",
                "{count} requests were lost before the cause already, so what followed may not come from it",
                self._lost.before,
            )
            found.append(text.format(count=self._lost.before))
        if self._outage is not None and self._outage.is_doubtful:
            text = _("requests to {url} were given up while nothing could be seen, so it may not have become steady")
            found.append(text.format(url=self._measure.asked))
        if self._pace is not None and not self._pace.is_enough:
            text = _("only {rate:.1f} of {asked:.1f} requests a second could be made")
            found.append(text.format(rate=self._pace.kept, asked=self._pace.asked))
        return found

    def headline(self, figures: list[Measurement]) -> str:
        """Return the figures that matter most, in a line."""
        named = {figure.name: figure for figure in figures}
        first = "longest_gap" if self._served_on() else "interruption"
        parts = [_said(C_("figure", first), named[first])]
        parts += [_said(C_("figure", name), named[name]) for name in ("detection", "takeover") if name in named]
        if self._measure.measure == "failback":
            parts.insert(0, _said(_("served again after"), named["served_after"]))
        failed, in_flight = int(named["failed"].most or 0), self._lost.in_flight
        lost = n_("{count} request lost", "{count} requests lost", failed).format(count=failed)
        if in_flight:
            text = n_("{lost} and {count} that was under way", "{lost} and {count} that were under way", in_flight)
            lost = text.format(lost=lost, count=in_flight)
        return ", ".join([*parts, lost])

    def moments(self) -> dict[str, Interval]:
        """Return when what happened, in seconds since the first request."""
        seen = self._seen
        zero = exactly(seen.watched.samples[0].start if seen.watched.samples else seen.at.low)
        found = {"cause": seen.at.minus(zero)}
        if seen.detected is not None:
            found["dead"] = seen.detected.minus(seen.offset).minus(zero)
        if self._outage is not None and not self._served_on():
            back = self._outage.restored.end if self._outage.restored else seen.watched.end
            found["gone"] = Interval(self._outage.begin.high, max(back, self._outage.begin.high)).minus(zero)
        return {name: Interval(round(one.low, 3), round(one.high, 3)) for name, one in found.items()}

    def stages(self) -> Iterator[Stage]:
        """Yield the steps of the take-over in seconds since the cause, where a word of the death began it.

        The first answer ends it, unless the survivors served before it already.
        """
        seen, last = self._seen, self._last_first()
        if seen.detected is None or seen.cause is None or last is None:
            return
        found = [Stage(N_("said to be dead"), seen.detected)]
        if self._served_on():
            found += seen.stages
        else:
            served = Interval(last.start, last.end).plus(seen.offset)
            told = [stage for stage in seen.stages if stage.moment.low <= served.high]
            found += [*told, Stage(N_("first answer"), served)]
        for stage in found:
            since = stage.moment.minus(seen.cause)
            yield Stage(stage.name, Interval(round(max(0.0, since.low), 3), round(max(0.0, since.high), 3)))

    def facts(self) -> dict[str, str]:
        """Return further figures, ready to print."""
        watched = self._seen.watched
        counts = distribution(watched.samples, self._owners)
        unknown = _("unknown page")
        named = [f"{unknown if machine == UNKNOWN else machine} {count}" for machine, count in counts.items()]
        found = {
            N_("requests"): str(len(watched.samples)),
            N_("served by"): ", ".join(named) or _("nobody"),
            N_("sampling"): self._sampling(),
            N_("slowest good answer"): f"{slowest(watched.samples):.2f} s",
        }
        if lossy := [one for one in loss_over_time(watched.samples, self._seen.at.low) if one.lost]:
            shown = [f"{one.second} s {one.lost}/{one.asked}" for one in lossy[:20]]
            found[N_("lost, second by second")] = ", ".join([*shown, "…"] if len(lossy) > len(shown) else shown)
        if seconds := watched.still(watched.samples[0].start if watched.samples else 0.0, watched.end):
            found[N_("nothing could be seen for")] = f"{seconds:.1f} s"
        return found

    def _sampling(self) -> str:
        spacing = widest_spacing(self._seen.watched.samples)
        if self._pace is None:
            return _("widest spacing {spacing:.2f} s").format(spacing=spacing)
        text = _("{rate:.1f} of {asked:.1f} requests a second, widest spacing {spacing:.2f} s")
        return text.format(rate=self._pace.kept, asked=self._pace.asked, spacing=spacing)


def _time(name: str, meaning: str, value: Interval | None) -> Measurement:
    unit: Unit = "s"
    if value is None:
        return Measurement(name, meaning, unit, None, None)
    most = None if value.high == FOREVER else round(max(0.0, value.high), 3)
    return Measurement(name, meaning, unit, round(max(0.0, value.low), 3), most)


def _said(name: str, figure: Measurement) -> str:
    name = name.replace("_", " ")
    if figure.most is None:
        return _("{figure} not seen").format(figure=name)
    return _("{figure} {seconds:.1f} s").format(figure=name, seconds=figure.most)
