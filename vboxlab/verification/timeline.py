"""What was done to a lab in the course of a run. Pure; times are seconds since it began."""

from __future__ import annotations

from collections.abc import Iterator

from vboxlab.verification.history import AnyRecord, FaultInForce, FaultUndone, History
from vboxlab.verification.report import Mark


def fault_marks(history: History) -> Iterator[Mark]:
    """Yield from when to when each fault was in force; one that leaves nothing behind only when it was made."""
    for place, record in enumerate(history.records):
        if isinstance(record, FaultInForce):
            end = record.at
            if record.key:
                later = history.records[place + 1 :]
                end = next((one.at for one in later if _is_ended(record, one)), history.records[-1].at)
            yield Mark(round(record.asked, 3), round(end, 3), record.words)


def _is_ended(fault: FaultInForce, record: AnyRecord) -> bool:
    if isinstance(record, FaultInForce):
        return fault.key in record.ends
    return isinstance(record, FaultUndone) and record.words == fault.state
