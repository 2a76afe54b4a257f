"""Rules for services: their names, and the ports that they listen on."""

from __future__ import annotations

import re
from collections.abc import Iterator

from vboxlab.language import _
from vboxlab.roles.services.role import ServicesRole
from vboxlab.topology.places import show
from vboxlab.topology.problems import Problem
from vboxlab.topology.subject import Subject

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+@:-]*")
_ENDING = re.compile(r"\.(service|socket|timer|target|path|mount)")
_PORT = re.compile(r"(tcp|udp)/([0-9]{1,5})")


def problems(subject: Subject) -> Iterator[Problem]:
    """bad-unit-name, bad-port: names of units without an ending, and ports with their protocol."""
    for _machine, role, place in subject.roles_of(ServicesRole):
        for index, entry in enumerate(role.services):
            where = (*place, "services", index)
            if not _NAME.fullmatch(entry.name) or _ENDING.search(entry.name):
                message = _(
                    "{value} is no name of a service; expected the unit's name without its ending, such as `nginx`"
                )
                value = show(entry.name or None)
                yield subject.problem("bad-unit-name", (*where, "name"), message.format(value=value))
            for number, text in enumerate(entry.listens):
                port = _PORT.fullmatch(text)
                if port is None or not 0 < int(port[2]) < 65536:
                    message = _("{value} is no port; expected a protocol and a number, such as tcp/80 or udp/53")
                    value = show(text or None)
                    yield subject.problem("bad-port", (*where, "listens", number), message.format(value=value))
