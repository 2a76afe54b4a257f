"""Rules for web servers: nobody may mistake one for another."""

from __future__ import annotations

from collections.abc import Iterator

from vboxlab.language import _
from vboxlab.roles.web.role import WebRole
from vboxlab.topology.problems import Place, Problem
from vboxlab.topology.subject import Subject


def problems(subject: Subject) -> Iterator[Problem]:
    """same-page: two web servers with one page could not be told apart by what they serve."""
    seen: dict[tuple[str | None, str], tuple[str, Place]] = {}
    for machine, role, place in subject.roles_of(WebRole):
        stage = str(place[3]) if place[2] == "stages" else None
        first = seen.setdefault((stage, role.page), (machine.name, place))
        if first[0] != machine.name:
            message = _(
                "the page of machine `{machine}` is that of machine `{other}` (line {line}); expected one that names "
                "the server, or nobody can see which one answers"
            ).format(machine=machine.name, other=first[0], line="{line}")
            yield subject.repeated("same-page", (*place, "page"), (*first[1], "page"), message)
