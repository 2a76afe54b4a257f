"""Users and groups, made by Debian's own programs on a copy of this computer's tables in a root of its own."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from vboxlab.guest.explain_steps import typed
from vboxlab.guest.resources import Command, Resource
from vboxlab.guest.script import compile_script
from vboxlab.roles.users.guest import IN_GUEST
from vboxlab.roles.users.role import UsersRole

PROGRAMS = ("useradd", "groupadd", "usermod", "getent", "unshare", "mount")
pytestmark = pytest.mark.skipif(
    os.name != "posix"
    or os.geteuid() != 0
    or not all(map(shutil.which, PROGRAMS))
    or not Path("/proc/self/ns").exists(),
    reason="needs Linux, root and its programs for users",
)
KEY, OTHER = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAA alice's $key", "ssh-ed25519 AAAAC3Nz theirs"
# Copies of what the programs write lie over the host's own, seen by nobody else.
_OVER = """\
set -e
mkdir -p "$1/etc" "$1/home" "$1/root"
[ -e "$1/etc/passwd" ] || cp -a /etc/. "$1/etc/"
mount --bind "$1/etc" /etc
mount --bind "$1/home" /home
mount --bind "$1/root" /root
exec sh
"""
Run = Callable[[str], str]


@pytest.fixture
def guest(tmp_path: Path) -> Run:
    """What runs a script as root where /etc and the homes are the test's own."""
    argv = ["unshare", "--mount", "sh", "-c", _OVER, "sh", str(tmp_path)]
    if subprocess.run(argv, input=b"", capture_output=True, check=False).returncode:
        pytest.skip("mounts cannot be made here")

    def of(script: str) -> str:
        done = subprocess.run(argv, input=script.encode(), capture_output=True, check=False)
        return (done.stdout + done.stderr).decode()

    return of


def resources(**role: object) -> list[Resource]:
    return list(IN_GUEST.resources(UsersRole.model_validate({"role": "users", **role}), None))  # type: ignore[arg-type]


def statuses(guest: Run, wanted: list[Resource], *, changes: bool = True) -> list[str]:
    """Return `NAME: STATUS`, with the reason of what failed."""
    said = guest("VBOXLAB_ROOT=/root\n" + compile_script(wanted, changes=changes, secrets={}))
    found = []
    for line in said.splitlines():
        index, status, reason = line.split("\t")
        name = wanted[int(index[1:])].key.removeprefix("command:")
        found.append(f"{name}: {status}" + (f" ({reason})" if status == "failed" else ""))
    return found


def test_a_user_whose_group_is_there_already_is_made(guest: Run) -> None:
    """Debian has a group called operator; useradd(8) refuses to make another one."""
    wanted = resources(users=[{"name": "operator"}])
    assert guest("getent group operator").startswith("operator:")
    assert statuses(guest, wanted) == ["user operator: changed"]
    assert guest("id -gn operator") == "operator\n"
    assert statuses(guest, wanted) == ["user operator: unchanged"]


def test_numbers_are_what_is_said(guest: Run) -> None:
    wanted = resources(
        groups=[{"name": "readers", "gid": 3001}],
        users=[{"name": "alice", "uid": 2001, "groups": ["readers"]}, {"name": "agent", "uid": 2002, "system": True}],
    )
    assert all(each.endswith(": changed") or "number" in each for each in statuses(guest, wanted))
    assert guest("id alice; id -u agent; getent group readers").splitlines() == [
        "uid=2001(alice) gid=2001(alice) groups=2001(alice),3001(readers)",
        "2002",
        "readers:x:3001:alice",
    ]
    assert {each.rpartition(": ")[2] for each in statuses(guest, wanted)} == {"unchanged"}
    other = resources(groups=[{"name": "readers", "gid": 3002}], users=[{"name": "alice", "uid": 2003}])
    assert statuses(guest, other, changes=False) == [
        "group readers: unchanged",
        "number of group readers: would-change",
        "user alice: unchanged",
        "number of alice: would-change",
    ]
    assert statuses(guest, other)[1::2] == ["number of group readers: changed", "number of alice: changed"]
    assert guest("id -u alice; getent group readers").splitlines() == ["2003", "readers:x:3002:alice"]


def test_another_shell_and_home_are_set(guest: Run) -> None:
    assert statuses(guest, resources(users=[{"name": "alice"}])) == ["user alice: changed"]
    wanted = resources(users=[{"name": "alice", "shell": "/bin/sh", "home": "/home/other"}])
    assert statuses(guest, wanted) == ["user alice: unchanged", "home of alice: changed", "shell of alice: changed"]
    assert guest("getent passwd alice").endswith(":/home/other:/bin/sh\n")
    assert {each.rpartition(": ")[2] for each in statuses(guest, wanted)} == {"unchanged"}


def test_keys_are_added_where_the_user_is_at_home_and_none_is_taken_away(guest: Run) -> None:
    wanted = resources(users=[{"name": "root", "keys": [KEY]}, {"name": "alice", "keys": [f"{KEY}\n", OTHER]}])
    guest(f"mkdir -p -m 700 /root/.ssh; printf %s '{OTHER}' >/root/.ssh/authorized_keys")
    assert statuses(guest, wanted) == [
        "user root: unchanged",
        "keys of root: changed",
        "user alice: changed",
        "keys of alice: changed",
    ]
    assert guest("cat /root/.ssh/authorized_keys").splitlines() == [OTHER, KEY]
    assert guest("cd /home/alice; cat .ssh/authorized_keys").splitlines() == [KEY, OTHER]
    assert guest("stat -c '%a %U:%G' /home/alice/.ssh /home/alice/.ssh/authorized_keys").splitlines() == [
        "700 alice:alice",
        "600 alice:alice",
    ]
    assert {each.rpartition(": ")[2] for each in statuses(guest, wanted)} == {"unchanged"}


def test_what_is_typed_does_the_same(guest: Run) -> None:
    wanted = resources(
        groups=[{"name": "alice"}], users=[{"name": "alice", "keys": [KEY]}, {"name": "bob", "uid": 2001}]
    )
    lines = "\n".join(typed(each) for each in wanted if isinstance(each, Command) and "number" not in each.name)
    assert guest(f"bash <<'END'\n{lines}\nEND\n") == ""
    assert {each.rpartition(": ")[2] for each in statuses(guest, wanted)} == {"unchanged"}
