"""A take-over step by step, as a machine's journal tells it. Pure; times are seconds on the run's clock."""

from __future__ import annotations

from collections.abc import Iterator

from vboxlab.verification.clocks import Interval, exactly
from vboxlab.verification.history import History, JournalRead
from vboxlab.verification.offsets import clock_offset
from vboxlab.verification.report import Stage


def detected(history: History, number: int, cause: Interval) -> tuple[Interval | None, float | None]:
    """Return when the first line after a cause was written on the run's clock, else until when there was none.

    Lines that were surely written before it tell of another death; one that may have been is taken as after it.
    """
    journal = history.last(JournalRead, number)
    if journal is None or journal.evidence.exit_code:
        return None, None
    offset = clock_offset(history, number, journal.machine)
    if offset is None:
        return None, None
    moments = (exactly(moment).plus(offset) for moment in sorted(journal.moments))
    first = next((moment for moment in moments if moment.high >= cause.low), None)
    if first is None:
        return None, journal.at
    return Interval(max(first.low, min(cause.low, first.high)), first.high), journal.at


def stages(history: History, number: int, dead: Interval | None) -> Iterator[Stage]:
    """Yield what the journal tells since the word that a node is dead, in the order of time."""
    journal = history.last(JournalRead, number)
    offset = clock_offset(history, number, journal.machine) if journal else None
    if journal is None or offset is None or dead is None or journal.evidence.exit_code:
        return
    found = []
    for name, moments in journal.stages.items():
        after = (exactly(moment).plus(offset) for moment in sorted(moments))
        first = next((moment for moment in after if moment.low >= dead.low), None)
        if first is not None:
            found.append(Stage(name, first))
    yield from sorted(found, key=lambda stage: stage.moment.low)
