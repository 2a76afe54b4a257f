"""Trust in the lab's own certification authority: its resources, and the test of its command in a real sh."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from tests.unit.roles.test_resources import lines
from tests.unit.topology.language_world import made
from vboxlab.guest.certificates import new_authority
from vboxlab.roles.lab_ca.guest import IS_TRUSTED

TOPOLOGY = """
lab: small
base: debian12
networks: {lan: {subnet: 192.168.7.0/24}}
machines:
  one:
    hostname: one
    adapters: [{network: lan, address: 192.168.7.1/24}]
    roles: [{role: lab_ca}]
"""


def test_the_certificate_goes_where_debian_looks_for_others() -> None:
    found = lines(made(TOPOLOGY), "one", None)
    assert found[found.index("package ca-certificates") :] == [
        "package ca-certificates",
        "file /usr/local/share/ca-certificates/vboxlab.crt 0644 root:root",
        "    | {ca certificate}",
        "command the lab's certification authority trusted: update-ca-certificates",
        (
            f"    unless sh -c {IS_TRUSTED} sh /usr/local/share/ca-certificates/vboxlab.crt "
            "/etc/ssl/certs/ca-certificates.crt"
        ),
    ]


@pytest.mark.skipif(os.name != "posix", reason="needs a POSIX shell")
def test_only_an_authority_that_is_in_the_bundle_is_trusted(tmp_path: Path) -> None:
    own, other = new_authority("ha").certificate, new_authority("ha").certificate
    file, bundle = tmp_path / "vboxlab.crt", tmp_path / "bundle"

    def is_trusted() -> bool:
        argv = ["sh", "-c", IS_TRUSTED, "sh", str(file), str(bundle)]
        return subprocess.run(argv, capture_output=True, check=False).returncode == 0

    assert not is_trusted()
    file.write_text(own + "\n")
    assert not is_trusted()
    bundle.write_text(f"{other}\n")
    assert not is_trusted()
    bundle.write_text(f"{other}\n{own}\n")
    assert is_trusted()
    file.write_text("")
    assert not is_trusted()
