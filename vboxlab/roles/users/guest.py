"""Users and groups, by Debian's useradd(8), usermod(8) and groupadd(8): groups first, then user by user."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from vboxlab.guest.place import Place
from vboxlab.guest.resources import Argv, Command, File, Password, Resource
from vboxlab.guest.roles import GuestRole
from vboxlab.roles.users.role import GroupEntry, UserEntry, UsersRole

SECONDS = 60


class UsersInGuest(GuestRole[UsersRole]):
    """Users of a machine."""

    def resources(self, role: UsersRole, place: Place) -> Iterable[Resource]:
        """Return the groups, and what makes each user."""
        del place
        for group in role.groups:
            yield _group(group)
        for user in role.users:
            yield from _user(user, frozenset(group.name for group in role.groups))


IN_GUEST = UsersInGuest()


def _made(name: str, run: Argv, unless: Argv) -> Command:
    return Command(name, run, unless, as_written=True, timeout=SECONDS)


def _group(group: GroupEntry) -> Command:
    options = ("--system",) if group.system else ()
    return _made(f"group {group.name}", ("groupadd", *options, group.name), ("getent", "group", group.name))


def _own_group(user: UserEntry, groups: frozenset[str]) -> Argv:
    return ("--gid", user.name) if user.name in groups else ("--user-group",)


def _is_in(user: str, group: str) -> str:
    return f"id -nG {user} | tr ' ' '\\n' | grep -qx {group}"


def _user(user: UserEntry, groups: frozenset[str]) -> Iterator[Resource]:
    home = user.home or ("/nonexistent" if user.system else f"/home/{user.name}")
    shell = user.shell or ("/usr/sbin/nologin" if user.system else "/bin/bash")
    with_home = "--create-home" if user.home or not user.system else "--no-create-home"
    kind = ("--system",) if user.system else ()
    make = ("useradd", *kind, with_home, "--home-dir", home, "--shell", shell, *_own_group(user, groups), user.name)
    yield _made(f"user {user.name}", make, ("getent", "passwd", user.name))
    if user.shell:
        is_shell = f'getent passwd {user.name} | grep -q ":{shell}$"'
        yield _made(f"shell of {user.name}", ("usermod", "--shell", shell, user.name), ("sh", "-c", is_shell))
    if user.password:
        yield Password(user.name, user.password)
    if user.groups:
        joined = ",".join(user.groups)
        in_all = " && ".join(_is_in(user.name, group) for group in user.groups)
        name = f"groups {joined} of {user.name}"
        yield _made(name, ("usermod", "--append", "--groups", joined, user.name), ("sh", "-c", in_all))
    if user.keys:
        folder = f"{home}/.ssh"
        make_folder = ("install", "-d", "-m", "0700", "-o", user.name, "-g", user.name, folder)
        yield _made(f"folder {folder}", make_folder, ("test", "-d", folder))
        text = "".join(f"{key}\n" for key in user.keys)
        path = f"{folder}/authorized_keys"
        yield File(path, text, mode=0o600, owner=user.name, group=user.name, as_written=True)
