"""Rules for mounts: what can stand in the fields of a line of /etc/fstab."""

from __future__ import annotations

import re
from collections.abc import Iterator

from vboxlab.language import _
from vboxlab.roles.mounts.role import MountsRole
from vboxlab.topology.places import show
from vboxlab.topology.problems import Place, Problem
from vboxlab.topology.subject import Subject

_PATH = re.compile(r"(/[A-Za-z0-9_+@:-][A-Za-z0-9._+@:-]*)+")
_FIELD = re.compile(r"[A-Za-z0-9/][A-Za-z0-9._+@:/=,-]*")


def problems(subject: Subject) -> Iterator[Problem]:
    """bad-mount, duplicate-path: fields that fstab(5) would read otherwise, and a folder that is mounted on twice."""
    seen: dict[tuple[Place, str], Place] = {}
    for machine, role, place in subject.roles_of(MountsRole):
        for index, entry in enumerate(role.mounts):
            where: Place = (*place, "mounts", index)
            if not _PATH.fullmatch(entry.path):
                message = _("{value} is no folder to mount on; expected a path that begins with `/`, such as /srv/data")
                yield subject.problem("bad-mount", (*where, "path"), message.format(value=show(entry.path or None)))
            for key, text in (("device", entry.device), ("type", entry.type), ("options", entry.options)):
                if not _FIELD.fullmatch(text):
                    message = _("`{key}` is {value}; expected one word of letters, digits and `._+@:/=,-`")
                    told = message.format(key=key, value=show(text or None))
                    yield subject.problem("bad-mount", (*where, key), told)
            first = seen.setdefault((place[:-1], entry.path), where)
            if first != where:
                message = _("machine `{machine}` mounts twice on `{path}` here; expected it once (line {line})").format(
                    machine=machine.name, path=entry.path, line="{line}"
                )
                yield subject.repeated("duplicate-path", (*where, "path"), (*first, "path"), message)
