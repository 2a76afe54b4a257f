"""Bringing a lab, or a whole class, back to the beginning of its exercise."""

from __future__ import annotations

from vboxlab.errors import VboxlabError
from vboxlab.lab.observe import settle
from vboxlab.lab.reset import lost_by_reset
from vboxlab.lab.reset import reset as bring_back
from vboxlab.language import N_
from vboxlab.lazily import dataclass
from vboxlab.operations.copies import Chosen, choose, each
from vboxlab.operations.door import Door
from vboxlab.operations.questions import DONE_IN, Question, ask_for_all
from vboxlab.operations.request import LabRequest
from vboxlab.operations.run_copies import CopyResult
from vboxlab.operations.session import Session, opened
from vboxlab.operations.up import Up, end_left, result_of
from vboxlab.topology.addressing import LabName

_KEPT_BEFORE = Question(
    N_("throw away what was done in lab {lab}, kept as {snapshot} before, ({machines})?"),
    N_("throw away what was done in {count} labs, kept as {snapshot} before, ({machines})?"),
)


@dataclass(frozen=True, kw_only=True)
class ResetRequest(LabRequest):
    """Which lab to bring back (a lab or topology name; None: the only one), and how.

    `snapshot`: None for the topology's last. `keep`: the name of a snapshot to keep what the machines are now.
    `bring_up`: None to do so where a machine ran. `yes`: work may be thrown away.
    """

    lab: str | None
    snapshot: str | None = None
    keep: str | None = None
    bring_up: bool | None = None
    yes: bool = False


@dataclass(frozen=True)
class Reset:
    """Which machines went back to which snapshot. `brought_up` is None for a lab that was left off."""

    lab: LabName
    snapshot: str
    machines: tuple[str, ...]
    brought_up: Up | None


def reset(request: ResetRequest, door: Door) -> list[CopyResult[Reset]]:
    """Bring machines back to a snapshot, all or none, and the lab up again.

    The door is asked once where work would be lost. Raises UsageError, and for a single lab what `reset` of the lab
    layer raises.
    """

    def one(own: Session, entry: Chosen, jobs: int) -> Reset:
        blueprint = entry.target(own).needed
        done = bring_back(
            own.context, blueprint, entry.lab, snapshot=request.snapshot, keep=request.keep,
            bring_up=request.bring_up, before_up=lambda: end_left(own.context, entry.lab, blueprint), jobs=jobs,
        )  # fmt: skip
        brought_up = None if done.brought_up is None else result_of(entry.lab, done.brought_up)
        return Reset(entry.lab, done.snapshot, done.machines, brought_up)

    with opened(door, request.driver) as session:
        chosen = choose(session, request.lab, request)
        lost = {} if request.yes else {entry.lab: _lost(session, entry, request.snapshot) for entry in chosen}
        question, keep = (_KEPT_BEFORE, request.keep) if request.keep else (DONE_IN, "")
        confirm = ask_for_all(door, lost, yes=request.yes, question=question, snapshot=keep)
        confirming = session.having(confirm=confirm)
        results = each(
            confirming, chosen, one, jobs=request.jobs, patience=request.wait, boots=request.bring_up is not False
        )  # fmt: skip
    if not request.which.several and results[0].error is not None:
        raise results[0].error
    return results


def _lost(session: Session, entry: Chosen, snapshot: str | None) -> list[str]:
    """Return the machines of a lab that lose work by a reset; none where it cannot be told: there it will fail."""
    try:
        return lost_by_reset(entry.target(session).needed, settle(session.context, entry.lab), snapshot)
    except VboxlabError:
        return []
