"""Rules for files: where they are, what they hold, and how they are checked."""

from __future__ import annotations

import re
from collections.abc import Iterator

from vboxlab.language import _
from vboxlab.roles.files.role import FileEntry, FilesRole
from vboxlab.topology.model import Machine
from vboxlab.topology.places import show
from vboxlab.topology.problems import Place, Problem
from vboxlab.topology.subject import Subject

# What vboxlab.guest.script lets into a script.
_PATH = re.compile(r"(/[A-Za-z0-9._+@:-]+)+")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+@:-]*")
_OWNER = re.compile(r"[A-Za-z_][A-Za-z0-9._-]*")  # chown(1) takes numbers too, which stat(1) then tells by name
_MODE = re.compile(r"0?[0-7]{3,4}")


def problems(subject: Subject) -> Iterator[Problem]:
    """Return what is wrong with the files of a topology."""
    seen: dict[tuple[Place, str], Place] = {}
    for machine, role, place in subject.roles_of(FilesRole):
        for index, entry in enumerate(role.files):
            where: Place = (*place, "files", index)
            yield from _of_entry(subject, entry, where)
            first = seen.setdefault((place[:-1], entry.path), where)
            if first != where:
                yield _twice(subject, machine, entry, where, first)


def _of_entry(subject: Subject, entry: FileEntry, place: Place) -> Iterator[Problem]:
    """bad-path, missing-key, bad-mode, bad-name, bad-check: what no file can be made of."""
    if not _PATH.fullmatch(entry.path) or {".", ".."} & set(entry.path.split("/")):
        message = _("{value} is no path of a file; expected one that begins with `/`, of letters, digits and `._+@:-`")
        yield subject.problem("bad-path", (*place, "path"), message.format(value=show(entry.path or None)))
    if entry.content is None and entry.template is None:
        message = _("file `{path}` has no content; expected `content: …` or `template: …`").format(path=entry.path)
        yield subject.problem_of_key("missing-key", place, message)
    if not _MODE.fullmatch(entry.mode):
        message = _("{value} is no mode of a file; expected octal digits such as 0644")
        yield subject.problem("bad-mode", (*place, "mode"), message.format(value=show(entry.mode or None)))
    for key, name in (("owner", entry.owner), ("group", entry.group)):
        if name is not None and not _OWNER.fullmatch(name):
            message = _("{value} is no name of a user or group; expected letters, digits and `._-`, no digit first")
            yield subject.problem("bad-name", (*place, key), message.format(value=show(name or None)))
    for number, name in enumerate(entry.restarts):
        where = (*place, "restarts", number)
        if not _NAME.fullmatch(name):
            message = _("{value} is no name of a user, group or service; expected letters, digits and `._+@:-`")
            yield subject.problem("bad-name", where, message.format(value=show(name or None)))
    yield from _of_check(subject, entry, place)


def _of_check(subject: Subject, entry: FileEntry, place: Place) -> Iterator[Problem]:
    try:
        words = entry.argv
    except ValueError:
        words = ()
    if entry.check is None:
        if entry.check_in_place:
            message = _("`check_in_place` stands without a command; expected `check: …` beside it")
            yield subject.problem_of_key("bad-check", (*place, "check_in_place"), message)
        return
    if not words:
        message = _("the check of `{path}` is no command; expected words, with quotes in pairs")
        yield subject.problem("bad-check", (*place, "check"), message.format(path=entry.path))
    elif not entry.check_in_place and not any("{}" in word or "%s" in word for word in words):
        message = _(
            "the check of `{path}` does not say where the new file is; expected `%s` or `{braces}` in it, or "
            "`check_in_place: true`"
        )
        yield subject.problem("bad-check", (*place, "check"), message.format(path=entry.path, braces="{}"))


def _twice(subject: Subject, machine: Machine, entry: FileEntry, place: Place, first: Place) -> Problem:
    """duplicate-path: a file can only hold one thing in a stage; a later stage may change it."""
    message = _("machine `{machine}` has the file `{path}` twice here; expected it once (line {line})").format(
        machine=machine.name, path=entry.path, line="{line}"
    )
    return subject.repeated("duplicate-path", (*place, "path"), (*first, "path"), message)
