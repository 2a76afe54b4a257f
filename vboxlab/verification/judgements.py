"""From the history of a verification to its report. Pure: the same history always comes to the same report."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime

from pydantic import TypeAdapter, ValidationError

from vboxlab import __version__
from vboxlab.language import _
from vboxlab.topology.addressing import LabName
from vboxlab.topology.caused import CausedStep
from vboxlab.topology.check_interface import OutsideCheck
from vboxlab.topology.fault_sequences import first_of
from vboxlab.topology.fault_step import FaultStep
from vboxlab.topology.faults import PowerOffFault
from vboxlab.topology.invariants import InvariantStep
from vboxlab.topology.scenario import CarriedOut, Measure, ScenarioStep, kind_of
from vboxlab.topology.step import CheckStep
from vboxlab.topology.writes import Writes
from vboxlab.verification.clocks import Interval
from vboxlab.verification.fault_facts import done as done_by_faults
from vboxlab.verification.fault_facts import fault_facts
from vboxlab.verification.figures import Observation, Stretching, evaluate
from vboxlab.verification.history import (
    Beat,
    FaultInForce,
    FaultLeft,
    FaultUndone,
    GaveUp,
    History,
    HistoryInvalid,
    JournalRead,
    Load,
    ProbeEnded,
    ProbeStopping,
    Rebooted,
    Request,
    RunBegun,
    RunEnded,
    Shown,
    Skipped,
    StepBegun,
    StepEnded,
    StoodStill,
    Tried,
    Trouble,
)
from vboxlab.verification.invariants import judge_invariant
from vboxlab.verification.offsets import client_offset
from vboxlab.verification.outages import Stretch, Watched, joined, loss_over_time, standstills
from vboxlab.verification.outside_checks import judged_again, step_of
from vboxlab.verification.report import Evidence, Report, StepReport
from vboxlab.verification.samples import Owners, Sample
from vboxlab.verification.takeover import detected, stages
from vboxlab.verification.timeline import fault_marks
from vboxlab.verification.writes import judge_writes

_step: TypeAdapter[ScenarioStep] = TypeAdapter(ScenarioStep)


def scenario_of(run: RunBegun) -> tuple[ScenarioStep, ...]:
    """Return the steps of a run. Raises HistoryInvalid when this vboxlab does not know them."""
    try:
        return tuple(step_of(step) or _step.validate_python(step) for step in run.steps)
    except ValidationError as error:
        brief = _("the history has a step that this vboxlab does not know")
        raise HistoryInvalid(brief, details=[str(error)]) from None


def owners_of(step: Measure, pages: Mapping[str, str]) -> Owners:
    """Return by what the servers of a measure are told apart.

    That is what the step says, or the machines' pages; of anything but a page one server alone is asked.
    """
    if step.told_by:
        return Owners.of(step.told_by)
    return Owners.of(pages) if step.is_page else Owners(tuple(step.served_by), ("",))


def judge(history: History, scenario: Sequence[ScenarioStep] | None = None) -> Report:
    """Return the report of a run; its steps are read from the history where they are not given.

    Raises HistoryInvalid when it has steps that are not known.
    """
    run = history.run
    carried_out = scenario_of(run) if scenario is None else scenario
    steps = [judge_step(history, number, step) for number, step in enumerate(carried_out, start=1)]
    last = history.records[-1]
    loads = [record.busy for record in history.of(Load)]
    return Report(
        run=run.run,
        lab=run.lab,
        copy=run.copy_name,
        topology=run.topology,
        digest=run.digest,
        parameters=dict(run.parameters),
        driver=run.driver,
        driver_version=run.driver_version,
        vboxlab=run.vboxlab,
        started_at=run.started_at,
        seconds=round(last.at, 3),
        time_scale=run.time_scale,
        steps=(*steps, *judge_undoing(history, len(steps) + 1)),
        speeds=dict(run.speeds),
        left_out=run.left_out,
        only=run.only,
        faults=tuple(fault_marks(history)),
        busy=round(sum(loads) / len(loads), 3) if loads else None,
        doubts=tuple(_doubts(history)),
    )


def unverified(topology: str, lab: LabName | None, driver: str, reasons: Sequence[str]) -> Report:
    """Return the report of a verification of which nothing can be told, and why."""
    return Report(
        run="",
        lab=lab.lab if lab else "",
        copy=lab.copy if lab else None,
        topology=topology,
        digest="",
        parameters={},
        driver=driver,
        driver_version="",
        vboxlab=__version__,
        started_at=datetime.now(UTC).isoformat(timespec="seconds"),
        seconds=0.0,
        time_scale=1.0,
        steps=(),
        doubts=tuple(reasons),
    )


def _doubts(history: History) -> Iterator[str]:
    """Yield why nothing is proved, whatever the steps came to."""
    if not history.run.steps:
        if history.run.left_out:
            yield _("no step applies under these parameters, so nothing was verified")
        else:
            yield _("the topology has no `verify:`, so nothing was verified")
    ended = history.last(RunEnded)
    if ended is None:
        yield _("the run did not come to its end")
    elif ended.interrupted:
        yield _("the run was interrupted")
    for trouble in history.of(Trouble, 0):
        yield trouble.brief


def blank(number: int, step: ScenarioStep) -> StepReport:
    """Return the report of a step that nothing is known of yet."""
    kind, name = kind_of(step)
    return StepReport(number, kind, name, step.describe(), "unclear", note=step.note)


def judge_step(history: History, number: int, step: ScenarioStep) -> StepReport:
    """Return what came of a step."""
    unjudged = blank(number, step)
    if isinstance(step, InvariantStep):
        done = judge_invariant(history, number, step, unjudged)
        return replace(done, outcome="warning") if step.severity == "warning" and done.outcome != "passed" else done
    skipped = history.last(Skipped, number)
    if skipped is not None:
        message = _("an earlier step could not be carried out")
        if skipped.why == "failure":
            message = _("the run was broken off at a failure, as asked")
        return replace(unjudged, outcome="skipped", message=message)
    begun, ended = history.last(StepBegun, number), history.last(StepEnded, number)
    if begun is None:
        return replace(unjudged, outcome="skipped", message=_("the run ended before"))
    until = ended.at if ended else history.records[-1].at
    attempts = [*history.of(Tried, number), *(one for one in history.of(Trouble, number) if one.passing)]
    seconds, facts = round(until - begun.at, 3), fault_facts(history, number)
    unjudged = replace(unjudged, seconds=seconds, attempts=max(1, len(attempts)), facts=facts)
    trouble = next((one for one in history.of(Trouble, number) if not one.passing), None)
    if trouble is not None:
        seen = _judged(history, number, step, unjudged) if history.last(FaultInForce, number) else unjudged
        done = _in_trouble(seen, trouble)
    elif ended is None:
        done = replace(unjudged, message=_("the run ended while this step was carried out"))
    else:
        done = _judged(history, number, step, unjudged)
    done = _after_trouble(history, number, done)
    if step.severity == "warning" and (trouble is None or trouble.cause == "guest"):
        done = replace(done, outcome="warning") if done.outcome in ("failed", "unclear", "error") else done
    return _with_standstill(done, _stood_still(history, begun.at, until))


def _judged(history: History, number: int, step: CarriedOut, unjudged: StepReport) -> StepReport:
    if isinstance(step, Measure):
        return _measured(history, number, step, unjudged)
    if isinstance(step, Writes):
        return judge_writes(history, number, step, unjudged)
    if isinstance(step, FaultStep):
        if history.last(FaultInForce, number) is None:
            return unjudged
        return replace(unjudged, outcome="passed", message=done_by_faults(history, number))
    return _checked(history, number, unjudged, step)


def _checked(history: History, number: int, unjudged: StepReport, step: CheckStep) -> StepReport:
    tried, gave_up = history.last(Tried, number), history.last(GaveUp, number)
    if tried is not None and isinstance(step, OutsideCheck):
        tried = judged_again(step, tried)
    reason = (gave_up.reason,) if gave_up else ()
    if tried is None:
        return replace(unjudged, message=_("nothing could be found out in time"), details=reason)
    evidence = tuple(map(_evidence, tried.evidence))
    if tried.problems:
        first, *more = tried.problems
        details = (*more, *tried.doubts, *reason)
        return replace(unjudged, outcome="failed", message=first, details=details, evidence=evidence)
    if tried.doubts:
        first, *more = tried.doubts
        return replace(unjudged, outcome="unclear", message=first, details=(*more, *reason), evidence=evidence)
    rebooted = [one.machine for one in history.of(Rebooted, number) if one.at <= tried.at]
    if set(step.persist) - set(rebooted):
        message = _("it was not looked at after a reboot of {machines}").format(machines=", ".join(step.persist))
        return replace(unjudged, message=message, evidence=evidence)
    found = [tried.message]
    if rebooted:
        found.append(_("also after a reboot of {machines}").format(machines=", ".join(rebooted)))
    message = "; ".join(filter(None, found))
    return replace(unjudged, outcome="passed", message=message, evidence=evidence)


def _in_trouble(unjudged: StepReport, trouble: Trouble) -> StepReport:
    advice = (f"-> {trouble.resolution}",) if trouble.resolution else ()
    return replace(unjudged, outcome="error", message=trouble.brief, details=(*trouble.details, *advice))


def _after_trouble(history: History, number: int, done: StepReport) -> StepReport:
    """Doubt a failure after a fault that could not be made: the step may have looked at a lab without it."""
    if done.outcome != "failed":
        return done
    steps = scenario_of(history.run)
    for trouble in history.of(Trouble):
        is_earlier = not trouble.passing and 0 < trouble.step < number
        if is_earlier and isinstance(steps[trouble.step - 1], (FaultStep, CausedStep)):
            text = _("step {number} could not be carried out, so this may come from it")
            details = (*done.details, text.format(number=trouble.step))
            return replace(done, outcome="unclear", details=details)
    return done


def _evidence(shown: Shown) -> Evidence:
    return Evidence(shown.machine, shown.command, shown.output, shown.exit_code)


def _stood_still(history: History, begin: float, end: float) -> float:
    """Return the longest standstill of the computer within a step."""
    lengths = (Stretch(one.at - one.seconds, one.at).within(begin, end) for one in history.of(StoodStill))
    return max(lengths, default=0.0)


def _with_standstill(step: StepReport, seconds: float) -> StepReport:
    """Say of a figure and of what did not pass that it may come from this computer's standing still."""
    step = replace(step, stood_still=round(seconds, 1))
    if not seconds or (step.outcome == "passed" and step.kind != "measure"):
        return step
    message = _("{text}; this computer stood still for {seconds:.1f} s meanwhile")
    return replace(step, message=message.format(text=step.message, seconds=seconds))


