"""Proving that a lab, or each of several copies, does what its topology promises."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import field, replace
from pathlib import Path

from vboxlab.errors import EXIT_OK, VboxlabError
from vboxlab.lab.pending_faults import read_faults
from vboxlab.language import _, n_
from vboxlab.lazily import dataclass
from vboxlab.operations.copies import Chosen, OneOrCopies, choose, on_labs
from vboxlab.operations.door import Door
from vboxlab.operations.reporting import Form, rendered, report_file, write_reports
from vboxlab.operations.request import LabRequest
from vboxlab.operations.session import Session, opened
from vboxlab.topology.addressing import LabName
from vboxlab.verification.judgements import unverified
from vboxlab.verification.live import end_faults, prove
from vboxlab.verification.render import counted
from vboxlab.verification.report import Report, StepOutcome
from vboxlab.verification.series import exit_code

SUMMED_UP: tuple[StepOutcome, ...] = ("passed", "warning", "skipped")  # of steps, where none was otherwise


class NotProved(VboxlabError):
    """The scenario of a copy did not pass."""


@dataclass(frozen=True, kw_only=True)
class VerifyRequest(LabRequest):
    """Which topology's scenario to run, and in what forms its report is wanted.

    `time_scale` stretches limits and waits (None: as the settings say, or else as slow as the guests are). `only` names
    steps by number, title or kind; none: all. It is run `runs` times, one after the other. With `undo`
    nothing is verified: what a run that was broken off has left is undone. `form` is that of the report
    which the result has; `files` are written besides, one a copy where there are several.
    """

    topology: str
    time_scale: float | None = None
    only: tuple[str, ...] = ()
    undo: bool = False
    break_on_failure: bool = False
    runs: int = 1
    form: Form = "text"
    files: Mapping[Form, Path] = field(default_factory=dict)


@dataclass(frozen=True)
class Proof:
    """What came out for a lab: the report in the form that was asked for, its steps by outcome, the exit code."""

    lab: LabName
    report: str
    counts: Mapping[StepOutcome, int]
    exit_code: int

    def counted(self) -> str:
        """Return in words how many steps came out how."""
        return ", ".join(counted(outcome, self.counts[outcome]) for outcome in SUMMED_UP if self.counts.get(outcome))


def verify(request: VerifyRequest, door: Door) -> OneOrCopies[Proof]:
    """Check, make faults and measure. A copy that did not pass has failed; a single lab's proof says so.

    The files asked for are written anew in any case, first with what nobody knows yet: what is in them is never of an
    earlier run. Copies are verified one after the other unless `jobs` says otherwise. Raises UsageError, LabBusy,
    InfrastructureTrouble when the lab is not up or in another topology.
    """
    several = request.which.several

    begun: list[LabName] = []

    def one(session: Session, entry: Chosen, _jobs: int) -> Proof:
        begun.append(entry.lab)
        if request.undo:
            end_faults(session.context, entry.lab, entry.target(session).needed.topology)
            return Proof(entry.lab, _what_is_left(session, entry.lab), Counter(), EXIT_OK)
        settings = session.settings
        scale = request.time_scale if request.time_scale is not None else settings.time_scale
        files = {form: report_file(path, entry.lab if several else None) for form, path in request.files.items()}
        name, driver = request.topology, session.context.driver.name
        reports: list[Report] = []
        write_reports([unverified(name, entry.lab, driver, [_("the run did not come to its end")])], files)
        try:
            topology = entry.target(session).needed.topology
            for _run in range(request.runs):
                reports.append(prove(session.context, entry.lab, topology, time_scale=scale, only=request.only,
                                     break_on_failure=request.break_on_failure))  # fmt: skip
                write_reports(reports, files)
        except VboxlabError as error:
            failed = unverified(name, entry.lab, driver, [error.brief, *error.details])
            write_reports([*reports, failed], files)
            raise
        for report in reports:
            if several and not report.passed:
                raise _not_proved(report)
        counts = sum((report.counts() for report in reports), Counter[StepOutcome]())
        return Proof(entry.lab, rendered(reports, request.form), counts, exit_code(reports))

    try:
        with opened(door, request.driver) as session:
            chosen = choose(session, request.topology, request, parameters=True)
            return on_labs(session, chosen, replace(request, jobs=request.jobs or 1), one)
    except VboxlabError as error:
        if not begun:
            reasons = [error.brief, *error.details]
            write_reports([unverified(request.topology, None, request.driver or "", reasons)], request.files)
        raise


def _what_is_left(session: Session, lab: LabName) -> str:
    """Say what is still in force once all is undone that could be, and why."""
    left = read_faults(session.context.directory(lab).faults)
    if not left:
        return _("nothing that a verification has done is in force")
    text = _("still in force, of machines that another topology has or that a restore has left: {faults}")
    return text.format(faults="; ".join(each.words for each in left))


def _not_proved(report: Report) -> NotProved:
    wrong = [step for step in report.steps if step.outcome in ("failed", "unclear", "error")]
    brief = n_("{count} of {steps} steps did not pass", "{count} of {steps} steps did not pass", len(wrong))
    told = _("{subject}: {text}")
    return NotProved(
        brief.format(count=len(wrong), steps=len(report.steps)),
        details=[
            *(told.format(subject=f"{step.number} {step.title}", text=step.message) for step in wrong),
            *report.doubts,
        ],
    )
