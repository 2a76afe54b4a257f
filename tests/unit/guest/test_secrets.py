"""Where secrets come from, and that they stay private."""

from __future__ import annotations

import os
import re
import stat
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from vboxlab.credentials import without_secrets
from vboxlab.errors import SettingsInvalid
from vboxlab.guest.resources import File, Hole, Password, Resource, SecretText
from vboxlab.guest.secrets import LETTERS, SecretStore, secret_names
from vboxlab.guest.wireguard import public_key


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


CERTIFICATE = Hole("{certificate web}", "web", "certificate", names=("www.example.test",), addresses=("192.168.1.5",))
KEY = replace(CERTIFICATE, marker="{certificate-key web}", part="certificate-key")
AUTHORITY = Hole("{ca certificate}", "certificate", "ca")
PRIVATE, PUBLIC = Hole("{private-key a}", "a", "private-key"), Hole("{public-key a}", "a", "public-key")
PASSWORD = Hole("{secret replica}", "replica", length=30)
ALL = (PASSWORD, PRIVATE, PUBLIC, CERTIFICATE, KEY, AUTHORITY)


@pytest.fixture
def store(tmp_path: Path) -> SecretStore:
    return SecretStore(tmp_path / "ha" / "secrets", {})


def test_a_declared_password_has_its_length_and_needs_no_quoting(store: SecretStore) -> None:
    values = {store.value(replace(PASSWORD, secret=f"replica{number}")) for number in range(50)}
    assert len(values) == 50
    for value in values:
        assert re.fullmatch("[A-Za-z0-9]{30}", value)
    assert all(any(letter in value for value in values) for letter in LETTERS)


def test_a_password_stays_although_another_length_is_declared(store: SecretStore) -> None:
    value = store.value(PASSWORD)
    assert store.value(replace(PASSWORD, length=40)) == value == store.get("replica")


def test_everything_is_made_once_and_kept_private(store: SecretStore, tmp_path: Path) -> None:
    assert all(store.lacks(hole) for hole in ALL)
    made = {hole.key: store.value(hole) for hole in ALL}
    assert not any(store.lacks(hole) for hole in ALL)
    assert {hole.key: SecretStore(tmp_path / "ha" / "secrets", {}).value(hole) for hole in ALL} == made
    assert made["public-key a"] == public_key(made["private-key a"])
    names = {file.name for file in (tmp_path / "ha" / "secrets").iterdir()}
    assert names == {"replica", "a@wireguard", "web@certificate", "@ca"}
    if sys.platform != "win32":
        assert {stat.S_IMODE(file.stat().st_mode) for file in (tmp_path / "ha" / "secrets").iterdir()} == {0o600}


def test_a_password_from_the_environment_is_not_lost(tmp_path: Path) -> None:
    store = SecretStore(tmp_path, {"VBOXLAB_SECRET_REPLICA": "given"})
    assert (store.value(PASSWORD), store.lacks(PASSWORD)) == ("given", False)


def test_another_name_in_a_certificate_makes_another_one_for_the_same_key(store: SecretStore) -> None:
    certificate, key = store.value(CERTIFICATE), store.value(KEY)
    other = replace(CERTIFICATE, names=("www2.example.test",))
    assert store.value(other) not in (certificate, "")
    assert store.value(replace(KEY, names=other.names)) == key
    assert store.value(CERTIFICATE) != certificate  # made anew, as it is named again
    assert store.value(KEY) == key


def test_a_new_authority_signs_all_certificates_anew(store: SecretStore, tmp_path: Path) -> None:
    certificate, key, authority = store.value(CERTIFICATE), store.value(KEY), store.value(AUTHORITY)
    (tmp_path / "ha" / "secrets" / "@ca").unlink()
    assert store.lacks(CERTIFICATE)
    assert store.value(CERTIFICATE) != certificate
    assert store.value(AUTHORITY) != authority
    assert store.value(KEY) == key


def test_machines_that_are_configured_at_once_get_the_same(store: SecretStore) -> None:
    with ThreadPoolExecutor(8) as pool:
        found = set(pool.map(lambda _number: tuple(store.value(hole) for hole in ALL), range(16)))
    assert len(found) == 1


@pytest.mark.parametrize(
    ("name", "content", "hole"),
    [
        ("a@wireguard", "no key", PRIVATE),
        ("a@wireguard", "AAAA", PUBLIC),
        ("@ca", "{}", AUTHORITY),
        ("@ca", "[1]", AUTHORITY),
        ("@ca", '{"key": "x", "certificate": "y"}', CERTIFICATE),
        ("web@certificate", "-----BEGIN", KEY),
    ],
)
def test_what_is_no_key_is_an_error_that_says_what_to_do(
    name: str, content: str, hole: Hole, store: SecretStore, tmp_path: Path
) -> None:
    folder = tmp_path / "ha" / "secrets"
    folder.mkdir(parents=True)
    (folder / name).write_text(content)
    with pytest.raises(SettingsInvalid, match=f"{name} holds no key that vboxlab has made") as caught:
        store.value(hole)
    assert caught.value.resolution == "remove the file: another key is made with the next `vboxlab up`"
    assert f"'{content}'" not in str(caught.value)


def test_no_value_is_told_once_it_is_known(store: SecretStore) -> None:
    values = {hole.key: store.value(hole) for hole in ALL}
    told = without_secrets("\n".join(values.values()))
    private = (values["replica"], values["private-key a"], *values["certificate-key web"].splitlines()[1:3])
    assert [value for value in private if value in told] == []
    assert values["public-key a"] in told


def test_resources_get_what_their_holes_need_by_its_key(store: SecretStore) -> None:
    resources: list[Resource] = [
        File("/a", SecretText("{private-key a} {public-key a}", "", holes=(PRIVATE, PUBLIC))),
        File("/b", SecretText("<secret>", "heartbeat")),
        Password("root", "replica", length=30),
    ]
    assert secret_names(resources) == {"a", "heartbeat", "replica"}
    values = store.for_resources(resources)
    assert set(values) == {"private-key a", "public-key a", "heartbeat", "replica"}
    assert len(values["replica"]) == 30
