"""Beginning a student's exercise, and doing what it leaves to him in his place."""

from __future__ import annotations

from dataclasses import replace

from vboxlab.errors import LabError, UsageError
from vboxlab.lab.context import Context
from vboxlab.lab.observe import begin
from vboxlab.lab.planned import Blueprint
from vboxlab.lab.snapshot_sets import check_has, restore
from vboxlab.lab.up import UpResult, up
from vboxlab.language import _
from vboxlab.planning.observed import MARK_TOPOLOGY, ObservedLab, exercise_of
from vboxlab.topology.addressing import LabName
from vboxlab.topology.exercise import EXERCISE
from vboxlab.topology.model import Topology
from vboxlab.topology.undone import exercise_set


def check_exercise(topology: Topology) -> None:
    """Raise UsageError when a topology leaves nothing to a student."""
    if topology.exercise is None:
        raise UsageError(
            _("{topology} has no exercise").format(topology=topology.name),
            resolution=_("say in it which stages the student does: `exercise: {stages: [NAME]}`"),
        )


def check_can_begin(observed: ObservedLab, topology: Topology) -> None:
    """Raise LabError when an exercise cannot begin: what is there is no exercise of it, and holds somebody's work."""
    if exercise_of(observed.machines.values()) is not None:
        return
    there = {name: machine.marks.get(MARK_TOPOLOGY) for name, machine in observed.machines.items()}
    done = [
        name
        for name, was in there.items()
        if name in topology.machines and was is not None and (was == topology.name or topology.start_from is None)
    ]
    if done:
        text = _("lab {lab} is no exercise: {machines} are configured already")
        raise LabError(
            text.format(lab=observed.name, machines=", ".join(done)),
            resolution=_(
                "`vboxlab reset {topology} --to exercise` where it has begun before; else `vboxlab destroy {topology}` "
                "first, or begin it in a copy (--copy NAME)"
            ).format(topology=topology.name),
        )


def check_solvable(observed: ObservedLab, topology: Topology) -> tuple[str, ...]:
    """Return the machines that go back to the beginning of the exercise; none where it never began.

    Raises LabError when the lab is no exercise of the topology, SnapshotNotFound when machines cannot go back.
    """
    if exercise_of(observed.machines.values()) != topology.name:
        raise LabError(
            _("lab {lab} is no exercise of {topology}").format(lab=observed.name, topology=topology.name),
            resolution=_("`vboxlab up {topology}` does all stages of a lab that is none").format(
                topology=topology.name
            ),
        )
    if not any(machine.has_snapshot(EXERCISE) for machine in observed.machines.values()):
        return ()
    members = exercise_set(topology).machines
    check_has(observed, members, EXERCISE)
    return members


def solve(context: Context, blueprint: Blueprint, lab: LabName, *, jobs: int, gui: bool = False) -> UpResult:
    """Do what the exercise leaves to the student, from its beginning on. The caller holds the lab's lock.

    Before anything is changed context.confirm is asked, and raises if it may not. Raises as check_solvable and up do.
    """
    observed = begin(context, lab)
    topology = blueprint.topology
    members = check_solvable(observed, topology)
    text = _(
        "overwrite what the student did in lab {lab} since the snapshot {snapshot}, and do all stages of {topology}?"
    )
    context.confirm(lab, text.format(lab=lab, snapshot=EXERCISE, topology=topology.name))
    already = ""
    if members:
        restore(context, observed, members, EXERCISE, start=False)
        already = _("{machines} went back to {snapshot} before").format(machines=", ".join(members), snapshot=EXERCISE)
    return up(context, replace(blueprint, whole=True), lab, jobs=jobs, gui=gui, already=already)
