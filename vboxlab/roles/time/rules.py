"""Rules for the names of time zones."""

from __future__ import annotations

import re
from collections.abc import Iterator

from vboxlab.language import _
from vboxlab.roles.time.role import TimeRole
from vboxlab.topology.places import show
from vboxlab.topology.problems import Problem
from vboxlab.topology.subject import Subject

_TIME_ZONE = re.compile(r"[A-Za-z][A-Za-z0-9_+-]*(/[A-Za-z0-9_+-]+)*")


def problems(subject: Subject) -> Iterator[Problem]:
    """bad-time-zone: a time zone becomes a file name."""
    for _machine, role, place in subject.roles_of(TimeRole):
        if not _TIME_ZONE.fullmatch(role.zone):
            message = _("{value} is no time zone; expected a name such as Europe/Paris").format(
                value=show(role.zone or None)
            )
            yield subject.problem("bad-time-zone", (*place, "zone"), message)
