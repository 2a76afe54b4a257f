"""A shell script: run where it stands among the files and services of a machine, when its check says so."""

from __future__ import annotations

from collections.abc import Iterable

from vboxlab.guest.place import Place
from vboxlab.guest.resources import Command, Resource
from vboxlab.guest.roles import GuestRole
from vboxlab.roles.script.role import ScriptRole


class ScriptInGuest(GuestRole[ScriptRole]):
    """A script of a machine. It stops at the first command that fails (sh(1), `-e`)."""

    def resources(self, role: ScriptRole, place: Place) -> Iterable[Resource]:
        """Return the script."""
        del place
        run, check = ("sh", "-ec", role.run or ""), ("sh", "-c", role.check)
        yield Command(role.name, run, check, as_written=True, timeout=role.timeout, explained=True)


IN_GUEST = ScriptInGuest()
