"""`plan`: all that `up` would do and why."""

from __future__ import annotations

from typing import Any

from vboxlab.lab.context import Context
from vboxlab.lab.planned import Blueprint, Later, make_plan, missing_source, plan_source
from vboxlab.language import _
from vboxlab.lazily import dataclass
from vboxlab.operations.copies import Chosen, OneOrCopies, choose, on_labs
from vboxlab.operations.door import Door
from vboxlab.operations.doubts import tell_of_doubts
from vboxlab.operations.request import LabRequest
from vboxlab.operations.session import Session, opened
from vboxlab.planning import describe
from vboxlab.planning.actions import Plan
from vboxlab.planning.observed import ObservedLab
from vboxlab.planning.planner import UNTIL_CREATED
from vboxlab.topology.addressing import LabName


@dataclass(frozen=True, kw_only=True)
class PlanRequest(LabRequest):
    """The topology to plan, up to a stage or to `created` (None: all of it)."""

    topology: str
    until: str | None = None


@dataclass(frozen=True)
class Planned:
    """A plan, and the one of another topology that makes the snapshot set which it starts from."""

    plan: Plan
    first: Planned | None
    source: str

    @property
    def is_empty(self) -> bool:
        """Tell whether there is nothing to do."""
        return not self.plan.actions and self.first is None

    @property
    def blocker(self) -> str:
        """Return the first reason why it cannot be done, "" when there is none."""
        return next(iter(self.plan.blockers), "") or (self.first.blocker if self.first else "")

    @property
    def count(self) -> int:
        """Return how many actions there are, those of the plans before it included."""
        return len(self.plan.actions) + (self.first.count if self.first else 0)

    def lines(self) -> list[str]:
        """Return it as text."""
        text = describe.lines(self.plan)
        if self.first is None:
            return text
        heading = [_("first, to make {snapshot}:").format(snapshot=self.source), *self.first.lines()]
        return [*heading, _("then, planned anew from what is there by then:"), *text]

    def record(self) -> dict[str, Any]:
        """Return it as plain data; keys are stable."""
        return {**describe.data(self.plan), "first": self.first.record() if self.first else None}


def plan(request: PlanRequest, door: Door) -> OneOrCopies[Planned]:
    """Plan after a look into the guests that run, and change nothing. Raises as choose and make_plan do."""

    def one(session: Session, entry: Chosen, jobs: int) -> Planned:
        target = entry.target(session)
        changes, _desired, observed = make_plan(
            session.context, target.needed, target.lab, until=request.until, look=True, jobs=jobs
        )  # fmt: skip
        return _with_source(session.context, target.needed, target.lab, changes, observed, until=request.until)

    with opened(door, request.driver) as session:
        chosen = choose(session, request.topology, request, parameters=True)
        for entry in chosen[:1]:
            tell_of_doubts(session, entry)
        return on_labs(session, chosen, request, one, lock=False)


def _with_source(
    context: Context,
    blueprint: Blueprint,
    lab: LabName,
    changes: Plan,
    observed: ObservedLab,
    *,
    until: str | None,
    later: Later | None = None,
) -> Planned:
    missing = missing_source(context, blueprint, lab, observed, later or Later()) if until != UNTIL_CREATED else None
    if missing is None:
        return Planned(changes, None, "")
    before = blueprint.load(missing.set.topology)
    first, seen = plan_source(context, before, lab, missing)
    earlier = _with_source(context, before, lab, first, seen, until=missing.set.stage, later=missing.later)
    return Planned(changes, earlier, missing.set.name)
