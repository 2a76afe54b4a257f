"""Proving that a lab, or each of several copies, does what its topology promises."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field, replace
from pathlib import Path
from typing import Literal

from vboxlab.errors import VboxlabError
from vboxlab.language import _, n_
from vboxlab.lazily import dataclass
from vboxlab.operations.copies import Chosen, OneOrCopies, choose, on_labs
from vboxlab.operations.door import Door
from vboxlab.operations.request import LabRequest
from vboxlab.operations.session import Session, opened
from vboxlab.topology.addressing import LabName
from vboxlab.verification.live import prove
from vboxlab.verification.render import counted, render_csv, render_text
from vboxlab.verification.render_html import render_html
from vboxlab.verification.render_junit import render_junit
from vboxlab.verification.report import Report, StepOutcome, render_json

Form = Literal["text", "json", "junit", "html", "csv"]
SUMMED_UP: tuple[StepOutcome, ...] = ("passed", "warning", "skipped")  # of steps, where none was otherwise
RENDERERS = {"text": render_text, "json": render_json, "junit": render_junit, "html": render_html, "csv": render_csv}


class NotProved(VboxlabError):
    """The scenario of a copy did not pass."""


@dataclass(frozen=True, kw_only=True)
class VerifyRequest(LabRequest):
    """Which topology's scenario to run, and in what forms its report is wanted.

    `time_scale` stretches limits and waits (None: as the settings say). `form` is that of the report which the result
    has; `files` are written besides, one a copy where there are several.
    """

    topology: str
    time_scale: float | None = None
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

    Copies are verified one after the other unless `jobs` says otherwise. Raises UsageError, LabBusy,
    InfrastructureTrouble when the lab is not up or in another topology.
    """
    several = request.which.several

    def one(session: Session, entry: Chosen, _jobs: int) -> Proof:
        settings = session.settings
        scale = request.time_scale if request.time_scale is not None else settings.time_scale
        report = prove(session.context, entry.lab, entry.target(session).needed.topology, time_scale=scale)
        _write(report, request.files, several=several)
        if several and not report.passed:
            raise _not_proved(report)
        return Proof(entry.lab, RENDERERS[request.form](report), report.counts(), report.exit_code)

    with opened(door, request.driver) as session:
        chosen = choose(session, request.topology, request, parameters=True)
        return on_labs(session, chosen, replace(request, jobs=request.jobs or 1), one)


def _not_proved(report: Report) -> NotProved:
    wrong = [step for step in report.steps if step.outcome in ("failed", "error")]
    brief = n_("{count} of {steps} steps did not pass", "{count} of {steps} steps did not pass", len(wrong))
    told = _("{subject}: {text}")
    return NotProved(
        brief.format(count=len(wrong), steps=len(report.steps)),
        details=[told.format(subject=f"{step.number} {step.title}", text=step.message) for step in wrong],
    )


def _write(report: Report, files: Mapping[Form, Path], *, several: bool) -> None:
    """Write a report's files; the copy's name goes in front of the ending, when there are several."""
    for form, path in files.items():
        file = path.with_name(f"{path.stem}-{report.copy or report.lab}{path.suffix}") if several else path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(RENDERERS[form](report), encoding="utf-8")
