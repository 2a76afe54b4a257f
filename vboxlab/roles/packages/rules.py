"""Rules for the names of packages."""

from __future__ import annotations

import re
from collections.abc import Iterator

from vboxlab.language import _
from vboxlab.roles.packages.role import PackagesRole
from vboxlab.topology.places import show
from vboxlab.topology.problems import Problem
from vboxlab.topology.subject import Subject

_NAME = re.compile(r"[a-z0-9][a-z0-9+.-]+")  # Debian Policy, section 5.6.1


def problems(subject: Subject) -> Iterator[Problem]:
    """bad-package-name: what Debian calls no package."""
    for _machine, role, place in subject.roles_of(PackagesRole):
        for index, name in enumerate(role.names):
            if not _NAME.fullmatch(name):
                message = _("{value} is no name of a package; expected small letters, digits, `+`, `-` and `.`").format(
                    value=show(name or None)
                )
                yield subject.problem("bad-package-name", (*place, "names", index), message)
