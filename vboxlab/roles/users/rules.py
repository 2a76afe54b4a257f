"""Rules for users and groups: what Debian's programs make of their names."""

from __future__ import annotations

import re
from collections.abc import Iterator

from vboxlab.language import _
from vboxlab.roles.users.role import UserEntry, UsersRole
from vboxlab.topology.places import show
from vboxlab.topology.problems import Place, Problem
from vboxlab.topology.subject import Subject

_NAME = re.compile(r"[a-z_][a-z0-9_-]{0,31}")  # useradd(8), "CAVEATS"
_PATH = re.compile(r"(/[A-Za-z0-9._+@:-]+)+")


def problems(subject: Subject) -> Iterator[Problem]:
    """Return what is wrong with the users and groups of a topology."""
    for _machine, role, place in subject.roles_of(UsersRole):
        if not role.users and not role.groups:
            message = _("this makes no user and no group; expected `users: …` or `groups: …`")
            yield subject.problem_of_key("missing-key", place, message)
        for index, group in enumerate(role.groups):
            yield from _name(subject, group.name, (*place, "groups", index, "name"))
        for index, user in enumerate(role.users):
            yield from _user(subject, user, (*place, "users", index))


def _name(subject: Subject, name: str, place: Place) -> Iterator[Problem]:
    """bad-user-name: names of users and groups that useradd(8) takes."""
    if not _NAME.fullmatch(name):
        message = _(
            "{value} is no name of a user or group; expected at most 32 small letters, digits, `-` and `_`, no digit "
            "first"
        )
        yield subject.problem("bad-user-name", place, message.format(value=show(name or None)))


def _user(subject: Subject, user: UserEntry, place: Place) -> Iterator[Problem]:
    """bad-path, bad-ssh-key: where a user is at home, what runs at a login, and who may log in."""
    yield from _name(subject, user.name, (*place, "name"))
    for number, group in enumerate(user.groups):
        yield from _name(subject, group, (*place, "groups", number))
    for key, path in (("shell", user.shell), ("home", user.home)):
        if path is not None and (not _PATH.fullmatch(path) or ".." in path.split("/")):
            message = _("{value} is no path; expected one that begins with `/`, of letters, digits and `._+@:-`")
            yield subject.problem("bad-path", (*place, key), message.format(value=show(path or None)))
    for number, line in enumerate(user.keys):
        if len(line.split()) < 2 or "\n" in line.strip():
            message = _("{value} is no public key of SSH; expected one line such as `ssh-ed25519 AAAA… name`")
            yield subject.problem("bad-ssh-key", (*place, "keys", number), message.format(value=show(line or None)))
    if user.keys and user.system and user.home is None:
        message = _("user `{user}` has no home for its keys; expected `home: …`")
        yield subject.problem("bad-ssh-key", (*place, "keys"), message.format(user=user.name))
