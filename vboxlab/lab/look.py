"""Looking into the guests that a plan would leave as they are, for what is not as their stage says."""

from __future__ import annotations

from vboxlab.errors import VboxlabError
from vboxlab.guest.reasons import in_words
from vboxlab.guest.role_registry import resources_for
from vboxlab.lab.context import Context
from vboxlab.language import _
from vboxlab.planning import actions as act
from vboxlab.planning.desired import Desired
from vboxlab.planning.observed import MARK_CONTACTED, GuestLook, ObservedLab, PowerState
from vboxlab.planning.planner import machines_of
from vboxlab.waiting import in_threads

AT_ONCE = 8  # guests: to look is to wait for the guest


def look_into(
    context: Context, desired: Desired, observed: ObservedLab, plan: act.Plan, *, jobs: int
) -> dict[str, GuestLook]:
    """Look into each guest that runs and that the plan does not switch off; change nothing in it.

    A guest that cannot be looked into is told with the reason; nothing is raised for it.
    """
    stopped = {
        name
        for action in plan.actions
        if isinstance(action.step, act.PowerOff | act.RestoreSnapshots | act.FinishRestore)
        for name in machines_of(action.step)
    }
    names = [
        name
        for name, wanted in desired.machines.items()
        if name not in stopped
        and wanted.configured
        and (machine := observed.machines.get(name)) is not None
        and machine.power is PowerState.RUNNING
        and MARK_CONTACTED in machine.marks
        and not wanted.is_the_students(machine.marks)
    ]
    if desired.until is not None or not names:
        return {}
    topology = desired.topology

    def look(name: str) -> GuestLook:
        machine = topology.machines[name]
        try:
            report = context.guests.configure(
                context.directory(observed.name),
                observed.machines[name],
                context.bases.get(machine.base or topology.base),
                resources_for(topology, machine, desired.machines[name].last_stage),
                changes=False,
                installed=(),
            )
        except VboxlabError as error:
            return GuestLook(trouble=error.brief_without(name))
        differences = (*report.changed, *report.failed)
        text = _("{subject}: {problem}")
        told = tuple(text.format(subject=result.key, problem=in_words(result.reason)) for result in differences)
        return GuestLook(told, report.kept)

    return dict(zip(names, in_threads(look, names, width=max(jobs, AT_ONCE)), strict=True))
