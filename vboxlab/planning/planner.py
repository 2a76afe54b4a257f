"""The planner: the pure difference between a topology and an observed lab, as a graph of actions with reasons."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from vboxlab.language import C_, _
from vboxlab.planning import actions as act
from vboxlab.planning.adopted import adopted_mismatches
from vboxlab.planning.blockers import (
    conflicts,
    doubtful_restores,
    incomplete_restores,
    other_disks,
    unfinished,
    without_shared_disks,
)
from vboxlab.planning.desired import Desired, DesiredMachine
from vboxlab.planning.disks import shared_in_words
from vboxlab.planning.graph import Graph
from vboxlab.planning.machine import (
    BEFORE_STAGES,
    UNTIL_CREATED,
    MachinePlan,
    Restored,
    as_its_snapshot_left_it,
    plan_machine,
    plan_spared,
    restore_point,
    was_kept_aside,
)
from vboxlab.planning.marking import record
from vboxlab.planning.names import remarks
from vboxlab.planning.observed import (
    MARK_ADOPTED,
    MARK_DESIRED,
    MARK_STAGE,
    MARK_TOPOLOGY,
    ObservedLab,
    PowerState,
)
from vboxlab.planning.pending import describe_pending
from vboxlab.planning.snapshot_states import restored as as_restored
from vboxlab.planning.snapshot_states import would_lose

__all__ = ["UNTIL_CREATED", "losses", "machines_of", "plan"]


def plan(desired: Desired, observed: ObservedLab) -> act.Plan:
    """Return what must be done to bring the observed lab to its topology.

    The same input gives the same plan. Blockers say why the plan cannot be applied as it stands.
    """
    blockers = [
        *conflicts(desired, observed),
        *other_disks(desired, observed),
        *adopted_mismatches(desired.topology, desired.naming, observed),
        *unfinished(observed.pending),
    ]
    notes = remarks(desired.topology, desired.naming)
    graph = Graph()
    if observed.leftovers:
        reason = _("an interrupted run left {leftovers}").format(leftovers=", ".join(observed.leftovers))
        graph.first = (graph.add(act.RemoveLeftovers(observed.leftovers), reason, machines=()),)
    observed = _finish_restore(graph, observed)
    _stop_extra_machines(graph, desired, observed)
    restored = _restore(graph, desired, observed)
    blockers += [*doubtful_restores(observed, restored), *incomplete_restores(desired, observed, restored)]
    _start_adopted(graph, desired, observed)
    plans = {
        name: plan_spared(machine, observed.machines[name])
        if name in desired.spared
        else plan_machine(machine, observed.machines.get(name), restored.get(name), until=desired.until)
        for name, machine in desired.machines.items()
    }
    finished = set(observed.pending.undone) if observed.pending and observed.pending.harmless else set()
    for name in finished & plans.keys():
        plans[name] = as_its_snapshot_left_it(desired.machines[name], plans[name])
    for name, machine_plan in plans.items():
        notes.extend(_("{subject}: {problem}").format(subject=name, problem=note) for note in machine_plan.notes)
    _prepare(graph, desired, plans)
    if desired.until != UNTIL_CREATED:
        _configure(graph, desired, observed, plans)
        record(graph, desired, observed, finished | restored.keys())
    if desired.until is None:
        _look(graph, desired, observed)
    blockers += without_shared_disks(graph.actions, desired)
    notes.extend(_left_as_they_are(graph, observed))
    return act.Plan(observed.name, desired.topology.name, tuple(graph.actions), tuple(notes), tuple(blockers))


def losses(plan: act.Plan, observed: ObservedLab) -> dict[str, str]:
    """Return the machines on which the plan throws away what was done there, each with the snapshot it goes back to.

    What is left of a restore that was begun does not count: it was given up then.
    """
    return {
        name: action.step.snapshot
        for action in plan.actions
        if isinstance(action.step, act.RestoreSnapshots)
        for name in action.step.machines
        if would_lose(observed.machines[name], action.step.snapshot)
    }


def _finish_restore(graph: Graph, observed: ObservedLab) -> ObservedLab:
    """Plan the end of an interrupted restore where nothing is lost by it; return the lab as it will be then."""
    pending = observed.pending
    if pending is None or not pending.harmless:
        return observed
    reason = describe_pending(pending)[0]
    graph.add(act.FinishRestore(pending.undone, pending.snapshot), reason, machines=pending.undone)
    back = {name: as_restored(observed.machines[name], pending.snapshot) for name in pending.undone}
    return replace(observed, machines={**observed.machines, **back})


def _look(graph: Graph, desired: Desired, observed: ObservedLab) -> None:
    """Plan the repair of guests that were seen to differ, and a look at those that could not be looked at yet.

    A look comes once the machines on its networks answer again: who of a cluster serves is settled between all of them.
    """
    steps = [action.step for action in graph.actions]
    configured = {step.machine for step in steps if isinstance(step, act.Configure)}
    contacts = {action.step.machine: action.id for action in graph.actions if isinstance(action.step, act.Contact)}
    for name in desired.machines:
        look = observed.guests.get(name)
        if look is not None and look.trouble and name not in configured | contacts.keys():
            reason = _("its guest could not be looked at: {problem}").format(problem=look.trouble)
            contacts[name] = graph.add(act.Contact(name), reason, machines=(name,))
    networks = {name: _internal_networks(machine) for name, machine in desired.machines.items()}
    for name, machine in desired.machines.items():
        look = observed.guests.get(name)
        if name in configured or name not in observed.machines:
            continue
        if machine.is_the_students(observed.machines[name].marks):
            continue
        recheck = act.Recheck(name, machine.last_stage)
        others = tuple(contacts[each] for each in contacts if each != name and networks[each] & networks[name])
        if look is not None and look.trouble:
            graph.add(recheck, _("it is looked at once it answers"), machines=(name,), in_turn=others)
        elif name in contacts:
            reason = _("what its guest is can be seen only once it runs")
            graph.add(recheck, reason, machines=(name,), in_turn=others)
        elif look is not None and look.differences:
            step = act.Repair(name, machine.last_stage, look.kept)
            graph.add(step, _with_kept(_("; ").join(look.differences), look.kept), machines=(name,))


def _left_as_they_are(graph: Graph, observed: ObservedLab) -> list[str]:
    """Say which shared disks a restore of the plan does not bring back."""
    steps = [action.step for action in graph.actions]
    back = [name for step in steps if isinstance(step, act.RestoreSnapshots) for name in step.machines]
    text = _("{disk} stays as it is: snapshots do not hold it")
    return [text.format(disk=disk) for disk in shared_in_words(observed.machines[name] for name in back)]


def _internal_networks(machine: DesiredMachine) -> set[str]:
    return {each.attachment.name for each in machine.adapters if each.attachment.kind == "internal"}


def _with_kept(reason: str, paths: tuple[str, ...]) -> str:
    if not paths:
        return reason
    return _("{reason} (kept beside first: {files})").format(reason=reason, files=", ".join(paths))


def machines_of(step: act.Step) -> tuple[str, ...]:
    """Return the machines that a step works on."""
    if isinstance(step, act.RestoreSnapshots | act.TakeSnapshots | act.FinishRestore | act.RemoveLeftovers):
        return step.machines
    return (step.machine,)


def _stop_extra_machines(graph: Graph, desired: Desired, observed: ObservedLab) -> None:
    for name, machine in observed.machines.items():
        if name in desired.machines:
            continue
        if machine.power in (PowerState.RUNNING, PowerState.PAUSED, PowerState.CHANGING):
            text = _("it has no place in {topology} (it is kept, switched off)")
            reason = text.format(topology=desired.topology.name)
            graph.add(act.PowerOff(name), reason, machines=(name,))
        if MARK_TOPOLOGY in machine.marks:
            # Kept aside, it says nothing any more about the topology that the lab is in, and what that one adopts.
            stale: dict[str, str | None] = {MARK_TOPOLOGY: None}
            if MARK_ADOPTED in machine.marks:
                stale[MARK_ADOPTED] = None
            graph.add(act.SetMarks(name, stale), _("it is kept aside"), machines=(name,))


def _start_adopted(graph: Graph, desired: Desired, observed: ObservedLab) -> None:
    if desired.until == UNTIL_CREATED:
        return
    for name, machine in observed.adopted.items():
        if machine.power is not PowerState.RUNNING:
            power = C_("machine", machine.power.value)
            reason = _("the adopted VM {vm} is {power}").format(vm=machine.name, power=power)
            graph.add(act.CheckAdopted(name), reason, machines=(name,))


def _restore(graph: Graph, desired: Desired, observed: ObservedLab) -> dict[str, Restored]:
    """Plan the restores that a change of topology needs; return what is restored on each machine."""
    if desired.until == UNTIL_CREATED:
        return {}
    points = {
        name: restore_point(desired.topology, machine, observed.machines.get(name), desired.snapshot_members)
        for name, machine in desired.machines.items()
        if name not in desired.spared
    }
    restored: dict[str, Restored] = {}
    stages = {stage.snapshot: stage.name for stage in desired.topology.stages if stage.snapshot}
    for snapshot in dict.fromkeys(filter(None, points.values())):
        members = tuple(
            name
            for name in desired.snapshot_members[snapshot]
            if points.get(name) == snapshot
            or (
                name in points
                and (found := observed.machines.get(name)) is not None
                and found.has_snapshot(snapshot)
                and was_kept_aside(desired.machines[name], found)
            )
        )
        for name in members:
            if observed.machines[name].power is not PowerState.OFF:
                # What it would write while it shuts down is thrown away a moment later.
                why = _("{snapshot} is restored on it").format(snapshot=snapshot)
                graph.add(act.PowerOff(name, "hard"), why, machines=(name,))
        goes = (
            _("the lab goes from {before} to {topology}")
            if observed.topology
            else _("the lab goes from another topology to {topology}")
        )
        reason = goes.format(before=observed.topology, topology=desired.topology.name)
        graph.add(act.RestoreSnapshots(members, snapshot), reason, machines=members)
        restored.update(dict.fromkeys(members, Restored(snapshot, stages.get(snapshot))))
    return restored


def _prepare(graph: Graph, desired: Desired, plans: Mapping[str, MachinePlan]) -> None:
    """Create machines and bring adapters and hardware to what they shall be."""
    previous: dict[str, str] = {}  # linked clones of one image are made one at a time
    for name, machine_plan in plans.items():
        machine = desired.machines[name]
        if machine_plan.create:
            turn = (previous[machine.image],) if machine.image in previous else ()
            previous[machine.image] = graph.add(act.Create(name), machine_plan.create, machines=(name,), in_turn=turn)
        if machine_plan.replugged:
            step = act.SetAdapters(name, machine_plan.replugged)
            why = machine_plan.adapters or _("a port that leads to it is not its own any more")
            graph.add(step, why, machines=(name,))
        if machine_plan.resume_first:
            graph.add(act.Resume(name), machine_plan.resume_first, machines=(name,))
        if machine_plan.power_off_first:
            graph.add(act.PowerOff(name), machine_plan.power_off_first, machines=(name,))
        if machine_plan.hardware:
            hardware = act.SetHardware(name, machine.cpus, machine.memory)
            graph.add(hardware, machine_plan.hardware, machines=(name,))
        if machine_plan.new_disks:
            graph.add(act.AddDisks(name, machine_plan.disks), machine_plan.new_disks, machines=(name,))
        if machine_plan.dvd:
            graph.add(act.SetDvd(name, machine.dvd), machine_plan.dvd, machines=(name,))
        if machine_plan.adapters:
            graph.add(act.SetAdapters(name, machine.adapters), machine_plan.adapters, machines=(name,))


class _Guests:
    """Plans what happens inside the guests, and remembers which of them will run and be reached at each point."""

    def __init__(self, graph: Graph, desired: Desired, observed: ObservedLab, plans: Mapping[str, MachinePlan]) -> None:
        self._graph = graph
        self._desired = desired
        self._kept = {name: look.kept for name, look in observed.guests.items()}
        self._plans = plans
        self.running = {name: machine_plan.running for name, machine_plan in plans.items()}
        self._held = {name for name, machine_plan in plans.items() if machine_plan.held}
        self._contacted: set[str] = set()
        self._strangers = {name for name, machine_plan in plans.items() if machine_plan.introduce}
        self._ready: dict[str, str] = {}  # the action after which others can fetch packages through a machine

    def bring_up(self, name: str, reason: str) -> None:
        stranger = name in self._strangers
        if stranger and not self._plans[name].lent:
            step = act.SetAdapters(name, self._desired.machines[name].first_adapters)
            self._graph.add(step, self._plans[name].introduce, machines=(name,))
        if not self.running[name]:
            self._graph.add(act.Resume(name) if name in self._held else act.Start(name), reason, machines=(name,))
            self._held.discard(name)
            self.running[name] = True
            self._contacted.discard(name)
        if stranger:
            self._strangers.discard(name)
            self._graph.add(act.Introduce(name), _("its guest gets its management address"), machines=(name,))
            step = act.SetAdapters(name, self._desired.machines[name].adapters)
            self._graph.add(step, _("adapter 1 goes to its own network"), machines=(name,))
        if name not in self._contacted and self._desired.machines[name].configured:
            self._graph.add(act.Contact(name), _("its guest is reached over SSH"), machines=(name,))
            self._contacted.add(name)

    def configure(self, name: str, stage: str | None, reason: str) -> None:
        self.bring_up(name, self._plans[name].start or reason)
        providers = self._desired.machines[name].fetches_through
        for provider in providers:
            self._spare(provider)
        after = tuple(self._ready[name] for name in providers if name in self._ready)
        why = _with_kept(reason, self._kept.pop(name, ()))
        step = self._step(name, stage)
        self._ready[name] = self._graph.add(step, why, machines=(name,), after=after)

    def _step(self, name: str, stage: str | None) -> act.Step:
        """Return what brings a machine to a stage: one that is left alone is there as soon as it runs."""
        machine = self._desired.machines[name]
        if machine.configured:
            return act.Configure(name, stage)
        reached = {MARK_STAGE: stage or BEFORE_STAGES, MARK_DESIRED: machine.digests[stage]}
        return act.SetMarks(name, {**self._desired.marks, **reached})

    def _spare(self, name: str) -> None:
        """Let a machine that stays as it is run, with those that it needs itself: others fetch packages through it."""
        if name not in self._desired.spared or self.running[name]:
            return
        self.running[name] = True  # those that need each other are no circle
        for provider in self._desired.machines[name].fetches_through:
            self._spare(provider)
        self.running[name] = False
        self.bring_up(name, _("others fetch packages through it"))
        self._ready[name] = self._graph.last[name]

    def take(self, observed: ObservedLab, stage: str, snapshot: str) -> None:
        """Plan the snapshot set that ends a stage for the machines that stand at its end and do not have it."""
        missing = tuple(
            name
            for name in self._desired.snapshot_members.get(snapshot, ())
            if name in self._plans
            and self._plans[name].takes_snapshot_at(stage)
            and not (name in observed.machines and observed.machines[name].has_snapshot(snapshot))
        )
        for name in missing:
            if name in self._held:
                if observed.machines[name].power is PowerState.SAVED:
                    why = _("it is saved: its guest shuts down in order first")
                    self._graph.add(act.Resume(name), why, machines=(name,))
                self._held.discard(name)
                self.running[name] = True
            if self.running[name]:
                why = _("{snapshot} is taken with the machine off").format(snapshot=snapshot)
                self._graph.add(act.PowerOff(name), why, machines=(name,))
                self.running[name] = False
        if missing:
            why = _("stage {stage} ends in it").format(stage=stage)
            self._graph.add(act.TakeSnapshots(missing, snapshot), why, machines=missing)


def _configure(graph: Graph, desired: Desired, observed: ObservedLab, plans: Mapping[str, MachinePlan]) -> None:
    guests = _Guests(graph, desired, observed, plans)
    for name in _providers_first(desired):
        if plans[name].configure_base:
            guests.configure(name, None, plans[name].configure_base)
    for stage in desired.topology.stages:
        for name, machine_plan in plans.items():
            if stage.name in machine_plan.stages:
                guests.configure(name, stage.name, machine_plan.stages[stage.name])
        if stage.snapshot:
            guests.take(observed, stage.name, stage.snapshot)
        if stage.name == desired.until:
            break
    for name, machine_plan in plans.items():
        if not guests.running[name] and name not in desired.spared:
            guests.bring_up(name, machine_plan.start or _("the lab is up when all its machines run"))


def _providers_first(desired: Desired) -> list[str]:
    """Return the machines such that those that others fetch packages through come before them."""
    ordered: list[str] = []
    seen: set[str] = set()

    def add(name: str) -> None:
        if name in seen or name not in desired.machines:
            return
        seen.add(name)
        for provider in desired.machines[name].fetches_through:
            add(provider)
        ordered.append(name)

    for name in desired.machines:
        add(name)
    return ordered
