"""Rules for the names of kernel modules."""

from __future__ import annotations

import re
from collections.abc import Iterator

from vboxlab.language import _
from vboxlab.roles.modules.role import ModulesRole
from vboxlab.topology.places import show
from vboxlab.topology.problems import Problem
from vboxlab.topology.subject import Subject

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*")


def problems(subject: Subject) -> Iterator[Problem]:
    """bad-module-name: what no kernel module is called."""
    for _machine, role, place in subject.roles_of(ModulesRole):
        for index, name in enumerate(role.names):
            if not _NAME.fullmatch(name):
                message = _("{value} is no name of a kernel module; expected letters, digits, `-` and `_`")
                yield subject.problem(
                    "bad-module-name", (*place, "names", index), message.format(value=show(name or None))
                )
