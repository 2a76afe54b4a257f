"""Doing the same to several machines of a lab at once."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from vboxlab.errors import LabError, VboxlabError
from vboxlab.events import ActionFailed, ActionFinished, ActionStarted
from vboxlab.lab.context import Context
from vboxlab.planning.observed import ObservedMachine
from vboxlab.topology.addressing import LabName
from vboxlab.waiting import in_threads


def on_each(
    context: Context,
    lab: LabName,
    machines: Sequence[ObservedMachine],
    what: str,
    do: Callable[[ObservedMachine], str],
    *,
    jobs: int,
) -> None:
    """Do the same to all machines, so many at once; `do` returns a few words on what came out.

    Raises LabError naming those that failed, with what each error said, once all others are done.
    """
    failures: list[tuple[ObservedMachine, VboxlabError]] = []

    def one(machine: ObservedMachine) -> None:
        begin = time.monotonic()
        identifier = f"{what} {machine.machine}"
        context.events(ActionStarted(identifier, machine.machine, what))
        try:
            summary = do(machine)
        except VboxlabError as error:
            failures.append((machine, error))
            context.events(ActionFailed(identifier, machine.machine, what, time.monotonic() - begin, error.brief))
        else:
            context.events(ActionFinished(identifier, machine.machine, what, time.monotonic() - begin, summary))

    in_threads(one, machines, width=jobs)
    failures.sort(key=lambda failed: machines.index(failed[0]))  # they came in the order in which they ended
    if failures:
        raise LabError(
            f"lab {lab}: {what} failed on {', '.join(machine.machine for machine, _ in failures)}",
            details=[
                line
                for machine, error in failures
                for line in (f"{machine.machine}: {error.brief_without(machine.machine)}", *error.details)
            ],
            resolution=failures[0][1].resolution,
        )


def afterwards(error: VboxlabError, then: Callable[[], None]) -> None:
    """Do what must follow a failure; where that fails too, the first failure stays the message and tells of it."""
    try:
        then()
    except VboxlabError as second:
        error.details = (*error.details, f"and then: {second.brief}", *second.details)
