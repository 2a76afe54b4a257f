"""What must hold in a topology."""

from __future__ import annotations

from collections.abc import Iterator

from vboxlab.language import _
from vboxlab.topology.problems import Problem
from vboxlab.topology.subject import Subject

from .role import QuoteRole


def problems(subject: Subject) -> Iterator[Problem]:
    """quote-empty: nobody could see that a machine answers."""
    for machine, role, place in subject.roles_of(QuoteRole):
        if not role.text.strip():
            message = _("machine `{machine}` serves nothing; expected a text").format(machine=machine.name)
            yield subject.problem("quote-empty", (*place, "text"), message)
