"""An interrupted restore in words, and what it keeps from being done."""

from __future__ import annotations

from vboxlab.language import N_, _, n_
from vboxlab.planning.observed import PendingRestore

FINISH_OR_DROP = N_(
    "`vboxlab snapshot restore --finish` ends it, `vboxlab snapshot restore --drop` leaves the machines as they are"
)
# By whether it is known when it was begun, and whether it was done on any machine.
_INTERRUPTED = {
    (True, True): N_("the restore of {snapshot}, begun {begun}, was interrupted: done on {done}, not on {undone}"),
    (True, False): N_("the restore of {snapshot}, begun {begun}, was interrupted: done on no machine, not on {undone}"),
    (False, True): N_("the restore of {snapshot} was interrupted: done on {done}, not on {undone}"),
    (False, False): N_("the restore of {snapshot} was interrupted: done on no machine, not on {undone}"),
}


def describe_pending(pending: PendingRestore) -> list[str]:
    """Return an interrupted restore in lines: what it was, how far it came, what finishing it would cost."""
    if pending.unknown:
        text = _("a restore was interrupted, of any machines: its record cannot be read ({reason})")
        return [text.format(reason=pending.unknown)]
    text = _(_INTERRUPTED[bool(pending.begun), bool(pending.done)])
    done, undone = ", ".join(pending.done), ", ".join(pending.undone)
    lines = [text.format(snapshot=pending.snapshot, begun=pending.begun, done=done, undone=undone)]
    if pending.used:
        text = n_(
            "{machines} was started since: finishing it throws away what was done there",
            "{machines} were started since: finishing it throws away what was done there",
            len(pending.used),
        )
        lines.append(text.format(machines=", ".join(pending.used)))
    return [*lines, *pending.impossible]
