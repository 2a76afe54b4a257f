"""Commands: run where they stand among the files and services of a machine, when their test says so."""

from __future__ import annotations

import shlex
from collections.abc import Iterable

from vboxlab.guest.place import Place
from vboxlab.guest.resources import Argv, Command, Resource
from vboxlab.guest.roles import GuestRole
from vboxlab.roles.commands.role import CommandEntry, CommandsRole

LONGEST = 60  # characters of a command that reports name by itself


class CommandsInGuest(GuestRole[CommandsRole]):
    """Commands of a machine."""

    def resources(self, role: CommandsRole, place: Place) -> Iterable[Resource]:
        """Return the commands."""
        del place
        for entry in role.commands:
            run, unless = _argv(entry.run), _argv(entry.unless)
            yield Command(called(entry), run, unless, as_written=True, timeout=entry.timeout, explained=True)


IN_GUEST = CommandsInGuest()


def called(entry: CommandEntry) -> str:
    """Return what reports call a command."""
    said = " ".join((entry.run if isinstance(entry.run, str) else shlex.join(entry.run)).split())
    short = said if len(said) <= LONGEST else f"{said[: LONGEST - 1]}…"
    return " ".join((entry.name or "").split()) or short


def _argv(words: str | tuple[str, ...]) -> Argv:
    return ("sh", "-c", words) if isinstance(words, str) else words
