"""Bringing a lab to its topology: observe, plan, apply, look at the guests."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
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
from vboxlab.language import N_, _, n_
from vboxlab.planning.actions import (
    Action,
    Configure,
    Contact,
    Create,
    Introduce,
    Plan,
    Recheck,
    Repair,
    RestoreSnapshots,
    TakeSnapshots,
)
from vboxlab.planning.describe import subject, title
from vboxlab.planning.desired import Desired
from vboxlab.planning.machine import is_configured, spared_machines
from vboxlab.planning.observed import MARK_TOPOLOGY, ObservedLab
from vboxlab.planning.planner import UNTIL_CREATED, losses, plan
from vboxlab.topology.addressing import LabName
from vboxlab.topology.model import SnapshotSet, Topology

UNCHANGED = N_("nothing was changed")


@dataclass(frozen=True)
class Blueprint:
    """A topology with the snapshot sets it names, and how to load the topology that makes one of them."""

    topology: Topology
    sets: Sequence[SnapshotSet]
    load: Callable[[str], Blueprint]


@dataclass(frozen=True)
class Later:
    """What a lab is brought to once a topology on the way is reached: who is right for it and only runs until then.

    `machines` are those that it will have: the lab's names, chosen with its first machine, must be free for them too.
    """

    spared: frozenset[str] = frozenset()
    machines: frozenset[str] = frozenset()


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
    later: Later = Later(),
) -> tuple[Plan, Desired, ObservedLab]:
    """Observe the lab and plan what is left to do. Changes nothing.

    With `look` it is the whole plan of `up`: guests that run are looked into (`jobs` at once), and what interrupted
    runs left in the hypervisor. Without, it is what can be told from machines and marks alone. `later` is what the
    lab is brought to afterwards, if the topology is only on the way to it.
    """
    pending = settle(context, lab).pending
    host = context.machines(lab)
    observed = replace(observed_lab(context.driver, host, lab, blueprint.topology), pending=pending)
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
        host,
        blueprint.sets,
        until=until,
        prepared=lambda name: of_base(name)[0],
        stock=lambda name: of_base(name)[1],
        reserved=context.ports,
        plain_free=context.plain_free is not False,
        to_come=later.machines | (_come_first(blueprint) if not observed.machines else frozenset()),
    )
    kinds = context.driver.capabilities.network_kinds
    desired = replace(desired, kinds=kinds, spared=spared_machines(desired, observed, later.spared))
    found = plan(desired, observed)
    if look and not found.blockers:
        guests = look_into(context, desired, observed, found, jobs=jobs)
        if guests:
            observed = replace(observed, guests=guests)
            found = plan(desired, observed)
        missing = tuple(error.brief for error in _missing_bases(context, found, blueprint.topology))
        found = replace(found, blockers=(*found.blockers, *missing))
    return found, desired, observed


@dataclass(frozen=True)
class Source:
    """A snapshot set that a topology starts from and machines lack, and what the lab is brought to once it is there."""

    set: SnapshotSet
    later: Later = Later()


def _come_first(blueprint: Blueprint) -> frozenset[str]:
    """Return the machines of the topologies from which one starts, directly or not: a new lab has them before."""
    names: frozenset[str] = frozenset()
    seen = {blueprint.topology.name}
    with suppress(VboxlabError):  # of one that cannot be read is told where it is needed
        while (source := source_of(blueprint)) is not None and source.topology not in seen:
            seen.add(source.topology)
            blueprint = blueprint.load(source.topology)
            names |= {machine.name for machine in blueprint.topology.owned_machines}
    return names


def source_of(blueprint: Blueprint) -> SnapshotSet | None:
    """Return the snapshot set of another topology that one starts from, None when there is none."""
    start_from = blueprint.topology.start_from
    source = next((entry for entry in blueprint.sets if entry.name == start_from), None)
    return None if source is None or source.topology == blueprint.topology.name else source


def missing_source(
    context: Context, blueprint: Blueprint, lab: LabName, observed: ObservedLab, later: Later = Later()
) -> Source | None:
    """Return the snapshot set to be made first: some machine lacks it and has still to start from it.

    A machine that is right for the topology has not, nor one that is right for what comes `later`.
    """
    source = source_of(blueprint)
    if source is None:
        return None
    there = blueprint.topology.name
    right = {name for name, machine in observed.machines.items() if machine.marks.get(MARK_TOPOLOGY) == there}
    right.update(later.spared)
    lacking = [name for name in source.machines if name not in right and not _has(observed, name, source.name)]
    if not lacking:
        return None
    # Marks tell it of most: only what the topology says, whose name may have changed, tells it of all.
    _changes, desired, observed = make_plan(context, blueprint, lab, later=later)
    right.update(
        name
        for name, machine in desired.machines.items()
        if name in observed.machines and is_configured(machine, observed.machines[name])
    )
    if not set(lacking) - right:
        return None
    return Source(source, Later(frozenset(right), later.machines | desired.machines.keys()))


def _has(observed: ObservedLab, name: str, snapshot: str) -> bool:
    return name in observed.machines and observed.machines[name].has_snapshot(snapshot)


def plan_source(context: Context, blueprint: Blueprint, lab: LabName, missing: Source) -> tuple[Plan, ObservedLab]:
    """Return the plan of the topology that makes a missing snapshot set, as far as that, and the lab as it is.

    Changes nothing.
    It has a blocker where the set cannot be made: its snapshot is taken where its stage ends, and nowhere later.
    """
    source = missing.set
    found, _desired, observed = make_plan(context, blueprint, lab, until=source.stage, later=missing.later)
    taken = {
        name
        for action in found.actions
        if isinstance(action.step, TakeSnapshots) and action.step.snapshot == source.name
        for name in action.step.machines
    }
    bases = tuple(error.brief for error in _missing_bases(context, found, blueprint.topology))
    found = replace(found, blockers=(*found.blockers, *bases))
    having = {name for name, machine in observed.machines.items() if machine.has_snapshot(source.name)}
    past = [name for name in source.machines if name not in taken | having | missing.later.spared]
    if not past:
        return found, observed
    why = _(
        "{machines}: there is no snapshot {snapshot} to go back to, and none can be made any more, past stage {stage} "
        "of {topology}; destroy the lab, or remove the machine in the hypervisor, to make it anew"
    ).format(machines=", ".join(past), snapshot=source.name, stage=source.stage, topology=source.topology)
    return replace(found, blockers=(*found.blockers, why)), observed


def losses_on_the_way(
    context: Context, blueprint: Blueprint, lab: LabName, *, until: str | None = None
) -> dict[str, str]:
    """Return the machines of which `up` throws work away, what is made first included, and what each goes back to."""
    changes, _desired, observed = make_plan(context, blueprint, lab, until=until)
    lost = losses(changes, observed)
    source = missing_source(context, blueprint, lab, observed) if until != UNTIL_CREATED else None
    while source is not None:
        blueprint = blueprint.load(source.set.topology)
        changes, observed = plan_source(context, blueprint, lab, source)
        lost = {**losses(changes, observed), **lost}
        source = missing_source(context, blueprint, lab, observed, source.later)
    return lost


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
    later: Later = Later(),
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
        agreed.update(
            name for name in set(source.machines) - missing.later.spared if not _has(observed, name, source.name)
        )
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
        raise _failure(lab, blueprint.topology.name, outcome)
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
    missing = _missing_bases(context, changes, topology)
    if missing:
        raise missing[0]


def _missing_bases(context: Context, changes: Plan, topology: Topology) -> list[BaseError]:
    """Return why bases that a plan needs cannot be had: to make machines, or to log in to those that there are."""
    needed: dict[str, bool] = {}  # base -> it must be up to date
    for action in changes.actions:
        if isinstance(action.step, Create | Introduce | Contact | Configure | Recheck | Repair):
            base = topology.machines[action.step.machine].base or topology.base
            needed[base] = needed.get(base, False) or isinstance(action.step, Create)
    missing = []
    for name, new in sorted(needed.items()):
        try:
            found = context.bases.get(name)
            if new:
                found.need_current()
                context.bases.need_image(context.driver, found)
        except BaseError as error:
            missing.append(error)
    return missing


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
