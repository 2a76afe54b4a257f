"""Carrying out the measures of a scenario: sample a page, cause a fault, and say how long the page was gone.

The figures are kept apart, because they have different causes:

    cause ──detection──> a peer says "dead" ──takeover──> page served again
    last good answer ─────────interruption──────────────> first good answer by served_by

The first two cross machines, so they carry the uncertainty of the clocks; the interruption is seen by the client alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import field, replace
from functools import reduce

from vboxlab.language import C_, N_, NC_, _, n_
from vboxlab.lazily import dataclass
from vboxlab.topology.scenario import Detection, Measure
from vboxlab.verification.clocks import Interval, combine, exactly, measure_offset
from vboxlab.verification.faults import Faults
from vboxlab.verification.probes import Prober, ProbeSpec, good_for, probing
from vboxlab.verification.readings import JournalLine, journal_script, parse_journal
from vboxlab.verification.report import Evidence, Measurement, StepOutcome, Unit
from vboxlab.verification.samples import (
    UNKNOWN,
    WORDS,
    Sample,
    distribution,
    first_served,
    gap_before,
    longest_gap,
    losses,
    owner,
    rate,
    slow,
    slowest,
    widest_spacing,
)
from vboxlab.verification.subject import LabUnderTest, page_owners
from vboxlab.waiting import Deadline

CLOCK_READINGS = 3  # of a machine whose times are compared with another's


@dataclass(frozen=True)
class Observation:
    """Everything seen around a fault. `cause` and `detected` are on the host's clock, `offset` is host minus client."""

    samples: tuple[Sample, ...]
    cause: Interval | None  # None: the fault was not injected, as the page was not served before
    offset: Interval
    detected: Interval | None = None
    evidence: tuple[Evidence, ...] = ()


@dataclass(frozen=True)
class Result:
    """What a measure came to."""

    outcome: StepOutcome
    message: str
    problems: tuple[str, ...]
    measurements: tuple[Measurement, ...] = ()
    facts: Mapping[str, str] = field(default_factory=dict)
    evidence: tuple[Evidence, ...] = ()
    samples: tuple[Sample, ...] = ()


def carry_out(measure: Measure, lab: LabUnderTest, faults: Faults, time_scale: float) -> Result:
    """Sample the page around the fault and return the figures.

    Raises GuestError, WaitTimeout, InfrastructureTrouble and the driver's errors when it cannot be done.
    """
    owners = page_owners(lab.topology)
    return evaluate(measure, observe(measure, lab, faults, time_scale), owners, time_scale)


def observe(measure: Measure, lab: LabUnderTest, faults: Faults, time_scale: float) -> Observation:
    """Do the experiment and return what was seen."""
    owners = page_owners(lab.topology)
    detection = measure.detection
    client = lab.executor(measure.source)
    spec = _probe_spec(measure, time_scale)
    journal = _JournalClock(lab, detection) if detection else None
    real_offset = measure_offset(client, CLOCK_READINGS)
    with probing(client, spec, within=30.0 * time_scale, real_offset=real_offset) as prober:
        if not prober.wait(lambda s: good_for(s, measure.before), Deadline.after(measure.within * time_scale)):
            prober.finish()
            return Observation(tuple(prober.samples), None, prober.offset, evidence=(_tally(measure, prober, owners),))
        before, after = faults.inject(measure.cause, wait=False)
        since = _in_client(prober, before)
        served = prober.wait(
            lambda s: _all_served(s, measure.served_by, owners, since), Deadline.after(measure.within * time_scale)
        )
        if served:
            prober.pause(measure.observe)
        prober.finish()
    offset = prober.offset
    cause = _narrowed(Interval(before, after), prober.samples, offset, measure, owners)
    detected, evidence = journal.read(before) if journal else (None, ())
    return Observation(tuple(prober.samples), cause, offset, detected, (_tally(measure, prober, owners), *evidence))


def _probe_spec(measure: Measure, time_scale: float) -> ProbeSpec:
    waits = 2 * measure.within * time_scale + measure.before + measure.observe + 60.0
    return ProbeSpec(measure.url, measure.every, measure.timeout * time_scale, life=waits)


def _in_client(prober: Prober, host_moment: float) -> float:
    """Return a moment of the host's clock on the client's, as early as the readings allow."""
    return host_moment - prober.offset.high


def _all_served(samples: list[Sample], machines: Iterable[str], owners: Mapping[str, str], since: float) -> bool:
    return all(first_served(samples, owners, machine, since) for machine in machines)


def _narrowed(
    called: Interval, samples: list[Sample], offset: Interval, measure: Measure, owners: Mapping[str, str]
) -> Interval:
    """Return when the fault really happened: not before the last answer that the machine still gave."""
    if measure.cause.fault != "power-off":
        return called
    answers = [s.end + offset.low for s in samples if s.good and owner(s.page, owners) == measure.cause.machine]
    last = max((moment for moment in answers if moment <= called.high), default=called.low)
    return Interval(max(called.low, last), called.high)


