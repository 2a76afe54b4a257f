"""Judging whether acknowledged writes are there afterwards: pure functions of a history."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from vboxlab.language import NC_, _, n_
from vboxlab.lazily import dataclass
from vboxlab.topology.writes import Writes
from vboxlab.verification.history import FaultInForce, GaveUp, History, ProbeBegun, ProbeEnded, Request
from vboxlab.verification.report import Measurement, StepOutcome, StepReport
from vboxlab.verification.samples import Sample

GONE = (404, 410)


@dataclass(frozen=True)
class Fate:
    """What became of numbered writes. `unknown` were acknowledged, and nobody could tell whether they are there."""

    sent: int
    acknowledged: frozenset[int]
    there: frozenset[int]
    gone: frozenset[int]

    @property
    def lost(self) -> frozenset[int]:
        """Return the acknowledged writes that are not there."""
        return self.acknowledged & self.gone

    @property
    def unknown(self) -> frozenset[int]:
        """Return the acknowledged writes of which nothing is known."""
        return self.acknowledged - self.gone - self.there


def acknowledged(sample: Sample | Request) -> bool:
    """Tell whether a write was acknowledged (RFC 9110 section 15.3: 200, 201 or 204)."""
    return sample.outcome == "ok" and 200 <= sample.status < 300


def fate(history: History, number: int) -> Fate:
    """Return what became of the writes of a step: the last word of each read counts."""
    method, sent = "", 0
    written: set[int] = set()
    read: dict[int, bool] = {}
    for record in history.records:
        if getattr(record, "step", None) != number:
            continue
        match record:
            case ProbeBegun():
                method = record.method
            case ProbeEnded() if method == "put":
                sent = record.begun or 0
            case Request(outcome="ok") if record.page[1:].isdigit():
                which = int(record.page[1:])
                if method == "put" and acknowledged(record):
                    written.add(which)
                elif method == "read" and (record.status == 200 or record.status in GONE):
                    read[which] = record.status == 200
    there = frozenset(which for which, is_there in read.items() if is_there)
    return Fate(sent, frozenset(written), there, frozenset(read) - there)


def unread(history: History, number: int) -> bool:
    """Tell whether there are acknowledged writes of which nothing is known yet."""
    return bool(fate(history, number).unknown)


def ranges(numbers: Iterable[int]) -> str:
    """Return numbers as people write them: 3, 7-12."""
    found: list[list[int]] = []
    for number in sorted(numbers):
        if found and number == found[-1][1] + 1:
            found[-1][1] = number
        else:
            found.append([number, number])
    return ", ".join(str(first) if first == last else f"{first}-{last}" for first, last in found)


def judge_writes(history: History, number: int, step: Writes, unjudged: StepReport) -> StepReport:
    """Return what came of a measure of writes: lost ones fail it, unknown ones leave it unclear."""
    gave_up, found = history.last(GaveUp, number), fate(history, number)
    if history.last(FaultInForce, number) is None:
        message = gave_up.reason if gave_up else _("no write was acknowledged, so nothing was done")
        return replace(unjudged, outcome="failed" if gave_up else "unclear", message=message)
    first = history.first(ProbeEnded, number)
    figures = tuple(_figures(found, step))
    done = replace(unjudged, measurements=figures, message=_headline(found))
    problems, doubts = [], []
    if len(found.lost) > step.limits.lost:
        problems.append(_("acknowledged and lost: {numbers}").format(numbers=ranges(found.lost)))
    if found.unknown:
        doubts.append(_("acknowledged, and could not be read: {numbers}").format(numbers=ranges(found.unknown)))
    if not found.acknowledged:
        doubts.append(_("no write was acknowledged"))
    if first is None or first.begun is None or first.trouble:
        doubts.append(_("the prober did not end as it was asked to"))
    outcome: StepOutcome = "failed" if problems else "unclear" if doubts else "passed"
    return replace(done, outcome=outcome, details=(*problems, *doubts, *_left(history, number, found)))


def _headline(found: Fate) -> str:
    lost = len(found.lost)
    kept = n_("{count} of {sent} writes acknowledged", "{count} of {sent} writes acknowledged", len(found.acknowledged))
    text = _("{kept}, {lost} of them lost") if lost else _("{kept}, none of them lost")
    if found.unknown and not lost:
        text = _("{kept}, {unknown} of them not found out")
    shown = kept.format(count=len(found.acknowledged), sent=found.sent)
    return text.format(kept=shown, lost=lost, unknown=len(found.unknown))


def _figures(found: Fate, step: Writes) -> Iterator[Measurement]:
    count, lost, limit = len(found.acknowledged), len(found.lost), step.limits.lost
    meaning = _("writes that the service acknowledged")
    yield Measurement(NC_("figure", "acknowledged"), meaning, "requests", count, count)
    most = lost + len(found.unknown)
    outcome: StepOutcome = "failed" if lost > limit else "unclear" if most > limit else "passed"
    meaning = _("of them not there afterwards")
    yield Measurement(NC_("figure", "lost"), meaning, "requests", lost, most, limit, limit, outcome)


def _left(history: History, number: int, found: Fate) -> Iterator[str]:
    """Yield what is to be said of files that could not be removed."""
    method, removed, folder = "", 0, ""
    for record in history.records:
        if getattr(record, "step", None) == number:
            if isinstance(record, ProbeBegun):
                method, folder = record.method, record.url
            elif isinstance(record, Request) and method == "delete" and acknowledged(record):
                removed += 1
    if found.lost or removed < len(found.there):
        text = _("files may be left whose names begin with {name}, on a server that was off or did not remove them")
        yield text.format(name=folder.rpartition("/")[2])
