"""Running a scenario: step by step, everything recorded, and every fault undone at the end. Judging comes after."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import field, replace
from datetime import UTC, datetime
from typing import Any, Literal

from vboxlab import __version__
from vboxlab.errors import InfrastructureTrouble, VboxlabError
from vboxlab.events import ActionFailed, ActionFinished, ActionStarted, EventSink, Note, discard
from vboxlab.language import C_, N_, _
from vboxlab.lazily import dataclass
from vboxlab.planning.observed import PowerState
from vboxlab.topology.caused import CausedStep
from vboxlab.topology.check_interface import OutsideCheck
from vboxlab.topology.fault_sequences import all_machines
from vboxlab.topology.fault_step import FaultStep
from vboxlab.topology.faults import RebootFault
from vboxlab.topology.invariants import InvariantStep
from vboxlab.topology.scenario import CarriedOut, Measure, Scenario, ScenarioStep
from vboxlab.topology.writes import Writes
from vboxlab.verification import checking
from vboxlab.verification.faults import Faults, Keep, keep_nothing
from vboxlab.verification.history import (
    FaultLeft,
    FaultUndone,
    Rebooted,
    RunBegun,
    RunEnded,
    Skipped,
    StepBegun,
    StepEnded,
    Tried,
)
from vboxlab.verification.hostwatch import HostWatch
from vboxlab.verification.judgements import blank, judge, judge_step, judge_undoing
from vboxlab.verification.measuring import measure_step
from vboxlab.verification.recorder import Recorder
from vboxlab.verification.report import Report, StepReport
from vboxlab.verification.samplers import watching
from vboxlab.verification.sequences import carry_out_faults
from vboxlab.verification.speed import measured_speeds, scale_for
from vboxlab.verification.subject import LabUnderTest, own_seconds, page_owners
from vboxlab.verification.writing import write_around

ACTION = "verify"


def new_run() -> str:
    """Return a name for a run that no other has."""
    return secrets.token_hex(4)


def run_scenario(
    scenario: Scenario,
    lab: LabUnderTest,
    *,
    time_scale: float | None = 1.0,
    events: EventSink = discard,
    recorder: Recorder | None = None,
    run: str = "",
    only: Sequence[str] = (),
    keep: Keep = keep_nothing,
    break_on_failure: bool = False,
) -> Report:
    """Run the steps that apply under the topology's parameters, record everything, and return the report.

    Without a time scale the guests' speed is measured first, and limits are stretched by it. A failed step does not
    stop the run, nor does one that a guest or a bug kept from being carried out; trouble with the lab itself (a paused
    machine) does. Faults still in force are undone in any case, also on Ctrl-C; what cannot be undone is an error of
    the report. Nothing of VboxlabError is raised once the first step has begun. With `only`, the steps so named are run
    and no others (Scenario.only, which may raise UsageError). `keep` is given the faults in force whenever they change.
    With `break_on_failure` the first step that does not pass is the last one, and faults stay in force.
    """
    recorder = recorder or Recorder()
    steps = scenario.only(lab.topology.values, only).steps if only else scenario.applying(lab.topology.values)
    begun = _begun(scenario, steps, lab, recorder, time_scale, run or new_run()).model_copy(
        update={"only": tuple(only)}
    )
    recorder.add(begun)
    running = _Run(lab, events, recorder, Faults(lab, begun.time_scale, keep), break_on_failure)
    is_interrupted = True
    try:
        with HostWatch(recorder), watching(steps, lab, begun.time_scale, recorder):
            try:
                running.steps(steps)
                is_interrupted = False
            finally:
                if is_interrupted or not running.is_kept:
                    running.undo(number=len(steps) + 1)
    finally:
        recorder.add(RunEnded(at=recorder.now(), interrupted=is_interrupted))
    report = judge(recorder.history(), steps)
    running.tell_invariants(report.steps)
    return report


def _begun(
    scenario: Scenario, steps: Sequence[ScenarioStep], lab: LabUnderTest, recorder: Recorder,
    time_scale: float | None, run: str,
) -> RunBegun:  # fmt: skip
    topology = lab.topology
    scale_from: Literal["asked", "measured"] = "asked"
    speeds: dict[str, float] = {}
    if time_scale is None and lab.is_accelerated:
        time_scale = 1.0
    elif time_scale is None:
        scale_from = "measured"
        measured = [step.machines for step in steps if isinstance(step, CausedStep)] or [
            step.machines for step in steps
        ]
        running = [m for m in dict.fromkeys(sum(measured, ())) if lab.power(m) is PowerState.RUNNING]
        speeds = measured_speeds(
            lab, [m for m in running if m in topology.machines and topology.machines[m].configured]
        )
        time_scale = scale_for(speeds.values())
    return RunBegun(
        at=recorder.now(),
        run=run,
        lab=lab.name.lab,
        copy_name=lab.name.copy,
        topology=topology.name,
        digest=topology.digest,
        parameters=dict(topology.values),
        driver=lab.driver,
        driver_version=lab.driver_version,
        vboxlab=__version__,
        started_at=datetime.now(UTC).isoformat(timespec="seconds"),
        time_scale=time_scale,
        scale_from=scale_from,
        speeds=speeds,
        own_seconds=own_seconds(topology),
        owners=page_owners(topology),
        steps=tuple(map(_written, steps)),
        left_out=len(scenario.steps) - len(scenario.applying(topology.values)),
    )


def _written(step: ScenarioStep) -> Mapping[str, Any]:
    """Return a step as the history has it; of a check that may not be there when it is read, with its title."""
    written = step.model_dump(mode="json", by_alias=True)
    return {**written, "title": step.describe()} if isinstance(step, OutsideCheck) else written


@dataclass
class _Run:
    lab: LabUnderTest
    events: EventSink
    recorder: Recorder
    faults: Faults
    breaks: bool = False
    is_broken: bool = field(init=False, default=False)
    is_kept: bool = field(init=False, default=False)

    def steps(self, steps: Sequence[ScenarioStep]) -> None:
        """Carry out the steps in order; once the lab itself is in trouble the rest is skipped."""
        for number, step in enumerate(steps, start=1):
            if isinstance(step, InvariantStep):
                continue
            if self.is_broken:
                why: Literal["trouble", "failure"] = "failure" if self.is_kept else "trouble"
                self.recorder.add(Skipped(at=self.recorder.now(), step=number, why=why))
                continue
            title = blank(number, step).title
            done = self._told(title, lambda n=number, s=step: self._one(n, s))  # type: ignore[misc]
            if self.breaks and done.outcome in ("failed", "unclear", "error"):
                self.is_broken = self.is_kept = True
                self._tell_ways_in(step)

    def tell_invariants(self, done: Sequence[StepReport]) -> None:
        """Tell what came of the invariants, which is known at the end."""
        for step in done:
            if step.kind == "invariant":
                self._told(step.title, lambda found=step: found)  # type: ignore[misc]

    def _tell_ways_in(self, step: CarriedOut) -> None:
        """Tell what is left in force, how to look at it, and how to end it."""
        topology = self.lab.topology.name
        words = self.faults.words or _("nothing")
        text = _("broken off at a failure; still in force: {faults}")
        self.events(Note(text.format(faults=words), level="warning"))
        copy = f" --copy {self.lab.name.copy}" if self.lab.name.copy else ""
        for machine in dict.fromkeys(step.machines):
            if self.lab.power(machine) is PowerState.RUNNING:
                self.events(Note(_("look with `{command}`").format(command=f"vboxlab ssh{copy} {machine}")))
        command = f"vboxlab verify {topology}{copy} --undo"
        self.events(Note(_("end it with `{command}`").format(command=command)))

    def undo(self, number: int) -> None:
        """Undo the faults in force, and tell of it when there were any."""
        if not self.faults.in_force:
            return
        title = _("what is not as it was is undone ({faults})").format(faults=self.faults.words)
        self._told(title, lambda: self._undone(number))

    def _undone(self, number: int) -> StepReport:
        began = time.monotonic()
        for words, error in self.faults.undo():
            now = self.recorder.now()
            if error is None:
                self.recorder.add(FaultUndone(at=now, step=0, words=words))
            else:
                told = checking.trouble(self.recorder, 0, error)
                lines = (told.brief, *(f"  {line}" for line in told.details))
                self.recorder.add(FaultLeft(at=now, step=0, words=words, problems=lines))
        (done,) = judge_undoing(self.recorder.history(), number)
        return replace(done, seconds=round(time.monotonic() - began, 3))

    def _told(self, title: str, work: Callable[[], StepReport]) -> StepReport:
        """Do a step with events around it."""
        self.events(ActionStarted(ACTION, None, title))
        began = time.monotonic()
        try:
            done = work()
        except BaseException as error:
            reason = _("interrupted") if isinstance(error, KeyboardInterrupt) else str(error)
            self.events(ActionFailed(ACTION, None, title, time.monotonic() - began, reason))
            raise
        if done.outcome in ("failed", "error", "unclear"):
            reason = "; ".join(dict.fromkeys([done.message, *done.details]))
            if done.outcome == "unclear":
                reason = _("cannot tell: {text}").format(text=reason)
            self.events(ActionFailed(ACTION, None, done.title, done.seconds, reason))
        else:
            is_warning = done.outcome == "warning"
            summary = _("warning: {text}").format(text=done.message) if is_warning else done.message
            self.events(ActionFinished(ACTION, None, done.title, done.seconds, summary))
        if done.note and done.kind == "measure":
            self.events(Note(done.note))
        return done

    def _one(self, number: int, step: CarriedOut) -> StepReport:
        recorder = self.recorder
        recorder.add(StepBegun(at=recorder.now(), step=number))
        try:
            self._expect_running(step)
            self._carry_out(number, step)
        except InfrastructureTrouble as error:
            recorder.add(checking.trouble(recorder, number, error))
        except Exception as error:  # noqa: BLE001 -- a bug in one step must not hide what the others show
            if isinstance(error, VboxlabError):
                error = self._of_lab(step) or error
            recorder.add(checking.trouble(recorder, number, error))
        recorder.add(StepEnded(at=recorder.now(), step=number))
        done = judge_step(recorder.history(), number, step)
        if done.outcome in ("failed", "unclear", "warning", "error") and (trouble := self._of_lab(step)):
            recorder.add(checking.trouble(recorder, number, trouble))
            done = judge_step(recorder.history(), number, step)
            self.is_broken = True
        return done

    def _of_lab(self, step: CarriedOut) -> InfrastructureTrouble | None:
        """Return the trouble with the lab itself that explains what a step came to, None when there is none."""
        try:
            self._expect_running(step)
        except InfrastructureTrouble as trouble:
            return trouble
        except VboxlabError:
            return None
        return None

    def _carry_out(self, number: int, step: CarriedOut) -> None:
        if isinstance(step, Measure):
            measure_step(number, step, self.lab, self.faults, self.recorder)
        elif isinstance(step, Writes):
            write_around(number, step, self.lab, self.faults, self.recorder)
        elif isinstance(step, FaultStep):
            carry_out_faults(step, self.faults, self.recorder, number, wait=True)
        else:
            checking.carry_out(step, self.lab, self.faults.time_scale, self.recorder, number)
            held = self.recorder.history().last(Tried, number)
            if step.persist and held is not None and not held.problems and not held.doubts:
                self._reboot(number, step.persist)
                checking.carry_out(step, self.lab, self.faults.time_scale, self.recorder, number)

    def _reboot(self, number: int, machines: Sequence[str]) -> None:
        for machine in machines:
            self.faults.inject(RebootFault(fault="reboot", machine=machine), wait=True)
            self.recorder.add(Rebooted(at=self.recorder.now(), step=number, machine=machine))

    def _expect_running(self, step: CarriedOut) -> None:
        """Raise InfrastructureTrouble when a machine that the step needs does not run though no fault wants it so."""
        made = step.causes if isinstance(step, CausedStep) else (step,) if isinstance(step, FaultStep) else ()
        starts = all_machines(made)
        for machine in dict.fromkeys(step.machines):
            power = self.lab.power(machine)
            wanted = {
                PowerState.RUNNING: True,
                PowerState.OFF: self.faults.is_off(machine) or machine in starts,
                PowerState.PAUSED: self.faults.is_paused(machine),
            }
            if wanted.get(power, False):
                continue
            raise InfrastructureTrouble(
                _("{machine} is {power}, so nothing can be proved").format(
                    machine=machine, power=C_("machine", power.value)
                ),
                details=[_(_LIKELY[power])] if power in _LIKELY else [],
                resolution=_("vboxlab up {topology}").format(topology=self.lab.topology.name),
            )


_LIKELY = {
    PowerState.PAUSED: N_("the hypervisor pauses machines when the host's disk is full"),
    PowerState.OFF: N_("it ended by itself or was powered off by somebody else"),
}
