"""Running a scenario: step by step, everything proved or said why not, and every fault undone at the end."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Sequence
from dataclasses import field, replace
from datetime import UTC, datetime

from vboxlab import __version__
from vboxlab.errors import InfrastructureTrouble, VboxlabError
from vboxlab.events import ActionFailed, ActionFinished, ActionStarted, EventSink, Note, discard
from vboxlab.language import C_, N_, _
from vboxlab.lazily import dataclass
from vboxlab.planning.observed import PowerState
from vboxlab.topology.scenario import FaultStep, Measure, Scenario, ScenarioStep
from vboxlab.verification import checks, measures
from vboxlab.verification.faults import Faults
from vboxlab.verification.report import Report, StepKind, StepOutcome, StepReport
from vboxlab.verification.subject import LabUnderTest

ACTION = "verify"


def run_scenario(
    scenario: Scenario,
    lab: LabUnderTest,
    *,
    time_scale: float = 1.0,
    events: EventSink = discard,
    stood_still: Callable[[], float] = lambda: 0.0,
) -> Report:
    """Run the steps that apply under the topology's parameters and return the report.

    A failed step does not stop the run; trouble with the lab itself (a paused machine, a guest that cannot be reached)
    does, with the outcome `error` and the remaining steps skipped. Faults still in force are undone in any case, also
    on Ctrl-C and on a bug; what cannot be undone is an error of the report. Nothing of VboxlabError is raised.
    `stood_still` is asked after each step for how many seconds this computer did nothing since it was last asked.
    """
    run = _Run(lab, time_scale, events, stood_still)
    began, started_at = time.monotonic(), datetime.now(UTC).isoformat(timespec="seconds")
    steps = [step for step in scenario.steps if step.applies(lab.topology.values)]
    try:
        reports = run.steps(steps)
    finally:
        undone = run.undo(number=len(steps) + 1)
    return Report(
        run=secrets.token_hex(4),
        lab=lab.name.lab,
        copy=lab.name.copy,
        topology=lab.topology.name,
        digest=lab.topology.digest,
        parameters=dict(lab.topology.values),
        driver=lab.driver,
        driver_version=lab.driver_version,
        vboxlab=__version__,
        started_at=started_at,
        seconds=round(time.monotonic() - began, 3),
        time_scale=time_scale,
        steps=tuple(reports + undone),
    )


@dataclass
class _Run:
    lab: LabUnderTest
    time_scale: float
    events: EventSink
    stood_still: Callable[[], float]
    faults: Faults = field(init=False)

    def __post_init__(self) -> None:
        self.faults = Faults(self.lab, self.time_scale)

    def steps(self, steps: Sequence[ScenarioStep]) -> list[StepReport]:
        """Carry out the steps in order; after an error the rest is skipped."""
        reports: list[StepReport] = []
        for number, step in enumerate(steps, start=1):
            blank = _blank(number, step)
            if reports and reports[-1].outcome in ("error", "skipped"):
                message = _("an earlier step could not be carried out")
                reports.append(replace(blank, outcome="skipped", message=message))
                continue
            reports.append(self._told(blank, lambda s=step, b=blank: self._one(s, b)))  # type: ignore[misc]
        return reports

    def undo(self, number: int) -> list[StepReport]:
        """Undo the faults in force, and return a report of it when there were any."""
        if not self.faults.in_force:
            return []
        title = _("what is not as it was is undone ({faults})").format(faults=self.faults.words)
        blank = StepReport(number, "fault", "undo", title, "passed")
        return [self._told(blank, lambda: self._undone(blank))]

    def _undone(self, blank: StepReport) -> StepReport:
        problems = self.faults.undo()
        if not problems:
            return blank
        details = tuple(line for problem in problems for line in str(problem).splitlines())
        message = _("not undone: {faults}").format(faults=self.faults.words)
        advice = _("run `vboxlab up {topology}`").format(topology=self.lab.topology.name)
        return replace(blank, outcome="error", message=message, details=(*details, f"-> {advice}"))

    def _told(self, blank: StepReport, work: Callable[[], StepReport]) -> StepReport:
        """Do a step with events around it."""
        self.events(ActionStarted(ACTION, None, blank.title))
        began = time.monotonic()
        try:
            done = work()
        except BaseException as error:
            reason = _("interrupted") if isinstance(error, KeyboardInterrupt) else str(error)
            self.events(ActionFailed(ACTION, None, blank.title, time.monotonic() - began, reason))
            raise
        done = _with_standstill(replace(done, seconds=round(time.monotonic() - began, 3)), self.stood_still())
        if done.outcome in ("failed", "error"):
            reason = "; ".join([done.message, *done.details])
            self.events(ActionFailed(ACTION, None, done.title, done.seconds, reason))
        else:
            is_warning = done.outcome == "warning"
            summary = _("warning: {text}").format(text=done.message) if is_warning else done.message
            self.events(ActionFinished(ACTION, None, done.title, done.seconds, summary))
        if done.note and done.kind == "measure":
            self.events(Note(done.note))
        return done

    def _one(self, step: ScenarioStep, blank: StepReport) -> StepReport:
        try:
            self._expect_running(step)
            done = self._carried_out(step, blank)
        except VboxlabError as error:
            return self._trouble(step, blank, error)
        if done.outcome == "failed":
            try:
                self._expect_running(step)
            except InfrastructureTrouble as trouble:
                return self._trouble(step, done, trouble)
            if step.severity == "warning":
                return replace(done, outcome="warning")
        return done

    def _carried_out(self, step: ScenarioStep, blank: StepReport) -> StepReport:
        if isinstance(step, Measure):
            result = measures.carry_out(step, self.lab, self.faults, self.time_scale)
            return replace(
                blank,
                outcome=result.outcome,
                message=result.message,
                details=result.problems,
                measurements=result.measurements,
                facts=result.facts,
                evidence=result.evidence,
                samples=result.samples,
            )
        if isinstance(step, FaultStep):
            self.faults.inject(step, wait=True)
            return replace(blank, message=_("done"))
        finding, attempts = checks.carry_out(step, self.lab, self.time_scale)
        outcome: StepOutcome = "passed" if finding.holds else "failed"
        message = finding.message if finding.holds else finding.problems[0]
        details = () if finding.holds else finding.problems[1:]
        return replace(
            blank, outcome=outcome, message=message, details=details, attempts=attempts, evidence=finding.evidence
        )

    def _expect_running(self, step: ScenarioStep) -> None:
        """Raise InfrastructureTrouble when a machine that the step needs does not run though no fault wants it so."""
        starts = (
            {step.machine}
            if isinstance(step, FaultStep)
            else {step.cause.machine}
            if isinstance(step, Measure)
            else set()
        )
        for machine in dict.fromkeys(step.machines):
            power = self.lab.power(machine)
            wanted_off = self.faults.is_off(machine) or (power is PowerState.OFF and machine in starts)
            if power is PowerState.RUNNING or (wanted_off and power is PowerState.OFF):
                continue
            raise InfrastructureTrouble(
                _("{machine} is {power}, so nothing can be proved").format(
                    machine=machine, power=C_("machine", power.value)
                ),
                details=[_(_LIKELY[power])] if power in _LIKELY else [],
                resolution=_("vboxlab up {topology}").format(topology=self.lab.topology.name),
            )

    def _trouble(self, step: ScenarioStep, blank: StepReport, error: VboxlabError) -> StepReport:
        """Report that a step could not be carried out; while the machines run, a step of severity warning stays one."""
        advice = (f"-> {error.resolution}",) if error.resolution else ()
        done = replace(blank, outcome="error", message=error.brief, details=(*error.details, *advice))
        if step.severity != "warning" or isinstance(error, InfrastructureTrouble):
            return done
        try:
            self._expect_running(step)
        except InfrastructureTrouble:
            return done
        return replace(done, outcome="warning")


def _with_standstill(step: StepReport, seconds: float) -> StepReport:
    """Say of a figure and of what did not pass that it may come from this computer's standing still."""
    step = replace(step, stood_still=round(seconds, 1))
    if not seconds or (step.outcome == "passed" and step.kind != "measure"):
        return step
    message = _("{text}; this computer stood still for {seconds:.1f} s meanwhile")
    return replace(step, message=message.format(text=step.message, seconds=seconds))


_LIKELY = {
    PowerState.PAUSED: N_("the hypervisor pauses machines when the host's disk is full"),
    PowerState.OFF: N_("it ended by itself or was powered off by somebody else"),
}


def _blank(number: int, step: ScenarioStep) -> StepReport:
    kind: StepKind
    if isinstance(step, Measure):
        kind, name = "measure", str(step.measure)
    elif isinstance(step, FaultStep):
        kind, name = "fault", str(step.fault)
    else:
        kind, name = "check", str(step.check)
    return StepReport(number, kind, name, step.describe(), "passed", note=step.note)