def _tally(measure: Measure, prober: Prober, owners: Mapping[str, str]) -> Evidence:
    counts: dict[str, int] = {}
    for sample in prober.samples:
        word = C_("request", WORDS[sample.outcome])
        served = _("page of {machine}").format(machine=owner(sample.page, owners))
        what = served if sample.good else f"{word} {sample.status or ''}".strip()
        counts[what] = counts.get(what, 0) + 1
    output = "\n".join(f"{count} x {what}" for what, count in counts.items())
    command = _("prober: {url}, each {every:g} s").format(url=measure.url, every=measure.every)
    return Evidence(measure.source, command, output)


class _JournalClock:
    """Reads when a line appeared in a machine's journal, on the host's clock."""

    def __init__(self, lab: LabUnderTest, detection: Detection) -> None:
        self._executor = lab.executor(detection.on)
        self._text = detection.pattern.replace("{}", lab.topology.machines[detection.node].hostname)
        self._offset = measure_offset(self._executor, CLOCK_READINGS)

    def read(self, since: float) -> tuple[Interval | None, tuple[Evidence, ...]]:
        """Return when the first line since a moment of the host's clock was written, and the lines as evidence."""
        offset = combine(self._offset, measure_offset(self._executor, CLOCK_READINGS))
        guest_since = since - offset.high
        script = journal_script(guest_since, self._text)
        completed = self._executor.run(script, root=True)
        lines = [line for line in parse_journal(completed.stdout) if line.at >= guest_since]
        evidence = Evidence(self._executor.machine, script, completed.stdout.strip()[:2000], completed.exit_code)
        return (exactly(_first(lines)).plus(offset) if lines else None), (evidence,)


def _first(lines: list[JournalLine]) -> float:
    return min(line.at for line in lines)


def evaluate(measure: Measure, seen: Observation, owners: Mapping[str, str], time_scale: float) -> Result:
    """Return what an observation comes to. Pure."""
    if seen.cause is None:
        problem = _("{url} was not served steadily for {seconds:g} s before, so nothing was done").format(
            url=measure.url, seconds=measure.before
        )
        return Result("failed", problem, (problem,), evidence=seen.evidence, samples=seen.samples)
    figures = [_limited(one, measure, time_scale) for one in _figures(measure, seen, owners, time_scale)]
    problems = [_problem(one) for one in figures if one.outcome == "failed"]
    problems += _absent(measure, seen, owners)
    doubts = [C_("figure", one.name) for one in figures if one.outcome == "warning"]
    outcome: StepOutcome = "failed" if problems else "warning" if doubts else "passed"
    message = _headline(measure, figures)
    if doubts and not problems:
        text = _("{text}; within the uncertainty of its limit: {figures}")
        message = text.format(text=message, figures=", ".join(doubts))
    facts = _facts(seen, owners)
    return Result(outcome, message, tuple(problems), tuple(figures), facts, seen.evidence, seen.samples)


def _figures(measure: Measure, seen: Observation, owners: Mapping[str, str], time_scale: float) -> list[Measurement]:
    assert seen.cause is not None  # noqa: S101 -- evaluate has returned before
    served = _service(measure, seen, owners)
    figures = []
    if measure.detection:
        meaning = _("cause -> {peer} says that {machine} is dead").format(
            peer=measure.detection.on, machine=measure.detection.node
        )
        figures.append(
            _time(NC_("figure", "detection"), meaning, seen.detected.minus(seen.cause) if seen.detected else None)
        )
        between = served.minus(seen.detected) if served and seen.detected else None
        figures.append(_time(NC_("figure", "takeover"), _("said to be dead -> page served again"), between))
    first = _last_first(measure, seen, owners)
    gap = gap_before(seen.samples, first) if first else None
    by = reduce(lambda some, one: _("{first} and {second}").format(first=some, second=one), measure.served_by)
    meaning = _("last good answer -> first one by {machines}").format(machines=by)
    figures.append(_time(NC_("figure", "interruption"), meaning, exactly(gap.length) if gap else None))
    meaning = _("cause -> first good answer by {machines}").format(machines=by)
    figures.append(_time(NC_("figure", "served_after"), meaning, served.minus(seen.cause) if served else None))
    longest = longest_gap(seen.samples)
    meaning = _("longest time without a good answer")
    figures.append(_time(NC_("figure", "longest_gap"), meaning, exactly(longest.length) if longest else None))
    return [*figures, *_counts(seen, seen.cause, measure.slow_after * time_scale)]


def _counts(seen: Observation, cause: Interval, slow_after: float) -> list[Measurement]:
    """Return the numbers of lost and of slow requests; what was under way at the cause is counted apart."""
    at = cause.minus(seen.offset)
    lost = losses(seen.samples, at.low, at.high, slow_after)
    without = _("requests of {count} without a good answer").format(count=len(seen.samples))
    beside = _("lost beside them: under way at the cause")
    late = _("good answers slower than {seconds:g} s").format(seconds=slow_after)
    return [
        Measurement(NC_("figure", "failed"), without, "requests", lost.failed + lost.unclear, lost.unclear),
        Measurement(NC_("figure", "in_flight"), beside, "requests", lost.in_flight),
        Measurement(NC_("figure", "slow"), late, "requests", slow(seen.samples, slow_after)),
    ]


