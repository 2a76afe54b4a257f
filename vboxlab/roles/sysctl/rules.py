"""Rules for kernel settings: what has a file below /proc/sys, and what can be written into it."""

from __future__ import annotations

import re
from collections.abc import Iterator

from vboxlab.language import _
from vboxlab.roles.sysctl.role import SysctlRole
from vboxlab.topology.places import show
from vboxlab.topology.problems import Problem
from vboxlab.topology.subject import Subject

_NAME = re.compile(r"[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)+")
_VALUE = re.compile(r"[A-Za-z0-9._-]+([ \t]+[A-Za-z0-9._-]+)*")


def problems(subject: Subject) -> Iterator[Problem]:
    """bad-setting: names and values that no kernel setting has."""
    for _machine, role, place in subject.roles_of(SysctlRole):
        for name, value in role.settings.items():
            where = (*place, "settings", name)
            if not _NAME.fullmatch(name):
                message = _("{value} is no kernel setting; expected a name such as net.ipv4.ip_forward")
                yield subject.problem_of_key("bad-setting", where, message.format(value=show(name or None)))
            if not _VALUE.fullmatch(value):
                message = _("{value} is no value of a kernel setting; expected a number, or words of plain characters")
                yield subject.problem("bad-setting", where, message.format(value=show(value or None)))