def _measured(history: History, number: int, step: Measure, unjudged: StepReport) -> StepReport:
    run = history.run
    ended = history.last(ProbeEnded, number)
    if ended is None or ended.trouble:
        details = (ended.trouble,) if ended else ()
        return replace(unjudged, message=_("the prober did not end as it was asked to"), details=details)
    owners = owners_of(step, run.owners)
    seen = observation(history, number, step)
    own = max((run.own_seconds.get(machine, 0.0) for machine in step.machines), default=0.0)
    result = evaluate(step, seen, owners, Stretching(run.time_scale, own))
    missing = (ended.begun or 0) - len(seen.watched.samples)
    done = replace(
        unjudged,
        outcome=result.outcome,
        message=result.message,
        details=result.problems,
        measurements=result.measurements,
        facts={**unjudged.facts, **result.facts},
        evidence=seen.evidence,
        samples=seen.watched.samples,
        served=tuple(owners.served(sample) if sample.good else "" for sample in seen.watched.samples),
        loss=loss_over_time(seen.watched.samples, seen.at.low) if seen.cause else (),
        moments=result.moments,
        stages=result.stages,
    )
    if missing > 0 and done.outcome == "passed":
        text = _("of {count} requests the end was not told").format(count=missing)
        return replace(done, outcome="unclear", details=(*done.details, text))
    return done


