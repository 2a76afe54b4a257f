"""Rules for machines that nobody logs in to (`configured: false`): nothing that needs a login can be asked of them."""

from __future__ import annotations

from collections.abc import Iterator

from vboxlab.language import _
from vboxlab.topology.problems import Place, Problem
from vboxlab.topology.rules_references import where_named
from vboxlab.topology.step import CheckStep
from vboxlab.topology.subject import Subject

WRITTEN_INTO_GUESTS = ("roles", "stages", "dns", "search", "resolver_domain")


def nothing_configured(subject: Subject) -> Iterator[Problem]:
    """left-alone: a key of such a machine that would have to be written into its guest."""
    for machine in subject.topology.machines.values():
        for key in WRITTEN_INTO_GUESTS:
            if not machine.configured and getattr(machine, key):
                message = _(
                    "machine `{machine}` is left alone (`configured: false`), so `{key}` cannot be written into it; "
                    "expected no `{key}` here, or no `configured: false`"
                ).format(machine=machine.name, key=key)
                yield subject.problem_of_key("left-alone", ("machines", machine.name, key), message)


def nobody_logs_in(subject: Subject) -> Iterator[Problem]:
    """no-login: a step of the scenario for which such a machine would have to be logged in to."""
    alone = {machine.name for machine in subject.topology.machines.values() if not machine.configured}
    for index, step in enumerate(subject.topology.verify.steps):
        for name in dict.fromkeys(step.logins):
            if name in alone:
                place: Place = ("verify", "steps", index)
                if isinstance(step, CheckStep) and name in step.persist:
                    place = (*place, "persist")
                message = _(
                    "vboxlab cannot log in to machine `{machine}`, which is left alone (`configured: false`); "
                    "expected a machine that is configured, which may ask `{machine}` from outside"
                ).format(machine=name)
                yield subject.problem("no-login", where_named(subject, place, name), message)
