"""Trying the checks of a scenario until they hold, and recording each attempt."""

from __future__ import annotations

import time
import traceback
from pathlib import PurePath
from typing import Literal

from vboxlab.errors import GuestError, InfrastructureTrouble, VboxlabError, WaitTimeout
from vboxlab.language import C_, _
from vboxlab.planning.observed import PowerState
from vboxlab.topology.check_interface import OutsideCheck
from vboxlab.topology.checks import Check
from vboxlab.verification.attempts import Site
from vboxlab.verification.checks import examine
from vboxlab.verification.history import GaveUp, Tried, Trouble
from vboxlab.verification.recorder import Recorder
from vboxlab.verification.subject import LabUnderTest
from vboxlab.waiting import Deadline

RETRY_PAUSE = 1.0


def carry_out(check: Check | OutsideCheck, lab: LabUnderTest, time_scale: float, recorder: Recorder, step: int) -> None:
    """Try a check until it holds or its budget is used up, and record each attempt.

    It ends early when a machine that it looks at does not run any more. Raises the last GuestError, WaitTimeout or
    InfrastructureTrouble when no attempt at all could be made to the end.
    """
    site = Site(lab, time_scale, Deadline.after(check.within * time_scale), recorder, step)
    is_told = False
    while True:
        try:
            finding = examine(check, site)
        except (GuestError, WaitTimeout, InfrastructureTrouble) as error:
            reason = _not_running(check, lab)
            if not is_told and (site.deadline.expired or reason):
                raise
            recorder.add(trouble(recorder, step, error, passing=True))
            if reason:
                recorder.add(GaveUp(at=recorder.now(), step=step, reason=reason))
                return
        else:
            is_told = True
            recorder.add(
                Tried(at=recorder.now(), step=step, problems=finding.problems, doubts=finding.doubts,
                      message=finding.message, evidence=finding.evidence,
                      seen=dict(finding.seen) if finding.seen is not None else None)
            )  # fmt: skip
            if finding.holds:
                return
        if site.deadline.expired:
            return
        time.sleep(site.deadline.capped(RETRY_PAUSE))


def trouble(recorder: Recorder, step: int, error: Exception, *, passing: bool = False) -> Trouble:
    """Return the record of an error that kept a step from being carried out."""
    if not isinstance(error, VboxlabError):
        text = _("a bug of vboxlab: {error}").format(error=f"{type(error).__name__}: {error}")
        return Trouble(at=recorder.now(), step=step, cause="bug", brief=text, details=_where(error))
    cause: Literal["lab", "guest"] = "lab" if isinstance(error, InfrastructureTrouble) else "guest"
    return Trouble(at=recorder.now(), step=step, cause=cause, brief=error.brief, details=tuple(error.details),
                   resolution=error.resolution or "", passing=passing)  # fmt: skip


def _where(error: Exception) -> tuple[str, ...]:
    frames = traceback.extract_tb(error.__traceback__)
    return tuple(f"{PurePath(frame.filename).name}:{frame.lineno} {frame.name}" for frame in frames[-2:])


def _not_running(check: Check | OutsideCheck, lab: LabUnderTest) -> str:
    for machine in dict.fromkeys(check.machines):
        power = lab.power(machine)
        if power is not PowerState.RUNNING:
            return _("{machine} is {power}").format(machine=machine, power=C_("machine", power.value))
    return ""