def observation(history: History, number: int, step: Measure) -> Observation:
    """Return what was seen around the cause of a measure, from the records of its step."""
    offset = client_offset(history, number, step.source)
    samples = sorted(
        (
            Sample(one.start, one.duration, one.outcome, one.status, one.page, one.marks)
            for one in history.of(Request, number)
        ),
        key=lambda sample: sample.start,
    )
    beats = sorted((beat.monotonic, beat.begun) for beat in history.of(Beat, number))
    watched = Watched(tuple(samples), *_watch(history, number, samples, offset), tuple(beats))
    record = history.last(GaveUp, number)
    gave_up = record.reason if record else ""
    fault = history.first(FaultInForce, number)
    if fault is None:
        return Observation(watched, None, offset, gave_up=gave_up)
    owners = owners_of(step, history.run.owners)
    cause = _narrowed(Interval(fault.asked, fault.at), watched, offset, step, owners)
    dead, listened = detected(history, number, cause)
    told = tuple(stages(history, number, dead))
    evidence = tuple(_evidence(journal.evidence) for journal in history.of(JournalRead, number))
    return Observation(watched, cause, offset, dead, listened, gave_up, evidence, told)


def _watch(history: History, number: int, samples: list[Sample], offset: Interval) -> tuple[float, tuple[Stretch, ...]]:
    """Return until when requests were begun, and when nothing could be seen: both on the client's clock."""
    stopping = history.last(ProbeStopping, number)
    last = max((sample.start for sample in samples), default=0.0)
    end = max(last, stopping.at - offset.high) if stopping and offset.high < float("inf") else last
    signs = [beat.monotonic for beat in history.of(Beat, number)]
    signs += [sample.start for sample in samples]
    signs += [sample.end for sample in samples]
    stills = list(standstills(signs))
    if offset.high < float("inf"):
        stills += [
            Stretch(still.at - still.seconds - offset.high, still.at - offset.low) for still in history.of(StoodStill)
        ]
    return end, joined(stills)


