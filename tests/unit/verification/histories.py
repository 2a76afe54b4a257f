"""Histories written by hand: what a verification would have recorded of a truth that the test knows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from vboxlab.topology.scenario import Scenario
from vboxlab.verification.history import (
    AnyRecord,
    Beat,
    ClockRead,
    FaultInForce,
    GaveUp,
    History,
    JournalRead,
    ProbeBegun,
    ProbeEnded,
    ProbeStopping,
    Request,
    RunBegun,
    RunEnded,
    Shown,
    StepBegun,
    StepEnded,
    StoodStill,
    Tried,
)
from vboxlab.verification.judgements import judge
from vboxlab.verification.report import Measurement, StepReport
from vboxlab.verification.samples import Sample

OWNERS = {"srv-web": "<h1>Srv-Web</h1>", "srv-web-bis": "<h1>Srv-Web-bis</h1>"}
BEHIND = 500.0
"""Seconds that the run's clock is ahead of the client's monotonic one."""
EPOCH = 1_700_000_000.0
"""What the guests' real clocks show when the client's monotonic clock shows 0."""


def run_begun(steps: Iterable[Mapping[str, Any]] = (), **more: Any) -> RunBegun:
    """Return the first line of a history; steps are as a topology file says them."""
    scenario = Scenario(steps=tuple(steps))
    dumped = tuple(step.model_dump(mode="json", by_alias=True) for step in scenario.steps)
    values: dict[str, Any] = {
        "at": 0.0, "run": "0123abcd", "lab": "ha", "copy_name": None, "topology": "failover", "digest": "d1",
        "parameters": {}, "driver": "qemu", "driver_version": "7.2", "vboxlab": "0.1.0",
        "started_at": "2026-11-30T01:00:00+00:00", "time_scale": 1.0, "owners": OWNERS,
    }  # fmt: skip
    return RunBegun(**{**values, "steps": dumped, **more})


def interruption(**more: Any) -> dict[str, Any]:
    """Return a measure as a topology file says it."""
    return {
        "measure": "interruption",
        "from": "client",
        "url": "http://192.168.200.5",
        "cause": {"fault": "power-off", "machine": "srv-web"},
        "served_by": "srv-web-bis",
        **more,
    }


def by(machine: str, start: float, duration: float = 0.01) -> Sample:
    """Return a good answer of a machine."""
    page = OWNERS[machine]
    marks = tuple(mark for mark, text in enumerate(OWNERS.values()) if text in page)
    return Sample(start, duration, "ok", 200, page, marks)


def hung(start: float, duration: float = 2.0) -> Sample:
    """Return a request that nobody answered."""
    return Sample(start, duration, "timeout")


def failover(dead: float, back: float, end: float = 20.0, every: float = 0.1) -> list[Sample]:
    """Return what a client sees: the master until it dies, nothing, then the secondary."""
    starts = [number * every for number in range(int(end / every))]
    return [
        by("srv-web", start) if start < dead else by("srv-web-bis", start) if start >= back else hung(start)
        for start in starts
    ]


def measured(
    samples: Iterable[Sample],
    cause: tuple[float, float] | None = (3.0, 3.0),
    *,
    step: Mapping[str, Any] | None = None,
    end: float = 20.0,
    silent: tuple[float, float] | None = None,
    detected: Iterable[float] = (),
    journal_code: int = 0,
    stages: Mapping[str, Iterable[float]] | None = None,
    stood_still: tuple[float, float] | None = None,
    gave_up: str = "",
    prober: str = "",
    begun: int | None = None,
    run: Mapping[str, Any] | None = None,
) -> History:
    """Return the history of one measure. All moments are on the client's clock.

    `silent`: the prober gives no heartbeat between; `detected`: lines of the journal; `stood_still`: the host did
    nothing between; `prober`: why it ended otherwise than asked.
    """
    samples = list(samples)
    records: list[AnyRecord] = [StepBegun(at=BEHIND - 1.0, step=1)]
    records += [
        ClockRead(at=BEHIND - 0.5, step=1, machine=machine, asked=BEHIND - 0.5, real=EPOCH - 0.5)
        for machine in ("client", "srv-web-bis")
    ]
    records.append(ProbeBegun(at=BEHIND, step=1, machine="client", url="http://192.168.200.5", every=0.1, timeout=2.0))
    over = max([end, *(sample.end for sample in samples)])
    for tick in range(int(over * 4)):
        moment = tick / 4
        launched = sum(sample.start < moment for sample in samples)
        if silent is None or not silent[0] < moment < silent[1]:
            beat = Beat(at=BEHIND + moment, step=1, monotonic=moment, real=EPOCH + moment, begun=launched)
            records.append(beat)
    records += [_request(sample) for sample in samples]
    if cause is not None:
        low, high = cause
        records.append(FaultInForce(at=BEHIND + high, step=1, asked=BEHIND + low, words="srv-web is off"))
    if stood_still is not None:
        low, high = stood_still
        records.append(StoodStill(at=BEHIND + high, seconds=high - low))
    if gave_up:
        records.append(GaveUp(at=BEHIND + end, step=1, reason=gave_up))
    records.append(ProbeStopping(at=BEHIND + end, step=1))
    count = len(samples) if begun is None else begun
    records.append(ProbeEnded(at=BEHIND + over, step=1, begun=count, trouble=prober))
    wanted = dict(step or interruption())
    if wanted.get("detection"):
        shown = Shown(machine="srv-web-bis", command="journalctl", exit_code=journal_code)
        moments = tuple(EPOCH + moment for moment in detected)
        at = BEHIND + end
        told = {name: tuple(EPOCH + moment for moment in found) for name, found in (stages or {}).items()}
        records.append(JournalRead(at=at, step=1, machine="srv-web-bis", moments=moments, stages=told, evidence=shown))
    records.append(StepEnded(at=BEHIND + over + 1.0, step=1))
    records.append(RunEnded(at=BEHIND + over + 1.0))
    return History([run_begun([wanted], **(run or {})), *records])


def _request(sample: Sample) -> Request:
    return Request(
        at=BEHIND + sample.end, step=1, start=sample.start, duration=sample.duration, outcome=sample.outcome,
        status=sample.status, page=sample.page, marks=sample.marks,
    )  # fmt: skip


def checked(step: Mapping[str, Any], *tried: Mapping[str, Any]) -> History:
    """Return the history of one check."""
    attempts = [Tried(at=1.0 + number, step=1, **one) for number, one in enumerate(tried)]
    records: list[AnyRecord] = [StepBegun(at=0.5, step=1), *attempts, StepEnded(at=9.0, step=1), RunEnded(at=9.5)]
    return History([run_begun([step]), *records])


def judged(history: History) -> StepReport:
    """Return what came of the first step."""
    return judge(history).steps[0]


def figure(step: StepReport, name: str) -> Measurement:
    """Return a figure of a step by its name."""
    return next(one for one in step.measurements if one.name == name)


def bounds(step: StepReport, name: str) -> tuple[float | None, float | None]:
    """Return between which bounds a figure lies."""
    found = figure(step, name)
    return found.least, found.most
