"""Bringing a lab to its topology: observe, plan, apply, look at the guests."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache

from vboxlab.errors import BaseError, LabError, VboxlabError
from vboxlab.events import Note
from vboxlab.lab import engine
from vboxlab.lab.apply import Applier
from vboxlab.lab.context import Context
from vboxlab.lab.desire import desire
from vboxlab.lab.leftovers import report_strays
from vboxlab.lab.look import look_into
from vboxlab.lab.naming import with_names_claimed
from vboxlab.lab.observe import begin, observed_lab, settle
from vboxlab.planning.actions import Create, Plan
from vboxlab.planning.describe import subject, title
from vboxlab.planning.observed import ObservedLab
from vboxlab.planning.planner import UNTIL_CREATED, Desired, losses, plan
from vboxlab.topology.addressing import LabName
from vboxlab.topology.model import SnapshotSet, Topology


@dataclass(frozen=True)
class Blueprint:
    """A topology with the snapshot sets it names, and how to load the topology that makes one of them."""

    topology: Topology
    sets: Sequence[SnapshotSet]
    load: Callable[[str], Blueprint]


@dataclass(frozen=True)
class UpResult:
    """What `up` did: how many actions, and which guests had to be repaired."""

    actions: int
    repaired: tuple[str, ...] = ()
    stopped: bool = False


def make_plan(
    context: Context,
    blueprint: Blueprint,
    lab: LabName,
    *,
    until: str | None = None,
    look: bool = False,
    jobs: int = 1,
) -> tuple[Plan, Desired, ObservedLab]:
    """Observe the lab and plan what is left to do. Changes nothing.

    With `look` it is the whole plan of `up`: guests that run are looked into (`jobs` at once), and what interrupted
    runs left in the hypervisor. Without, it is what can be told from machines and marks alone.
    """
    pending = settle(context, lab).pending
    everything = context.machines(lab)
    observed = replace(observed_lab(context.driver, everything, lab, blueprint.topology), pending=pending)
    if look:
        observed = replace(observed, leftovers=tuple(context.driver.garbage(lab)))

    @cache
    def of_base(name: str) -> tuple[bool, bool]:
        try:
            base = context.bases.get(name)
        except BaseError:
            return True, False
        return base.prepared, base.stock

    desired = desire(
        blueprint.topology,
        lab,
        everything,
        blueprint.sets,
        until=until,
        prepared=lambda name: of_base(name)[0],
        stock=lambda name: of_base(name)[1],
        reserved=context.ports,
        plain_free=context.plain_free is not False,
    )
    desired = replace(desired, kinds=context.driver.capabilities.network_kinds)
    found = plan(desired, observed)
    if look and not found.blockers:
        guests = look_into(context, desired, observed, found, jobs=jobs)
        if guests:
            observed = replace(observed, guests=guests)
            found = plan(desired, observed)
    return found, desired, observed


def missing_source(blueprint: Blueprint, observed: ObservedLab) -> SnapshotSet | None:
    """Return the snapshot set that the topology starts from when the lab does not have it on all its machines."""
    start_from = blueprint.topology.start_from
    source = next((entry for entry in blueprint.sets if entry.name == start_from), None)
    if source is None or source.topology == blueprint.topology.name:
        return None
    machines = [observed.machines.get(name) for name in source.machines]
    return None if all(machine and machine.has_snapshot(source.name) for machine in machines) else source


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
) -> UpResult:
    """Bring the lab to its topology. The caller holds the lab's lock. `first_for` are topologies that start from it.

    Where the plan throws work away, context.confirm is asked before anything is changed, and raises if it may not.
    Raises LabError when the plan has blockers or topologies start from each other, BaseError when machines are to be
    made of a base that is not there (all before anything is changed), or the first failure, naming what is left to do.
    """
    observed = begin(context, lab)
    done = 0
    source = missing_source(blueprint, observed) if until != UNTIL_CREATED else None
    if source is not None:
        waiting = (*first_for, blueprint.topology.name)
        _check_can_wait(context, blueprint, lab, source, waiting)
        context.events(Note(f"{source.name} is made first: stage {source.stage} of {source.topology}"))
        before = blueprint.load(source.topology)
        result = up(context, before, lab, until=source.stage, jobs=jobs, gui=gui, first_for=waiting)
        done += result.actions
        if result.stopped:
            return UpResult(done, stopped=True)
    changes, desired, observed = make_plan(context, blueprint, lab, until=until, look=True, jobs=jobs)
    _check_possible(lab, changes)
    report_strays(context, lab)
    _need_bases(context, changes, blueprint.topology)
    for note in changes.notes:
        context.events(Note(note))
    if lost := losses(changes, observed):
        context.confirm(lab, question(lab, changes.topology, lost))
    applier = Applier(context, lab, desired, observed, gui=gui)
    outcome = engine.run(changes.actions, applier, context.events, jobs=jobs, stop=context.stop)
    done += len(outcome.done)
    if outcome.failed:
        raise _failure(lab, blueprint.topology.name, outcome)
    return UpResult(done, tuple(sorted(applier.changed)), stopped=not outcome.complete)


def _check_possible(lab: LabName, changes: Plan) -> None:
    if changes.blockers:
        raise LabError(
            f"lab {lab} cannot be brought to {changes.topology}; nothing was changed", details=changes.blockers
        )


def _check_can_wait(
    context: Context, blueprint: Blueprint, lab: LabName, source: SnapshotSet, waiting: tuple[str, ...]
) -> None:
    """Raise, before what a topology starts from is made, what would keep the topology itself from being brought up."""
    if source.topology in waiting:
        circle = " -> ".join((*waiting[waiting.index(source.topology) :], source.topology))
        raise LabError(
            f"lab {lab}: topologies start from each other ({circle}); nothing was changed",
            resolution="let one of them start from nothing: take `from` out of it",
        )
    changes, _, _ = make_plan(context, blueprint, lab)
    _check_possible(lab, changes)
    _need_bases(context, changes, blueprint.topology)


def question(lab: LabName, topology: str, lost: Mapping[str, str]) -> str:
    """Return the question that is asked before a plan throws work away."""
    return (
        f"throw away what was done on {', '.join(lost)} of lab {lab}, which go back to "
        f"{', '.join(dict.fromkeys(lost.values()))} for {topology}?"
    )


def _need_bases(context: Context, changes: Plan, topology: Topology) -> None:
    new = (topology.machines[action.step.machine] for action in changes.actions if isinstance(action.step, Create))
    for base in sorted({machine.base or topology.base for machine in new}):
        context.bases.get(base).need_current()


def _failure(lab: LabName, topology: str, outcome: engine.Outcome) -> VboxlabError:
    action, first = outcome.failed[0]
    machine = subject(action.step)
    details = list(first.details)
    for other, error in outcome.failed[1:]:
        brief = error.brief_without(subject(other.step))
        details.append(f"also failed: {subject(other.step)}: {title(other.step)}: {brief}")
    for what, actions in (("not done because of that", outcome.kept_back), ("not begun when stopped", outcome.left)):
        if actions:
            details.append(f"{what}: {', '.join(f'{subject(a.step)}: {title(a.step)}' for a in actions)}")
    again = f"`vboxlab up {topology}` goes on from here once the cause is mended"
    failure = type(first)(
        f"lab {lab}: {title(action.step)} failed on {machine}: {first.brief_without(machine)}",
        details=details,
        resolution=f"{first.resolution}; {again}" if first.resolution else again,
    )
    failure.__cause__ = first
    return failure
