"""Mounts, made by the system's own programs in a table of mounts that nobody else sees."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from vboxlab.guest.resources import Resource
from vboxlab.guest.script import compile_script
from vboxlab.roles.mounts.guest import IN_GUEST
from vboxlab.roles.mounts.role import MountsRole

PROGRAMS = ("unshare", "mount", "findmnt", "losetup", "mkfs.ext4")
pytestmark = pytest.mark.skipif(
    os.name != "posix"
    or os.geteuid() != 0
    or not all(map(shutil.which, PROGRAMS))
    or not Path("/proc/self/ns").exists(),
    reason="needs Linux, root and its programs for mounts",
)
Run = Callable[[str], str]


@pytest.fixture
def guest(tmp_path: Path) -> Run:
    """What runs a script as root where /etc/fstab is the test's own; what is mounted is gone after it."""
    programs = tmp_path / "programs"
    programs.mkdir()
    (programs / "systemctl").write_text("#!/bin/sh\n")
    (programs / "systemctl").chmod(0o755)
    own = tmp_path / "etc"
    shutil.copytree("/etc", own, symlinks=True, ignore_dangling_symlinks=True)
    (own / "fstab").write_text("")
    over = 'set -e; mount --bind "$1" /etc; exec sh'
    argv = ["unshare", "--mount", "sh", "-c", over, "sh", str(own)]
    if subprocess.run(argv, input=b"", capture_output=True, check=False).returncode:
        pytest.skip("mounts cannot be made here")

    def of(script: str) -> str:
        text = script.replace("PATH=/usr/local/sbin", f"PATH={programs}:/usr/local/sbin")
        done = subprocess.run(argv, input=text.encode(), capture_output=True, check=False)
        return (done.stdout + done.stderr).decode()

    return of


@pytest.fixture
def disks(tmp_path: Path) -> Iterator[list[str]]:
    """Two block devices with file systems."""
    found = []
    for name in ("one", "two"):
        image = tmp_path / name
        image.write_bytes(b"\0" * 2**21)
        subprocess.run(["mkfs.ext4", "-q", image], check=True, capture_output=True)
        done = subprocess.run(["losetup", "--show", "-f", image], capture_output=True, text=True, check=False)
        if done.returncode:
            pytest.skip("no block device can be made here")
        found.append(done.stdout.strip())
    yield found
    for device in found:
        subprocess.run(["losetup", "-d", device], check=True)


def resources(*mounts: dict[str, str]) -> list[Resource]:
    return list(IN_GUEST.resources(MountsRole(role="mounts", mounts=mounts), None))  # type: ignore[arg-type]


def script(*mounts: dict[str, str]) -> str:
    return "VBOXLAB_ROOT=/nowhere\n" + compile_script(resources(*mounts), changes=True, secrets={})


def statuses(said: str) -> list[str]:
    lines = [line.split("\t") for line in said.splitlines() if line.startswith("@")]
    return [f"{status} ({reason})" if status == "failed" else status for _index, status, reason in lines]


def test_what_stands_in_the_table_stays(guest: Run, tmp_path: Path) -> None:
    path = tmp_path / "srv+.data"
    table = tmp_path / "etc/fstab"
    table.write_text(f"UUID=1 / ext4 defaults 0 1\nother {tmp_path}/srvXdata tmpfs rw 0 0\ntheirs\t{path} tmpfs ro 0 0")
    table.chmod(0o640)
    mine = {"device": "ours", "path": str(path), "type": "tmpfs", "options": "size=1m"}
    said = guest(f"{script(mine)}\nfindmnt -n -o SOURCE {path}")
    assert said.splitlines()[-1] == "ours"
    assert statuses(said) == ["changed", "changed", "changed"]
    assert table.read_text().splitlines() == [
        "UUID=1 / ext4 defaults 0 1",
        f"other {tmp_path}/srvXdata tmpfs rw 0 0",
        f"# theirs\t{path} tmpfs ro 0 0",
        f"ours {path} tmpfs size=1m 0 0",
    ]
    assert table.stat().st_mode & 0o777 == 0o640
    assert sorted(each.name for each in table.parent.glob("fstab*")) == ["fstab"]


def test_other_options_are_in_force_at_once(guest: Run, tmp_path: Path, disks: list[str]) -> None:
    mount = {"device": disks[0], "path": str(tmp_path / "data")}
    first, second = script(mount), script({**mount, "options": "ro"})
    said = guest(f"{{\n{first}\n}}\n{{\n{second}\n}}\n{{\n{second}\n}}\nfindmnt -n -o OPTIONS {tmp_path}/data")
    assert statuses(said) == ["changed"] * 3 + ["unchanged", "changed", "unchanged"] + ["unchanged"] * 3
    assert "ro" in said.splitlines()[-1].split(",")


def test_another_disk_gives_way(guest: Run, tmp_path: Path, disks: list[str]) -> None:
    path = tmp_path / "data"
    path.mkdir()
    wanted = script({"device": disks[1], "path": str(path)})
    said = guest(f"mount {disks[0]} {path}\n{wanted}\nfindmnt -n -o SOURCE {path}")
    assert (statuses(said), said.splitlines()[-1]) == (["unchanged", "changed", "changed"], disks[1])
    uuid = subprocess.run(["blkid", "-s", "UUID", "-o", "value", disks[1]], capture_output=True, text=True, check=True)
    by_uuid = script({"device": f"UUID={uuid.stdout.strip()}", "path": str(path)})
    said = guest(f"{{\n{by_uuid}\n}}\n{{\n{by_uuid}\n}}\nfindmnt -n -o SOURCE {path}")
    assert (statuses(said)[3:], said.splitlines()[-1]) == (["unchanged"] * 3, disks[1])


def test_options_that_are_refused_leave_the_table_as_it_was(guest: Run, tmp_path: Path) -> None:
    path, table = tmp_path / "data", tmp_path / "etc/fstab"
    mount = {"device": "ours", "path": str(path), "type": "tmpfs", "options": "size=1m"}
    bad = script({**mount, "options": "size=1m,nonsense=1"})
    said = guest(f"{{\n{script(mount)}\n}}\ncd {path}\n{{\n{bad}\n}}\n")
    assert statuses(said)[:4] == ["changed", "changed", "changed", "unchanged"]
    assert statuses(said)[4].startswith("failed (mount: ")
    assert table.read_text() == f"ours {path} tmpfs size=1m 0 0\n"
    assert sorted(each.name for each in table.parent.glob("fstab*")) == ["fstab"]
