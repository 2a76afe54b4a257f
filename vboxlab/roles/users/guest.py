"""Users and groups, by Debian's useradd(8), usermod(8) and groupadd(8): groups first, then user by user."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Iterator

from vboxlab.guest.place import Place
from vboxlab.guest.resources import Argv, Command, Password, Resource
from vboxlab.guest.roles import GuestRole
from vboxlab.roles.users.role import GroupEntry, UserEntry, UsersRole

SECONDS = 60
# A group of the name may be there already: Debian has one of its own called operator, another role may have made it.
_MAKE = """\
name=$1
shift
if getent group "$name" >/dev/null; then set -- "$@" --gid "$name"; else set -- "$@" --user-group; fi
exec useradd "$@" "$name"
"""
# Field of /etc/passwd (or of /etc/group), name, value.
_HAS = '[ "$(getent "$1" "$2" | cut -d : -f "$3")" = "$4" ]'
_FIND_KEYS = 'user=$1 file=$(getent passwd "$1" | cut -d : -f 6)/.ssh/authorized_keys; shift'
_HAS_KEYS = f'{_FIND_KEYS}\nfor key; do grep -Fxqs -e "$key" "$file" || exit 1; done'
# What is there stays: the user may have keys of his own, and vboxlab one to come in by.
_ADD_KEYS = f"""\
{_FIND_KEYS}
[ -d "${{file%/*}}" ] || install -d -m 0700 -o "$user" -g "$(id -g "$user")" "${{file%/*}}"
[ -e "$file" ] || install -m 0600 -o "$user" -g "$(id -g "$user")" /dev/null "$file"
if [ -n "$(tail -c 1 "$file")" ]; then echo >>"$file"; fi
for key; do grep -Fxqs -e "$key" "$file" || printf '%s\\n' "$key" >>"$file"; done
"""


class UsersInGuest(GuestRole[UsersRole]):
    """Users of a machine."""

    def resources(self, role: UsersRole, place: Place) -> Iterable[Resource]:
        """Return the groups, and what makes each user."""
        del place
        for group in role.groups:
            yield from _group(group)
        for user in role.users:
            yield from _user(user, frozenset(group.name for group in role.groups))

    def typed(self, command: Command) -> str | None:
        """Return what makes a user, or lets keys in, where nothing of it is there yet."""
        match command.run:
            case ("sh", "-c", script, "sh", name, *options) if script == _MAKE:
                return shlex.join(("useradd", *options, "--user-group", name))
            case ("sh", "-ec", script, "sh", name, *keys) if script == _ADD_KEYS:
                folder = f"~{name}/.ssh"
                return "\n".join(
                    (
                        f"mkdir -p -m 700 {folder}",
                        *(f"echo {shlex.quote(key)} >>{folder}/authorized_keys" for key in keys),
                        f"chown -R {name}: {folder}; chmod 600 {folder}/authorized_keys",
                    )
                )
            case _:
                return None


IN_GUEST = UsersInGuest()


def _made(name: str, run: Argv, unless: Argv) -> Command:
    return Command(name, run, unless, as_written=True, timeout=SECONDS)


def _is(table: str, name: str, field: int, value: str) -> Argv:
    return ("sh", "-c", _HAS, "sh", table, name, str(field), value)


def _group(group: GroupEntry) -> Iterator[Command]:
    number = ("--gid", str(group.gid)) if group.gid is not None else ()
    make = ("groupadd", *(("--system",) if group.system else ()), *number, group.name)
    yield _made(f"group {group.name}", make, ("getent", "group", group.name))
    if group.gid is not None:
        change = ("groupmod", *number, group.name)
        yield _made(f"number of group {group.name}", change, _is("group", group.name, 3, str(group.gid)))


def _is_in(user: str, group: str) -> str:
    return f"id -nG {user} | tr ' ' '\\n' | grep -qx {group}"


def _user(user: UserEntry, groups: frozenset[str]) -> Iterator[Resource]:
    home = user.home or ("/nonexistent" if user.system else f"/home/{user.name}")
    shell = user.shell or ("/usr/sbin/nologin" if user.system else "/bin/bash")
    with_home = "--create-home" if user.home or not user.system else "--no-create-home"
    kind = ("--system",) if user.system else ()
    number = ("--uid", str(user.uid)) if user.uid is not None else ()
    options = (*kind, *number, with_home, "--home-dir", home, "--shell", shell)
    make: Argv = ("sh", "-c", _MAKE, "sh", user.name, *options)
    if user.name in groups:
        make = ("useradd", *options, "--gid", user.name, user.name)
    yield _made(f"user {user.name}", make, ("getent", "passwd", user.name))
    said = (
        ("number", "--uid", 3, str(user.uid or "")),
        ("home", "--home", 6, user.home),
        ("shell", "--shell", 7, user.shell),
    )
    for what, option, field, value in said:
        if value:
            change = ("usermod", option, value, user.name)
            yield _made(f"{what} of {user.name}", change, _is("passwd", user.name, field, value))
    if user.password:
        yield Password(user.name, user.password)
    if user.groups:
        joined = ",".join(user.groups)
        in_all = " && ".join(_is_in(user.name, group) for group in user.groups)
        name = f"groups {joined} of {user.name}"
        yield _made(name, ("usermod", "--append", "--groups", joined, user.name), ("sh", "-c", in_all))
    if user.keys:
        keys = tuple(key.strip() for key in user.keys)
        add, has = ("sh", "-ec", _ADD_KEYS, "sh", user.name, *keys), ("sh", "-c", _HAS_KEYS, "sh", user.name, *keys)
        yield _made(f"keys of {user.name}", add, has)
