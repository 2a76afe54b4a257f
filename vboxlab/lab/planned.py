"""What `up` would do to a lab: observed and planned, and nothing is changed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cache

from vboxlab.errors import BaseError, DriverError, LabError, VboxlabError
from vboxlab.guest.secrets import SecretStore
from vboxlab.hypervisor.discs import check_disc
from vboxlab.lab.context import Context
from vboxlab.lab.desire import desire
from vboxlab.lab.look import look_into
from vboxlab.lab.lost_secrets import with_lost_secrets
from vboxlab.lab.observe import settled
from vboxlab.lab.pending_faults import read_faults, told
from vboxlab.language import _
from vboxlab.planning.actions import Configure, Contact, Create, Introduce, Plan, Recheck, Repair, SetDvd, TakeSnapshots
from vboxlab.planning.blockers import is_other_exercise, other_exercise
from vboxlab.planning.desired import Desired
from vboxlab.planning.machine import is_configured, spared_machines
from vboxlab.planning.observed import MARK_TOPOLOGY, ObservedLab, ObservedMachine, exercise_of
from vboxlab.planning.planner import UNTIL_CREATED, losses, plan
from vboxlab.topology.addressing import LabName
from vboxlab.topology.model import SnapshotSet, Topology
from vboxlab.topology.undone import as_exercise, exercise_set


@dataclass(frozen=True)
class Blueprint:
    """A topology with the snapshot sets it names, and how to load the topology that makes one of them.

    `whole`: nothing is left to a student, also where the lab is marked as an exercise.
    """

    topology: Topology
    sets: Sequence[SnapshotSet]
    load: Callable[[str], Blueprint]
    whole: bool = False

    def as_exercise(self) -> Blueprint:
        """Return it as what a student begins with."""
        topology = as_exercise(self.topology)
        return replace(self, topology=topology, sets=(*self.sets, exercise_set(topology)))

    @property
    def called(self) -> str:
        """Return the arguments of `up` that mean it."""
        return f"{self.topology.name} --solution" if self.whole else self.topology.name

    def in_force(self, machines: Iterable[ObservedMachine]) -> Blueprint:
        """Return what holds for a lab of these machines: its exercise, where they are marked as one."""
        if self.whole or self.topology.is_exercise or exercise_of(machines) != self.topology.name:
            return self
        return self.as_exercise()


@dataclass(frozen=True)
class Later:
    """What a lab is brought to once a topology on the way is reached: who is right for it and only runs until then.

    `machines` are those that it will have: the lab's names, chosen with its first machine, must be free for them too.
    """

    spared: frozenset[str] = frozenset()
    machines: frozenset[str] = frozenset()


NOTHING_LATER = Later()


def make_plan(
    context: Context,
    blueprint: Blueprint,
    lab: LabName,
    *,
    until: str | None = None,
    look: bool = False,
    jobs: int = 1,
    later: Later = NOTHING_LATER,
) -> tuple[Plan, Desired, ObservedLab]:
    """Observe the lab and plan what is left to do. Changes nothing.

    With `look` it is the whole plan of `up`: guests that run are looked into (`jobs` at once), and what interrupted
    runs left in the hypervisor. Without, it is what can be told from machines and marks alone. `later` is what the
    lab is brought to afterwards, if the topology is only on the way to it.
    """
    host, observed = settled(context, lab, blueprint.topology)
    blueprint = blueprint.in_force(observed.machines.values())
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
    desired, lost = with_lost_secrets(desired, observed, SecretStore(context.directory(lab).secrets))
    kinds = context.driver.capabilities.network_kinds
    desired = replace(desired, kinds=kinds, spared=spared_machines(desired, observed, later.spared))
    found = plan(desired, observed)
    if not later.machines:  # else its machines are made on the way to what it is the exercise of
        found = replace(found, blockers=(*found.blockers, *other_exercise(desired, observed)))
    if look and not found.blockers:
        guests = look_into(context, desired, observed, found, jobs=jobs)
        if guests:
            observed = replace(observed, guests=guests)
            found = replace(plan(desired, observed), blockers=found.blockers)
        missing = tuple(error.brief for error in missing_bases(context, found, blueprint.topology))
        found = replace(found, blockers=(*found.blockers, *missing, *missing_discs(found)))
    try:
        left = read_faults(context.directory(lab).faults)
    except LabError as error:
        return replace(found, blockers=(*found.blockers, error.in_one_line())), desired, observed
    notes = (*found.notes, *lost, *told(left, blueprint.topology.name))
    return replace(found, notes=notes), desired, observed


@dataclass(frozen=True)
class Source:
    """A snapshot set that a topology starts from and machines lack, and what the lab is brought to once it is there."""

    set: SnapshotSet
    later: Later = NOTHING_LATER


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
    context: Context, blueprint: Blueprint, lab: LabName, observed: ObservedLab, later: Later = NOTHING_LATER
) -> Source | None:
    """Return the snapshot set to be made first: some machine lacks it and has still to start from it.

    A machine that is right for the topology has not, nor one that is right for what comes `later`.
    """
    source = source_of(blueprint)
    if source is None or (is_other_exercise(observed, blueprint.topology) and not later.machines):
        return None
    there = blueprint.topology.name
    right = {name for name, machine in observed.machines.items() if machine.marks.get(MARK_TOPOLOGY) == there}
    right.update(later.spared)
    without = lacking(observed, [name for name in source.machines if name not in right], source.name)
    if not without:
        return None
    # Marks tell it of most: only what the topology says, whose name may have changed, tells it of all.
    _changes, desired, observed = make_plan(context, blueprint, lab, later=later)
    right.update(
        name
        for name, machine in desired.machines.items()
        if name in observed.machines and is_configured(machine, observed.machines[name])
    )
    if not set(without) - right:
        return None
    return Source(source, Later(frozenset(right), later.machines | desired.machines.keys()))


def lacking(observed: ObservedLab, names: Iterable[str], snapshot: str) -> list[str]:
    """Return those machines of a lab that have no snapshot of a name, or are not there."""
    machines = observed.machines
    return [name for name in names if name not in machines or not machines[name].has_snapshot(snapshot)]


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
    bases = tuple(error.brief for error in missing_bases(context, found, blueprint.topology))
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


def missing_bases(context: Context, changes: Plan, topology: Topology) -> list[BaseError]:
    """Return why bases that a plan needs cannot be had: to make machines, or to log in to those that there are."""
    needed: dict[str, bool] = {}  # base -> it must be up to date
    entered: dict[str, str] = {}  # base -> a machine of it whose guest is logged in to
    for action in changes.actions:
        if isinstance(action.step, Create | Introduce | Contact | Configure | Recheck | Repair):
            machine = topology.machines[action.step.machine]
            base = machine.base or topology.base
            needed[base] = needed.get(base, False) or isinstance(action.step, Create)
            if machine.configured:
                entered.setdefault(base, machine.name)
    missing = []
    for name, new in sorted(needed.items()):
        try:
            found = context.bases.get(name)
            if name in entered:
                found.need_login(entered[name])
            if new:
                found.need_current()
                context.bases.need_image(context.driver, found)
        except BaseError as error:
            missing.append(error)
    return missing


def missing_discs(changes: Plan) -> list[str]:
    """Return which disc images a plan puts into drives and this computer does not have, a text each."""
    found = []
    for action in changes.actions:
        if isinstance(action.step, SetDvd):
            try:
                check_disc(action.step.machine, action.step.dvd)
            except DriverError as error:
                found.append(error.in_one_line())
    return found
