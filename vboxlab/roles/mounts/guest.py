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
# Of what is not local, mount(8) may tell another source than was given.
_IS_MOUNTED, _IS_MOUNTED_FROM = 'mountpoint -q "$1"', 'findmnt -n --mountpoint "$1" --source "$2"'
_MOUNT = """\
if mountpoint -q "$1"; then umount "$1"; fi
mount "$1"
"""
# Path, line, pattern of the path, what tells whether it is mounted, its arguments. Another's line for the folder stays
# as a comment. The table is replaced once what is mounted has its options, so that a refusal is met again.
_WRITE = f"""\
path=$1 line=$2 pattern=$3 mounted=$4
shift 4
new={TABLE}.vboxlab-new
trap 'rm -f "$new"' EXIT
if [ -e {TABLE} ]; then cp -a {TABLE} "$new"; else : >"$new"; fi
sed -i "s|^[^#[:space:]]\\+[[:space:]]\\+$pattern[[:space:]]|# &|" "$new"
if [ -n "$(tail -c 1 "$new")" ]; then echo >>"$new"; fi
printf '%s\\n' "$line" >>"$new"
if sh -c "$mounted" sh "$@"; then mount -T "$new" -o remount "$path" || umount "$path"; fi
mv -f "$new" {TABLE}
systemctl daemon-reload
"""


class MountsInGuest(GuestRole[MountsRole]):
    """Mounts of a machine."""

    def resources(self, role: MountsRole, place: Place) -> Iterable[Resource]:
        """Return what makes the folders, writes the table and mounts."""
        del place
        for entry in role.mounts:
            path, line = entry.path, _line(entry)
            mounted = (_IS_MOUNTED_FROM, path, entry.device) if _is_local(entry) else (_IS_MOUNTED, path)
            yield _made(f"folder {path}", ("mkdir", "-p", path), ("test", "-d", path))
            write = ("sh", "-ec", _WRITE, "sh", path, line, path.replace(".", "\\."), *mounted)
            yield _made(f"{path} in {TABLE}", write, ("grep", "-Fxq", "-e", line, TABLE))
            test = ("sh", "-c", mounted[0], "sh", *mounted[1:])
            yield _made(f"{path} mounted", ("sh", "-ec", _MOUNT, "sh", path), test)

    def typed(self, command: Command) -> str | None:
        """Return what adds the line, and mounts: whoever types has no other one for the same folder."""
        match command.run:
            case ("sh", "-ec", script, "sh", _path, line, *_others) if script == _WRITE:
                return f"echo {shlex.quote(line)} >>{TABLE} && systemctl daemon-reload"
            case ("sh", "-ec", script, "sh", path) if script == _MOUNT:
                return f"mount {path}"
            case _:
                return None


IN_GUEST = MountsInGuest()


def _made(name: str, run: tuple[str, ...], unless: tuple[str, ...]) -> Command:
    return Command(name, run, unless, as_written=True, timeout=SECONDS)


def _is_local(entry: MountEntry) -> bool:
    return entry.device.startswith(_LOCAL)


def _line(entry: MountEntry) -> str:
    """Return the line: a local file system is checked at boot after that of the root (the last field)."""
    return f"{entry.device} {entry.path} {entry.type} {entry.options} 0 {2 if _is_local(entry) else 0}"
