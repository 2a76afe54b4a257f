"""Files: written one after the other, each checked by its program where that can tell."""

from __future__ import annotations

from collections.abc import Iterable

from vboxlab.guest.filling import filled
from vboxlab.guest.place import Place
from vboxlab.guest.resources import NEW_FILE, Argv, File, Resource, Restart
from vboxlab.guest.roles import GuestRole
from vboxlab.roles.files.role import FileEntry, FilesRole


class FilesInGuest(GuestRole[FilesRole]):
    """Files of a machine."""

    def resources(self, role: FilesRole, place: Place) -> Iterable[Resource]:
        """Return the files, and the services that are restarted after them."""
        del place
        for entry in role.files:
            text = entry.content or ""
            yield File(
                entry.path,
                filled(text if text.endswith("\n") or not text else f"{text}\n"),
                mode=int(entry.mode, 8),
                owner=entry.owner,
                group=entry.group or entry.owner,
                notifies=entry.restarts,
                as_written=True,
                check=_check(entry),
                check_in_place=entry.check_in_place,
            )
        for name in dict.fromkeys(name for entry in role.files for name in entry.restarts):
            yield Restart(name)


IN_GUEST = FilesInGuest()


def _check(entry: FileEntry) -> Argv:
    return tuple(word.replace("%s", NEW_FILE) for word in entry.argv)
