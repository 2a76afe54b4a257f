from __future__ import annotations

import io
import shutil
import subprocess
import tarfile
from dataclasses import replace
from pathlib import Path

import pytest

from vboxlab.base.builder import tree_files_tar
from vboxlab.base.mirror import Mirror
from vboxlab.base.recipe import DEBIAN12, TreeFile, key_files, sources_files

KEY = "ssh-ed25519 AAAA vboxlab"


def test_digest_is_the_same_for_the_same_recipe_and_key() -> None:
    assert DEBIAN12.digest(KEY) == replace(DEBIAN12).digest(KEY)


def test_digest_changes_with_anything_that_changes_the_image() -> None:
    digests = {
        DEBIAN12.digest(KEY),
        DEBIAN12.digest("ssh-ed25519 BBBB vboxlab"),
        replace(DEBIAN12, packages=(*DEBIAN12.packages, "git")).digest(KEY),
        replace(DEBIAN12, setup=DEBIAN12.setup + "true\n").digest(KEY),
        replace(DEBIAN12, command_line="root=/dev/sda1").digest(KEY),
        replace(DEBIAN12, disk_mib=4096).digest(KEY),
    }
    assert len(digests) == 6


def test_sources_carry_the_hosts_apt_options() -> None:
    mirror = Mirror("http://m/debian", None, "test", options=('Acquire::Check-Valid-Until "false";',))
    sources, options = sources_files(DEBIAN12, mirror)
    assert sources.content.splitlines()[0] == "deb http://m/debian bookworm main"
    assert options == TreeFile("/etc/apt/apt.conf.d/90mirror", 'Acquire::Check-Valid-Until "false";\n')


@pytest.mark.parametrize(
    ("address", "passwords"), [("10.0.9.15", "no"), ("192.168.200.51", "yes"), ("10.0.9.16", "yes")]
)
def test_sshd_takes_no_password_on_the_management_address_whatever_the_role_says(
    address: str, passwords: str, tmp_path: Path
) -> None:
    """The real sshd reads Debian's configuration with the base's file among the role's and others."""
    sshd = shutil.which("sshd", path="/usr/sbin:/usr/bin") or pytest.skip("no sshd")
    key, main, parts = tmp_path / "key", tmp_path / "sshd_config", tmp_path / "parts"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)], check=True)
    parts.mkdir()
    (file,) = (file for file in DEBIAN12.files if "sshd_config.d" in file.path)
    (parts / Path(file.path).name).write_text(str(file.content))
    (parts / "10-practical.conf").write_text("PermitRootLogin yes\nPasswordAuthentication yes\n")
    (parts / "zz-last.conf").write_text("MaxAuthTries 3\n")
    main.write_text(f"Include {parts}/*.conf\nKbdInteractiveAuthentication yes\n")
    where = f"user=root,host=host,addr=10.0.9.2,laddr={address},lport=22"
    argv = [sshd, "-T", "-h", str(key), "-f", str(main), "-C", where]
    done = subprocess.run(argv, check=False, capture_output=True, text=True)
    if "privilege separation" in done.stderr:
        pytest.skip(done.stderr)  # where the host's own sshd has never run
    said = done.stdout.splitlines()
    assert f"passwordauthentication {passwords}" in said
    assert f"kbdinteractiveauthentication {passwords}" in said
    assert "maxauthtries 3" in said


def test_the_management_address_has_neither_gateway_nor_a_wait_at_boot() -> None:
    (file,) = (file for file in DEBIAN12.files if file.path.endswith("vboxlab-management"))
    words = [line.split() for line in str(file.content).splitlines() if not line.startswith("#")]
    assert words == [
        ["allow-hotplug", "enp0s19"],
        ["iface", "enp0s19", "inet", "static"],
        ["address", "10.0.9.15/24"],
    ]


def test_files_become_a_tar_with_owners_modes_and_missing_directories() -> None:
    (keys,) = key_files(DEBIAN12, KEY)
    data = tree_files_tar([keys, TreeFile("/etc/sudoers.d/x", "x\n", 0o440)])
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        members = [(m.name, m.isdir(), oct(m.mode), m.uid) for m in archive.getmembers()]
        stream = archive.extractfile("home/debian/.ssh/authorized_keys")
        assert stream is not None
        assert stream.read() == KEY.encode() + b"\n"
    assert members == [
        ("home/debian", True, "0o755", 1000),
        ("home/debian/.ssh", True, "0o755", 1000),
        ("home/debian/.ssh/authorized_keys", False, "0o600", 1000),
        ("etc/sudoers.d/x", False, "0o440", 0),
    ]
