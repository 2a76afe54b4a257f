"""An interrupted restore in words, and what it keeps from being done."""

from __future__ import annotations

from vboxlab.planning.observed import PendingRestore

FINISH_OR_DROP = (
    "`vboxlab snapshot restore --finish` ends it, `vboxlab snapshot restore --drop` leaves the machines as they are"
)


def describe_pending(pending: PendingRestore) -> list[str]:
    """Return an interrupted restore in lines: what it was, how far it came, what finishing it would cost."""
    if pending.unknown:
        return [f"a restore was interrupted, of any machines: its record cannot be read ({pending.unknown})"]
    done = f"done on {', '.join(pending.done)}" if pending.done else "done on no machine"
    begun = f", begun {pending.begun}," if pending.begun else ""
    lines = [f"the restore of {pending.snapshot}{begun} was interrupted: {done}, not on {', '.join(pending.undone)}"]
    if pending.used:
        was = "was" if len(pending.used) == 1 else "were"
        lines.append(f"{', '.join(pending.used)} {was} started since: finishing it throws away what was done there")
    return [*lines, *pending.impossible]
