"""The exercise of a topology: what a student begins with, as a topology of its own."""

from __future__ import annotations

from vboxlab.topology.exercise import EXERCISE
from vboxlab.topology.model import Machine, SnapshotSet, Stage, Topology


def as_exercise(topology: Topology) -> Topology:
    """Return a topology with the student's stages left undone, which ends in the snapshot set `exercise`.

    From the first stage on that is left, stages end in no snapshot: it would not hold what its name says.
    """
    if topology.is_exercise:
        return topology
    machines = {name: _without(topology, machine) for name, machine in topology.machines.items()}
    left = {stage for machine in topology.machines.values() for stage in topology.left_undone(machine)}
    first = min((topology.stage_order.index(stage) for stage in left), default=len(topology.stages))
    kept = topology.stages[:first]
    others = [stage.model_copy(update={"snapshot": None}) for stage in topology.stages[first:]]
    stages = (*kept, *others, Stage(name=EXERCISE, snapshot=EXERCISE))
    changed = topology.model_copy(update={"machines": machines, "stages": stages, "reset": EXERCISE})
    return changed.instead_of(topology)


def _without(topology: Topology, machine: Machine) -> Machine:
    left = topology.left_undone(machine)
    stages = {stage: () if stage in left else roles for stage, roles in machine.stages.items()}
    return machine.model_copy(update={"stages": stages}) if left else machine


def exercise_set(topology: Topology) -> SnapshotSet:
    """Return the snapshot set of all machines of a lab as its student begins with them."""
    names = tuple(machine.name for machine in topology.owned_machines)
    return SnapshotSet(name=EXERCISE, lab=topology.lab, machines=names, topology=topology.name, stage=EXERCISE)


def is_left(topology: Topology, machine: str) -> bool:
    """Tell whether a machine of an exercise is the student's: what is in its guest is left alone."""
    whole = topology.whole
    return topology.is_exercise and bool(whole.left_undone(whole.machines[machine]))
