"""Where secrets come from, and that they stay private."""

from __future__ import annotations

import os
import stat
import sys
from pathlib import Path

import pytest

from vboxlab.errors import SettingsInvalid
from vboxlab.guest.resources import File, Password, Resource, SecretText
from vboxlab.guest.secrets import SecretStore, secret_names


def test_a_secret_is_made_once_and_kept_private(tmp_path: Path) -> None:
    store = SecretStore(tmp_path / "secrets", {})
    value = store.get("heartbeat")
    assert len(value) >= 20
    assert store.get("heartbeat") == value
    assert SecretStore(tmp_path / "secrets", {}).get("heartbeat") == value
    assert store.get("other") != value
    if sys.platform != "win32":
        assert stat.S_IMODE((tmp_path / "secrets" / "heartbeat").stat().st_mode) == 0o600
        assert stat.S_IMODE((tmp_path / "secrets").stat().st_mode) == 0o700


def test_the_environment_goes_before_the_file_and_the_file_before_a_new_one(tmp_path: Path) -> None:
    (tmp_path / "root-password").write_text("from-file\n")
    assert SecretStore(tmp_path, {}).get("root-password") == "from-file"
    environ = {"VBOXLAB_SECRET_ROOT_PASSWORD": "from-environment"}
    assert SecretStore(tmp_path, environ).get("root-password") == "from-environment"
    assert (tmp_path / "root-password").read_text() == "from-file\n"


def test_an_empty_file_is_an_error_that_says_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "heartbeat").write_text("\n")
    with pytest.raises(SettingsInvalid) as caught:
        SecretStore(tmp_path, {}).get("heartbeat")
    assert caught.value.resolution == "remove the file, or set VBOXLAB_SECRET_HEARTBEAT"


@pytest.mark.skipif(os.name != "posix" or os.getuid() == 0, reason="root reads everything")
def test_an_unreadable_file_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "heartbeat").write_text("x")
    (tmp_path / "heartbeat").chmod(0)
    with pytest.raises(SettingsInvalid, match="cannot be read"):
        SecretStore(tmp_path, {}).get("heartbeat")


def test_only_the_secrets_that_resources_name_are_given(tmp_path: Path) -> None:
    resources: list[Resource] = [
        File("/a", "plain"),
        File("/b", SecretText("<secret>", "heartbeat")),
        Password("root", "root-password"),
    ]
    assert secret_names(resources) == {"heartbeat", "root-password"}
    assert set(SecretStore(tmp_path, {}).for_resources(resources)) == {"heartbeat", "root-password"}
