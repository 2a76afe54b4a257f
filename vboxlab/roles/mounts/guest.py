"""Mounts: a line in /etc/fstab (fstab(5)) and the file system mounted now."""

from __future__ import annotations

import shlex
from collections.abc import Iterable

from vboxlab.guest.place import Place
from vboxlab.guest.resources import Command, Resource
from vboxlab.guest.roles import GuestRole
from vboxlab.roles.mounts.role import MountEntry, MountsRole

TABLE = "/etc/fstab"
SECONDS = 90  # of mount(8), which asks servers too
_LOCAL = ("/dev/", "UUID=", "LABEL=", "PARTUUID=", "PARTLABEL=")


class MountsInGuest(GuestRole[MountsRole]):
    """Mounts of a machine."""

    def resources(self, role: MountsRole, place: Place) -> Iterable[Resource]:
        """Return what makes the folders, writes the table and mounts."""
        del place
        for entry in role.mounts:
            path, line = entry.path, _line(entry)
            yield _made(f"folder {path}", ("mkdir", "-p", path), ("test", "-d", path))
            others = shlex.quote(rf"\|^[^#[:space:]]\+[[:space:]]\+{path}[[:space:]]|d")
            write = f"sed -i {others} {TABLE} && {_typed(line)}"
            yield _made(f"{path} in {TABLE}", ("sh", "-c", write), ("grep", "-Fxq", line, TABLE))
            yield _made(f"{path} mounted", ("mount", path), ("mountpoint", "-q", path))

    def typed(self, command: Command) -> str | None:
        """Return what adds the line: whoever types has no other one for the same folder."""
        match command.unless:
            case ("grep", "-Fxq", line, table) if table == TABLE and command.name.endswith(f" in {TABLE}"):
                return _typed(line)
            case _:
                return None


IN_GUEST = MountsInGuest()


def _made(name: str, run: tuple[str, ...], unless: tuple[str, ...]) -> Command:
    return Command(name, run, unless, as_written=True, timeout=SECONDS)


def _line(entry: MountEntry) -> str:
    """Return the line: a local file system is checked at boot after that of the root (the last field)."""
    checked = 2 if entry.device.startswith(_LOCAL) else 0
    return f"{entry.device} {entry.path} {entry.type} {entry.options} 0 {checked}"


def _typed(line: str) -> str:
    return f"echo {shlex.quote(line)} >>{TABLE} && systemctl daemon-reload"
