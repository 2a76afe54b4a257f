"""Stopping and removing labs: by ownership marks alone, so that a broken topology file is no obstacle."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

from vboxlab.errors import LabError, VboxlabError
from vboxlab.events import ActionFailed, ActionFinished, Note
from vboxlab.lab.context import Context
from vboxlab.lab.observe import observe
from vboxlab.planning.observed import ObservedLab, ObservedMachine, PowerState
from vboxlab.topology.addressing import LabName


def down(context: Context, lab: LabName, *, timeout: float, hard: bool, jobs: int) -> int:
    """Power the lab's machines off, gracefully and after so many seconds hard; return how many ran."""
    observed = observe(context.driver, lab)
    active = [m for m in observed.machines.values() if m.power not in (PowerState.OFF, PowerState.INACCESSIBLE)]

    def stop(machine: ObservedMachine) -> str:
        context.guests.forget(machine)
        by_itself = context.driver.power_off(machine.handle, "hard" if hard else "graceful", timeout=timeout)
        return "" if by_itself or hard else f"did not end within {timeout:.0f} s, plug pulled"

    _on_each(context, observed, active, "power off", stop, jobs)
    return len(active)


def destroy(context: Context, lab: LabName, *, jobs: int) -> int:
    """Remove the lab's machines with their disks and snapshots, and what vboxlab kept for it; return how many.

    Foreign and adopted machines, bases and images stay.
    """
    observed = observe(context.driver, lab)

    def remove(machine: ObservedMachine) -> str:
        context.guests.forget(machine)
        context.driver.delete(machine.handle)
        return ""

    _on_each(context, observed, list(observed.machines.values()), "destroy", remove, jobs)
    for line in context.driver.collect_garbage(lab):
        context.events(Note(f"removed what an interrupted run left: {line}"))
    context.directory(lab).remove()
    return len(observed.machines)


def _on_each(
    context: Context,
    observed: ObservedLab,
    machines: Sequence[ObservedMachine],
    what: str,
    do: Callable[[ObservedMachine], str],
    jobs: int,
) -> None:
    """Do the same to all machines at once; raise LabError naming those that failed once all others are done."""
    failures: list[tuple[ObservedMachine, VboxlabError]] = []

    def one(machine: ObservedMachine) -> None:
        try:
            summary = do(machine)
        except VboxlabError as error:
            failures.append((machine, error))
            context.events(ActionFailed(what, machine.machine, what, 0.0, error.brief))
        else:
            context.events(ActionFinished(what, machine.machine, what, 0.0, summary))

    with ThreadPoolExecutor(max_workers=max(jobs, 1)) as pool:
        list(pool.map(one, machines))
    if failures:
        raise LabError(
            f"lab {observed.name}: {what} failed on {', '.join(machine.machine for machine, _ in failures)}",
            details=[f"{machine.machine}: {error.brief}" for machine, error in failures],
            resolution=failures[0][1].resolution,
        )