def _last_first(measure: Measure, seen: Observation, owners: Mapping[str, str]) -> Sample | None:
    """Return the answer with which all of served_by have served since the cause, None when one of them has not."""
    assert seen.cause is not None  # noqa: S101 -- evaluate has returned before
    since = seen.cause.low - seen.offset.high
    firsts = [first_served(seen.samples, owners, machine, since) for machine in measure.served_by]
    found = [first for first in firsts if first is not None]
    return max(found, key=lambda sample: sample.end) if len(found) == len(firsts) else None


def _service(measure: Measure, seen: Observation, owners: Mapping[str, str]) -> Interval | None:
    first = _last_first(measure, seen, owners)
    return exactly(first.end).plus(seen.offset) if first else None


def _time(name: str, meaning: str, value: Interval | None) -> Measurement:
    unit: Unit = "s"
    if value is None:
        return Measurement(name, meaning, unit, None)
    return Measurement(name, meaning, unit, round(max(0.0, value.high), 3), round(value.width, 3))


def _limited(figure: Measurement, measure: Measure, time_scale: float) -> Measurement:
    """Hold a figure against its limit: failed when it is surely above, a warning when it may be above."""
    limit = getattr(measure.limits, figure.name, None)
    if limit is None:
        return figure
    scaled = limit * time_scale if figure.unit == "s" else int(limit * time_scale)
    outcome: StepOutcome = "passed"
    if figure.actual is None or figure.actual - figure.uncertainty > scaled:
        outcome = "failed"
    elif figure.actual > scaled:
        outcome = "warning"
    return replace(figure, limit=limit, scaled_limit=scaled, outcome=outcome)


def _problem(figure: Measurement) -> str:
    if figure.actual is None:
        text = _("{figure} could not be seen ({meaning}); the limit is {limit:g} s")
    elif figure.unit == "s":
        text = _("{figure} took {actual:.1f} s, the limit is {limit:g} s")
    elif figure.name == "failed":
        text = n_(
            "{actual:g} requests failed, the limit is {limit:g} requests",
            "{actual:g} requests failed, the limit is {limit:g} requests",
            int(figure.actual),
        )
    else:
        text = n_(
            "{actual:g} requests slow, the limit is {limit:g} requests",
            "{actual:g} requests slow, the limit is {limit:g} requests",
            int(figure.actual),
        )
    name = C_("figure", figure.name)
    return text.format(figure=name, meaning=figure.meaning, actual=figure.actual, limit=figure.scaled_limit)


def _absent(measure: Measure, seen: Observation, owners: Mapping[str, str]) -> list[str]:
    """Return who of served_by has not served since the cause, and whether the page was gone again at the end."""
    assert seen.cause is not None  # noqa: S101 -- evaluate has returned before
    since = seen.cause.low - seen.offset.high
    missing = [m for m in measure.served_by if first_served(seen.samples, owners, m, since) is None]
    text, cause = _("{machine} did not serve {url} after {cause}"), measure.cause.describe()
    problems = [text.format(machine=machine, url=measure.url, cause=cause) for machine in missing]
    if not problems and seen.samples and not any(s.good for s in seen.samples[-3:]):
        problems.append(_("{url} was gone again at the end").format(url=measure.url))
    return problems


def _headline(measure: Measure, figures: list[Measurement]) -> str:
    named = {figure.name: figure for figure in figures}
    parts = [_said(C_("figure", "interruption"), named["interruption"])]
    parts += [_said(C_("figure", name), named[name]) for name in ("detection", "takeover") if name in named]
    if measure.measure == "failback":
        parts.insert(0, _said(_("served again after"), named["served_after"]))
    failed, in_flight = int(named["failed"].actual or 0), int(named["in_flight"].actual or 0)
    lost = n_("{count} request lost", "{count} requests lost", failed).format(count=failed)
    if in_flight:
        text = n_("{lost} and {count} that was under way", "{lost} and {count} that were under way", in_flight)
        lost = text.format(lost=lost, count=in_flight)
    return ", ".join([*parts, lost])


def _said(name: str, figure: Measurement) -> str:
    if figure.actual is None:
        return _("{figure} not seen").format(figure=name)
    return _("{figure} {seconds:.1f} s").format(figure=name, seconds=figure.actual)


def _facts(seen: Observation, owners: Mapping[str, str]) -> dict[str, str]:
    counts = distribution(seen.samples, owners)
    unknown, sampling = _("unknown page"), _("{rate:.1f} requests a second, widest spacing {spacing:.2f} s")
    named = [f"{unknown if machine == UNKNOWN else machine} {count}" for machine, count in counts.items()]
    return {
        N_("requests"): str(len(seen.samples)),
        N_("served by"): ", ".join(named) or _("nobody"),
        N_("sampling"): sampling.format(rate=rate(seen.samples), spacing=widest_spacing(seen.samples)),
        N_("slowest good answer"): f"{slowest(seen.samples):.2f} s",
    }
