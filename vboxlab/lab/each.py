"""Doing the same to several machines of a lab at once."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType

from vboxlab.errors import LabError, VboxlabError
from vboxlab.events import ActionFailed, ActionFinished, ActionStarted
from vboxlab.lab.context import Context
from vboxlab.language import _
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
    values: Mapping[str, str] = MappingProxyType({}),
) -> None:
    """Do the same to all machines, so many at once; `do` returns a few words on what came out.

    `what` is in English, marked, with `values` for its fields. Raises LabError naming those that failed, with what each
    error said, once all others are done.
    """
    title = _(what).format(**values)
    failures: list[tuple[ObservedMachine, VboxlabError]] = []

    def one(machine: ObservedMachine) -> None:
        begin = time.monotonic()
        identifier = f"{what.format(**values)} {machine.machine}"
        context.events(ActionStarted(identifier, machine.machine, title))
        try:
            summary = do(machine)
        except VboxlabError as error:
            failures.append((machine, error))
            context.events(ActionFailed(identifier, machine.machine, title, time.monotonic() - begin, error.brief))
        else:
            context.events(ActionFinished(identifier, machine.machine, title, time.monotonic() - begin, summary))

    in_threads(one, machines, width=jobs)
    failures.sort(key=lambda failed: machines.index(failed[0]))  # they came in the order in which they ended
    if failures:
        names = ", ".join(machine.machine for machine, _error in failures)
        told = _("{subject}: {problem}")
        raise LabError(
            _("lab {lab}: {action} failed on {machines}").format(lab=lab, action=title, machines=names),
            details=[
                line
                for machine, error in failures
                for line in (
                    told.format(subject=machine.machine, problem=error.brief_without(machine.machine)),
                    *error.details,
                )
            ],
            resolution=failures[0][1].resolution,
        )


def afterwards(error: VboxlabError, then: Callable[[], None]) -> None:
    """Do what must follow a failure; where that fails too, the first failure stays the message and tells of it."""
    try:
        then()
    except VboxlabError as second:
        error.details = (*error.details, _("and then: {problem}").format(problem=second.brief), *second.details)
