"""Rules for commands: that there is something to run and to test, and that reports can tell them apart."""

from __future__ import annotations

from collections.abc import Iterator

from vboxlab.language import _
from vboxlab.roles.commands.guest import called
from vboxlab.roles.commands.role import CommandEntry, CommandsRole
from vboxlab.topology.places import show
from vboxlab.topology.problems import Place, Problem
from vboxlab.topology.subject import Subject


def problems(subject: Subject) -> Iterator[Problem]:
    """empty-command, duplicate-command: what cannot be run, and what stands twice under one name in a stage."""
    seen: dict[tuple[Place, str], Place] = {}
    cut: dict[tuple[str, str], tuple[CommandEntry, Place]] = {}  # on a machine, in all of its stages
    for machine, role, place in subject.roles_of(CommandsRole):
        for index, entry in enumerate(role.commands):
            where: Place = (*place, "commands", index)
            for key, words in (("run", entry.run), ("unless", entry.unless)):
                if not "".join(words).strip():
                    message = _("`{key}` is {value}; expected a command").format(key=key, value=show(None))
                    yield subject.problem("empty-command", (*where, key), message)
            name = called(entry)
            first = seen.setdefault((place[:-1], name), where)
            if first == where and not entry.name:
                other, there = cut.setdefault((machine.name, name), (entry, where))
                first = there if other.run != entry.run else where
            if first != where and name:
                message = _("a command is called {name} already (line {line}); expected another `name`").format(
                    name=show(name), line="{line}"
                )
                key = "name" if entry.name is not None else "run"
                yield subject.repeated("duplicate-command", (*where, key), (*first, key), message)