def _narrowed(called: Interval, watched: Watched, offset: Interval, step: Measure, owners: Owners) -> Interval:
    """Return when the fault really happened: not before the last answer that the machine still gave."""
    cause = first_of(step.cause)
    if not isinstance(cause, PowerOffFault):
        return called
    answers = [s.start + offset.low for s in watched.good if owners.served(s) == cause.machine]
    last = max((moment for moment in answers if moment <= called.high), default=called.low)
    return Interval(max(called.low, last), called.high)


def judge_undoing(history: History, number: int) -> tuple[StepReport, ...]:
    """Return what came of undoing the faults at the end; nothing when there was nothing to undo."""
    undone, left = list(history.of(FaultUndone, 0)), list(history.of(FaultLeft, 0))
    if not undone and not left:
        return ()
    words = [one.words for one in undone] + [one.words for one in left]
    title = _("what is not as it was is undone ({faults})").format(faults="; ".join(words))
    step = StepReport(number, "fault", "undo", title, "passed")
    if not left:
        return (step,)
    message = _("not undone: {faults}").format(faults="; ".join(one.words for one in left))
    advice = _("run `vboxlab up {topology}`").format(topology=history.run.topology)
    details = (*(line for one in left for line in one.problems), f"-> {advice}")
    return (replace(step, outcome="error", message=message, details=details),)
