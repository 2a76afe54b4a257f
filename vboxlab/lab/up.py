"""Bringing a lab to its topology: observe, plan, apply, look at the guests."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from vboxlab.errors import LabError, VboxlabError
from vboxlab.events import Note
from vboxlab.lab import engine
from vboxlab.lab.apply import Applier
from vboxlab.lab.context import Context
from vboxlab.lab.leftovers import report_strays
from vboxlab.lab.naming import with_names_claimed
from vboxlab.lab.observe import begin
from vboxlab.lab.planned import (
    NOTHING_LATER,
    Blueprint,
    Later,
    lacking,
    make_plan,
    missing_bases,
    missing_source,
    plan_source,
)
from vboxlab.language import N_, _, n_
from vboxlab.planning.actions import Action, Plan, RestoreSnapshots
from vboxlab.planning.describe import subject, title
from vboxlab.planning.observed import ObservedLab
from vboxlab.planning.planner import UNTIL_CREATED, losses
from vboxlab.topology.addressing import LabName
from vboxlab.topology.model import SnapshotSet, Topology

UNCHANGED = N_("nothing was changed")


@dataclass(frozen=True)
class UpResult:
    """What `up` did: how many actions, and which guests had to be repaired."""

    actions: int
    repaired: tuple[str, ...] = ()
    stopped: bool = False


@with_names_claimed
def up(
    context: Context,
    blueprint: Blueprint,
    lab: LabName,
    *,
    until: str | None = None,
    jobs: int,
    gui: bool = False,
    first_for: tuple[str, ...] = (),
    agreed: set[str] | None = None,
    later: Later = NOTHING_LATER,
    already: str = "",
) -> UpResult:
    """Bring the lab to its topology. The caller holds the lab's lock.

    `first_for` are topologies that start from it, `agreed` machines whose work may be thrown away for them, and
    `later` is what the lab is brought to then. `already` says what the same verb has done before.
    Where the plan throws work away, context.confirm is asked before anything is changed, and raises if it may not.
    Raises LabError when the plan has blockers or topologies start from each other, BaseError when machines are to be
    made of a base that is not there (all before anything is changed), or the first failure, naming what is left to do.
    """
    observed = begin(context, lab)
    done = 0
    agreed = set() if agreed is None else agreed
    missing = missing_source(context, blueprint, lab, observed, later) if until != UNTIL_CREATED else None
    if missing is not None:
        source = missing.set
        waiting = (*first_for, blueprint.topology.name)
        _refuse_circle(lab, source, waiting, already)
        # What would keep the second half from being done keeps the first from being begun.
        second, _desired, seen = make_plan(context, blueprint, lab, until=until, later=later)
        before = blueprint.load(source.topology)
        _check(context, plan_source(context, before, lab, missing)[0], before.topology, seen, agreed, already)
        _check(context, second, blueprint.topology, seen, agreed, already)
        text = _("{snapshot} is made first: stage {stage} of {topology}")
        context.events(Note(text.format(snapshot=source.name, stage=source.stage, topology=source.topology)))
        result = up(
            context, before, lab, until=source.stage, jobs=jobs, gui=gui, first_for=waiting, agreed=agreed,
            later=missing.later, already=already,
        )  # fmt: skip
        # What is on a machine whose snapshot is taken only now is in that snapshot.
        agreed.update(lacking(observed, set(source.machines) - missing.later.spared, source.name))
        done += result.actions
        if result.stopped:
            return UpResult(done, stopped=True)
    changes, desired, observed = make_plan(context, blueprint, lab, until=until, look=True, jobs=jobs, later=later)
    report_strays(context, lab)
    if done:
        already = n_("{count} action was done before", "{count} actions were done before", done).format(count=done)
    _check(context, changes, blueprint.topology, observed, agreed, already)
    for note in changes.notes:
        context.events(Note(note))
    applier = Applier(context, lab, desired, observed, gui=gui)
    outcome = engine.run(changes.actions, applier, context.events, jobs=jobs, stop=context.stop)
    done += len(outcome.done)
    if outcome.failed:
        raise _failure(lab, blueprint.called, outcome)
    return UpResult(done, tuple(sorted(applier.changed)), stopped=not outcome.complete)


def _refuse_circle(lab: LabName, source: SnapshotSet, waiting: tuple[str, ...], already: str) -> None:
    if source.topology in waiting:
        circle = " -> ".join((*waiting[waiting.index(source.topology) :], source.topology))
        raise LabError(
            _("lab {lab}: topologies start from each other ({circle}); {done}").format(
                lab=lab, circle=circle, done=already or _(UNCHANGED)
            ),
            resolution=_("let one of them start from nothing: take `from` out of it"),
        )


def _check(
    context: Context, changes: Plan, topology: Topology, observed: ObservedLab, agreed: set[str], already: str = ""
) -> None:
    """Raise what keeps a plan from being applied; ask where it throws work away that is not `agreed` to yet.

    Then all that goes back is agreed to: what holds nobody's work now may have been started by us by the time it does.
    """
    _need_bases(context, changes, topology)
    if changes.blockers:
        raise LabError(
            _("lab {lab} cannot be brought to {topology}; {done}").format(
                lab=changes.lab, topology=changes.topology, done=already or _(UNCHANGED)
            ),
            details=changes.blockers,
        )
    lost = {name: snapshot for name, snapshot in losses(changes, observed).items() if name not in agreed}
    if lost:
        context.confirm(changes.lab, question(changes.lab, changes.topology, lost))
    for action in changes.actions:
        if isinstance(action.step, RestoreSnapshots):
            agreed.update(action.step.machines)


def question(lab: LabName, topology: str, lost: Mapping[str, str]) -> str:
    """Return the question that is asked before a plan throws work away."""
    machines, snapshots = ", ".join(lost), ", ".join(dict.fromkeys(lost.values()))
    text = _("throw away what was done on {machines} of lab {lab}, which go back to {snapshots} for {topology}?")
    return text.format(machines=machines, lab=lab, snapshots=snapshots, topology=topology)


def _need_bases(context: Context, changes: Plan, topology: Topology) -> None:
    missing = missing_bases(context, changes, topology)
    if missing:
        raise missing[0]


def _failure(lab: LabName, topology: str, outcome: engine.Outcome) -> VboxlabError:
    action, first = outcome.failed[0]
    machine = subject(action.step)
    details = list(first.details)
    for other, error in outcome.failed[1:]:
        text = _("also failed: {subject}: {action}: {problem}")
        where = subject(other.step)
        details.append(text.format(subject=where, action=title(other.step), problem=error.brief_without(where)))
    if outcome.kept_back:
        details.append(_("not done because of that: {actions}").format(actions=_listed(outcome.kept_back)))
    if outcome.left:
        details.append(_("not begun when stopped: {actions}").format(actions=_listed(outcome.left)))
    again = _("`vboxlab up {topology}` goes on from here once the cause is mended").format(topology=topology)
    failure = type(first)(
        _("lab {lab}: {action} failed on {machine}: {problem}").format(
            lab=lab, action=title(action.step), machine=machine, problem=first.brief_without(machine)
        ),
        details=details,
        resolution=_("; ").join([first.resolution, again]) if first.resolution else again,
    )
    failure.__cause__ = first
    return failure


def _listed(actions: Sequence[Action]) -> str:
    text = _("{subject}: {action}")
    return ", ".join(text.format(subject=subject(each.step), action=title(each.step)) for each in actions)
