"""What is done in a stock guest at the first contact: the real script, in a folder that stands for the guest."""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.unit.guest.guest_root import RootedExecutor
from vboxlab.errors import GuestError
from vboxlab.guest.introduction import introduce, ways_to_root
from vboxlab.guest.ssh import Access
from vboxlab.topology.addressing import MANAGEMENT_STANZA

KEY = "ssh-ed25519 AAAA vboxlab"
pytestmark = pytest.mark.skipif(os.name == "nt", reason="the script is for Debian's shell")
# What stands for the guest's programs, beside those that every Unix has.
USED = ("grep", "sed", "cmp", "cut", "mkdir", "mv", "chmod", "tail", "sync", "cat", "env", "sh", "printf", "touch")


class Guest:
    """A folder that stands for a stock Debian as its installer leaves it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.commands = root / "commands"
        self.commands.mkdir(parents=True)
        for name in USED:
            found = shutil.which(name)
            if found:
                (self.commands / name).symlink_to(found)
        (root / "home/teacher").mkdir(parents=True)
        self.write("etc/network/interfaces", "auto lo\niface lo inet loopback\nallow-hotplug enp0s3")
        self.write("etc/apt/sources.list", "deb cdrom:[Debian 12]/ bookworm main\ndeb http://deb.debian.org/debian x\n")
        self.say("getent", "echo teacher:x:1000:1000::/home/teacher:/bin/bash")
        self.say("chown", "exit 0")
        self.say("ifup", f"touch {root}/up")
        self.say("ifdown", "exit 1")
        self.say("ip", f'[ -e {root}/up ] && echo "enp0s19 UP 10.0.9.15/24 " || exit 0')
        self.say("sudo", "exit 0")

    def write(self, path: str, text: str) -> None:
        (self.root / path).parent.mkdir(parents=True, exist_ok=True)
        (self.root / path).write_text(text)

    def read(self, path: str) -> str:
        return (self.root / path).read_text()

    def say(self, program: str, script: str) -> None:
        path = self.commands / program
        path.unlink(missing_ok=True)
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)

    def introduce(self, user: str = "teacher", key: str | None = KEY) -> str:
        script = f"PATH={self.commands}"
        executor = RootedExecutor("srv-web", self.commands, root=self.root)
        run: Callable[..., object] = executor.run
        executor.run = lambda text, **options: run(f"{script}\n{text}", **options)  # type: ignore[method-assign,assignment]
        return introduce(executor, user, key)


@pytest.fixture
def guest(tmp_path: Path) -> Guest:
    return Guest(tmp_path / "guest")


def test_it_gets_its_management_address_and_we_our_rights(guest: Guest) -> None:
    said = guest.introduce()
    assert said == "management address, sudo without a password, key"
    assert guest.read("etc/network/interfaces.d/vboxlab-management") == MANAGEMENT_STANZA
    assert "enp0s19" in MANAGEMENT_STANZA
    assert "10.0.9.15/24" in MANAGEMENT_STANZA
    assert "gateway " not in MANAGEMENT_STANZA.split("iface")[1]
    assert guest.read("etc/network/interfaces").endswith("enp0s3\nsource /etc/network/interfaces.d/*\n")
    assert guest.read("etc/sudoers.d/vboxlab") == "teacher ALL=(ALL:ALL) NOPASSWD: ALL\n"
    assert stat.S_IMODE((guest.root / "etc/sudoers.d/vboxlab").stat().st_mode) == 0o440
    assert guest.read("home/teacher/.ssh/authorized_keys") == f"{KEY}\n"
    assert guest.read("etc/apt/sources.list").startswith("# deb cdrom:")
    assert (guest.root / "up").exists()


def test_done_again_it_changes_nothing(guest: Guest) -> None:
    guest.introduce()
    files = {path: path.read_bytes() for path in guest.root.rglob("*") if path.is_file()}
    assert guest.introduce() == "nothing left to do"
    assert {path: path.read_bytes() for path in guest.root.rglob("*") if path.is_file()} == files


def test_what_the_user_has_stays(guest: Guest) -> None:
    guest.write("home/teacher/.ssh/authorized_keys", "ssh-rsa BBBB teacher")
    guest.write("etc/network/interfaces", "source-directory /etc/network/interfaces.d\n")
    guest.introduce()
    assert guest.read("home/teacher/.ssh/authorized_keys") == f"ssh-rsa BBBB teacher\n{KEY}\n"
    assert guest.read("etc/network/interfaces") == "source-directory /etc/network/interfaces.d\n"


def test_root_needs_no_sudo_and_without_a_key_none_is_put_there(guest: Guest) -> None:
    (guest.commands / "sudo").unlink()
    assert guest.introduce("root", None) == "management address"
    assert not (guest.root / "home/teacher/.ssh").exists()


def test_sudo_is_installed_where_it_is_missing(guest: Guest) -> None:
    (guest.commands / "sudo").unlink()
    guest.say("apt-get", f"echo $* >>{guest.root}/apt; echo progress")
    assert guest.introduce() == "management address, sudo installed, sudo without a password, key"
    assert guest.read("apt").splitlines() == ["-q update", "-q -y --no-install-recommends install sudo"]


def test_what_the_base_lacks_is_said(guest: Guest) -> None:
    (guest.commands / "sudo").unlink()
    guest.say("apt-get", "echo 'E: no network' >&2; exit 100")
    with pytest.raises(GuestError, match="srv-web: its guest has no sudo") as caught:
        guest.introduce()
    assert caught.value.details == ("E: no network",)
    guest.say("sudo", "exit 0")
    guest.say("ifup", "echo 'Cannot find device' >&2; exit 1")
    with pytest.raises(GuestError, match="enp0s19 did not get its address"):
        guest.introduce()
    (guest.commands / "ifup").unlink()
    with pytest.raises(GuestError, match="no ifupdown"):
        guest.introduce()


def test_ways_to_become_root_are_tried_from_the_least_to_the_most() -> None:
    access = Access(1, "teacher", password=lambda: "horse")
    ways = list(ways_to_root(access, lambda: "battery"))
    assert [(way.root_by, way.root_password and way.root_password()) for way in ways] == [
        ("sudo", None),
        ("sudo", "horse"),
        ("su", "battery"),
    ]
    assert [way.user for way in ways_to_root(Access(1, "root"), lambda: "battery")] == ["root"]
