"""What the verbs share when they work on one lab or on several copies of it: which ones, and the run."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import field
from typing import Any, TypeAlias, TypeVar

from vboxlab.errors import TopologyInvalid, UsageError
from vboxlab.events import EventSink
from vboxlab.lab.context import Context
from vboxlab.lab.observe import labs
from vboxlab.language import _
from vboxlab.lazily import dataclass
from vboxlab.operations.request import LabRequest
from vboxlab.operations.run_copies import CopyResult, run_copies, shares
from vboxlab.operations.session import Session
from vboxlab.operations.targets import Target, find_target, only_target
from vboxlab.planning.observed import current_topology
from vboxlab.topology.addressing import LabName

T = TypeVar("T")
OneOrCopies: TypeAlias = T | list[CopyResult[T]]
"""What became of the one lab, or of each copy where several were asked for."""


@dataclass
class Chosen:
    """One lab or copy to work on, the name that it was called by, and the values of its topology's parameters."""

    lab: LabName
    name: str
    values: Mapping[str, str] = field(default_factory=dict)
    _found: Target | None = None

    def target(self, session: Session) -> Target:
        """Return it with its topology, which is loaded when it is first asked for. Raises as find_target does."""
        if self._found is None:
            self._found = find_target(session, self.name, self.values, self.lab.copy)
        return self._found


def choose(session: Session, name: str | None, request: LabRequest, *, parameters: bool = False) -> list[Chosen]:
    """Return the copies that a request is about, or the one lab that is named, or the only one there is.

    `parameters`: the columns of a CSV file must be the topology's. Values of the request go before those of the roll.
    Raises UsageError naming the labs that exist when it is not clear which lab is meant, or there is none.
    """
    if request.which.several:
        return _choose_copies(session, name, request, parameters=parameters)
    found = only_target(session, name, request.values, request.which.copy)
    return [Chosen(found.lab, name or found.lab.lab, request.values, found)]


def _choose_copies(session: Session, name: str | None, request: LabRequest, *, parameters: bool) -> list[Chosen]:
    existing = labs(session.context.machines())
    roll = request.which.roll
    if roll is None:
        wanted = _lab_name(session, name, existing) if name is not None else None
        found = [lab for lab in existing if wanted in (None, lab.lab)]
        if not found:
            text = _("no lab of {name} exists on this computer") if name else _("no lab exists on this computer")
            raise UsageError(text.format(name=name), resolution=_("`vboxlab status --all` shows those that do"))
        return [Chosen(lab, name or lab.lab, request.values) for lab in found]
    lab = _lab_name(session, name or _only(existing), existing)
    if parameters and roll.columns:
        topology = session.library.topology(session.library.find_topology(name or lab))
        roll.check_columns(list(topology.parameters), topology.name)
    return [Chosen(LabName(lab, copy.name), name or lab, {**copy.values, **request.values}) for copy in roll.copies]


def _only(existing: Mapping[LabName, Any]) -> str:
    names = sorted({lab.lab for lab in existing})
    if len(names) == 1:
        return names[0]
    brief = _("there are several labs; say which one") if names else _("there is no lab on this computer yet")
    raise UsageError(brief, details=names)


def _lab_name(session: Session, name: str, existing: Mapping[LabName, Sequence[Any]]) -> str:
    """Return the lab that a topology or lab name means, also when the topology file is broken or gone."""
    try:
        return session.library.topology(session.library.find_topology(name)).lab
    except (TopologyInvalid, UsageError):
        for lab, machines in existing.items():
            if lab.lab == name or current_topology(machines) == name:
                return lab.lab
        raise


def each(
    session: Session,
    chosen: Sequence[Chosen],
    do: Callable[[Session, Chosen, int], T],
    *,
    jobs: int | None,
    patience: float | None,
    at_most: int | None = None,
    boots: bool = True,
) -> list[CopyResult[T]]:
    """Do something to each copy with its lock held (without patience: without the lock), so many at once.

    `do` gets a session whose events carry the copy's name, the copy, and how many actions it may have under way: more
    where no guest is started or asked (`boots`).
    """
    context = session.context
    width, share = shares(jobs or _at_once(session, boots=boots), min(len(chosen), at_most or len(chosen)))
    by_lab = {entry.lab: entry for entry in chosen}

    def one(lab: LabName, events: EventSink) -> T:
        lock = context.directory(lab).locked(events, patience=patience) if patience is not None else nullcontext()
        with lock as held:
            _renew(context, held)
            return do(session.having(events=events), by_lab[lab], share)

    with session.door.heeding_stop():
        return run_copies(list(by_lab), one, width=width, events=context.events, stop=context.stop)


def on_labs(
    session: Session,
    chosen: Sequence[Chosen],
    request: LabRequest,
    do: Callable[[Session, Chosen, int], T],
    *,
    lock: bool = True,
    heed_stop: bool = False,
    boots: bool = True,
    at_most: int | None = None,
) -> OneOrCopies[T]:
    """Do something to the one lab that was chosen, or to each copy where several were asked for.

    `do` gets the session, the lab, and how many actions it may have under way; with `lock` the lab's lock is held.
    `heed_stop`: `do` on one lab looks at the stop event itself, so that it need not be broken off. `boots`, `at_most`:
    as of each.
    """
    patience = request.wait if lock else None
    if request.which.several:
        return each(session, chosen, do, jobs=request.jobs, patience=patience, at_most=at_most, boots=boots)
    (entry,) = chosen
    context = session.context
    held = context.directory(entry.lab).locked(context.events, patience=patience) if patience is not None else None
    with held or nullcontext() as last_held, session.door.heeding_stop() if heed_stop else nullcontext():
        _renew(context, last_held)
        return do(session, entry, request.jobs or _at_once(session, boots=boots))


def _renew(context: Context, held: float | None) -> None:
    """Look at the host again where somebody held the lab's lock since it was looked at."""
    if held is not None and context.listing is not None:
        context.listing.renew(held)


def _at_once(session: Session, *, boots: bool) -> int:
    return session.settings.concurrency if boots else session.settings.calls
