"""Carrying out the measure of writes: write numbered files around a fault, read all of them afterwards, remove them."""

from __future__ import annotations

from contextlib import suppress

from vboxlab.errors import InfrastructureTrouble, VboxlabError
from vboxlab.language import _
from vboxlab.topology.writes import Writes
from vboxlab.verification.faults import Faults
from vboxlab.verification.history import GaveUp, ProbeEnded
from vboxlab.verification.measuring import SETTLING
from vboxlab.verification.probes import Prober, ProbeSpec, probe, probing
from vboxlab.verification.recorder import Recorder
from vboxlab.verification.samples import Sample
from vboxlab.verification.sequences import carry_out_faults
from vboxlab.verification.subject import LabUnderTest
from vboxlab.verification.writes import acknowledged, unread
from vboxlab.waiting import Deadline

READ_EVERY = 0.05  # seconds between reads, times the scale


def write_around(number: int, step: Writes, lab: LabUnderTest, faults: Faults, recorder: Recorder) -> None:
    """Write files around the cause, read those that were acknowledged, and record everything.

    Raises GuestError, WaitTimeout, InfrastructureTrouble and the driver's errors when it cannot be done.
    """
    scale = faults.time_scale
    client = lab.executor(step.source)
    folder = f"{step.url}vboxlab-{recorder.history().run.run}-{number}-"
    life = (2 * step.within + step.before + step.observe + 60.0) * scale
    spec = ProbeSpec(folder, step.every * scale, step.timeout * scale, life=life, method="put")
    recorder.add(spec.begun(recorder.now(), number, step.source))
    with probing(client, spec, recorder, number, within=30.0 * scale) as prober:
        if _is_taken(prober, step, scale, recorder, number):
            carry_out_faults(step.cause, faults, recorder, number, wait=False, pause=prober.pause)
            _watch(prober, step, scale)
        prober.finish(spec.timeout)
    _read_back(number, step, lab, scale, recorder, folder)


def _is_taken(prober: Prober, step: Writes, scale: float, recorder: Recorder, number: int) -> bool:
    """Wait until writes have been acknowledged for a while; tell where none was."""

    def steady(samples: list[Sample]) -> bool:
        good = [sample for sample in samples if acknowledged(sample)]
        return bool(good) and good[-1].end - good[0].start >= step.before * scale

    if prober.wait(steady, Deadline.after((step.before + SETTLING) * scale)):
        return True
    statuses = sorted({sample.status for sample in prober.samples if sample.outcome == "ok"})
    reason = _("{url} acknowledged no write for {seconds:g} s, so nothing was done").format(
        url=step.url, seconds=step.before * scale
    )
    if statuses:
        reason += "; " + _("it answered {statuses}").format(statuses=", ".join(map(str, statuses)))
    recorder.add(GaveUp(at=recorder.now(), step=number, reason=reason))
    return False


def _watch(prober: Prober, step: Writes, scale: float) -> None:
    """Let the prober write until writes are acknowledged again for a while, or the time is over."""
    asked = max((sample.start for sample in prober.samples), default=0.0)

    def again(samples: list[Sample]) -> bool:
        return any(acknowledged(sample) and sample.start > asked for sample in samples)

    if prober.wait(again, Deadline.after(step.within * scale)):
        prober.pause(step.observe * scale)


def _read_back(number: int, step: Writes, lab: LabUnderTest, scale: float, recorder: Recorder, folder: str) -> None:
    """Read each file that may have been written, and again while something is not known of one; then remove them."""
    client = lab.executor(step.source)
    ended = recorder.history().last(ProbeEnded, number)
    count = (ended.begun or 0) if ended else 0
    if not count:
        return
    deadline = Deadline.after(step.within * scale)
    spec = ProbeSpec(folder, READ_EVERY * scale, step.timeout * scale, count=count, life=10.0**4, method="read")
    while True:
        try:
            probe(client, spec, recorder, number)
        except InfrastructureTrouble:
            if deadline.expired:
                raise
        if deadline.expired or not unread(recorder.history(), number):
            break
    removing = ProbeSpec(folder, READ_EVERY * scale, step.timeout * scale, count=count, life=10.0**4, method="delete")
    with suppress(VboxlabError):  # what is left is told by what it answered
        probe(client, removing, recorder, number)
