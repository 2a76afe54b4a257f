"""Keys of WireGuard, and certificates of a lab's own authority as openssl(1) judges them."""

from __future__ import annotations

import base64
import re
import shutil
import subprocess
import time
from pathlib import Path

import pytest

from vboxlab.guest.certificates import Certified, certified, new_authority
from vboxlab.guest.wireguard import new_private_key, public_key

# RFC 7748, section 6.1.
VECTORS = {
    "77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a": (
        "8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a"
    ),
    "5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb": (
        "de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f"
    ),
}
openssl = pytest.mark.skipif(shutil.which("openssl") is None, reason="needs openssl")


def encoded(digits: str) -> str:
    return base64.b64encode(bytes.fromhex(digits)).decode()


@pytest.mark.parametrize(("private", "public"), VECTORS.items())
def test_the_public_half_is_that_of_the_standard(private: str, public: str) -> None:
    assert public_key(encoded(private)) == encoded(public)


def test_a_new_key_is_one_as_wg_makes_them() -> None:
    first, second = new_private_key(), new_private_key()
    assert first != second
    for key in (first, second):
        assert re.fullmatch(r"[A-Za-z0-9+/]{43}=", key)
        data = base64.b64decode(key)
        assert (data[0] & 7, data[-1] >> 6) == (0, 1)
        assert public_key(key) != key


@pytest.mark.parametrize("text", ["", "no key", "AAAA", "é" * 44])
def test_what_is_no_key_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        public_key(text)


@pytest.fixture(scope="module")
def authority() -> Certified:
    return new_authority("ha")


def run(*arguments: str) -> str:
    done = subprocess.run(["openssl", *arguments], capture_output=True, text=True, check=False)
    return done.stdout + done.stderr


def written(folder: Path, **texts: str) -> list[str]:
    for name, text in texts.items():
        (folder / name).write_text(text + "\n", encoding="ascii")
    return [str(folder / name) for name in texts]


@openssl
def test_openssl_trusts_a_certificate_through_the_authority(authority: Certified, tmp_path: Path) -> None:
    made = certified(authority, ["www.example.test", "*.lab.test"], ["192.168.1.5"])
    ca, own = written(tmp_path, ca=authority.certificate, own=made.certificate)
    for asked in (("-verify_hostname", "www.example.test"), ("-verify_hostname", "a.lab.test"), (
        "-verify_ip", "192.168.1.5",
    )):  # fmt: skip
        assert run("verify", "-x509_strict", "-purpose", "sslserver", "-CAfile", ca, *asked, own) == f"{own}: OK\n"
    for asked in (("-verify_hostname", "example.test"), ("-verify_ip", "192.168.1.6")):
        assert "mismatch" in run("verify", "-CAfile", ca, *asked, own)


@openssl
def test_another_lab_s_authority_is_not_trusted(authority: Certified, tmp_path: Path) -> None:
    made = certified(authority, ["www.example.test"], [])
    ca, own = written(tmp_path, ca=new_authority("ha").certificate, own=made.certificate)
    assert "verification failed" in run("verify", "-CAfile", ca, own)


@openssl
def test_guests_with_slow_clocks_and_labs_of_years_ago_accept_it(authority: Certified, tmp_path: Path) -> None:
    made = certified(authority, ["www.example.test"], [])
    ca, own = written(tmp_path, ca=authority.certificate, own=made.certificate)
    day, now = 24 * 3600, time.time()
    for moment, fine in ((-0.9 * day, True), (-1.1 * day, False), (9.9 * 365 * day, True), (10.1 * 365 * day, False)):
        said = run("verify", "-attime", str(int(now + moment)), "-CAfile", ca, own)
        assert (said == f"{own}: OK\n") is fine, (moment, said)


@openssl
def test_the_key_is_that_of_the_certificate_and_can_be_kept(authority: Certified, tmp_path: Path) -> None:
    first = certified(authority, ["www.example.test"], [])
    second = certified(authority, ["www2.example.test"], [], first.key)
    assert second.key == first.key
    assert first.key.startswith("-----BEGIN PRIVATE KEY-----\n")
    key, one, two = written(tmp_path, key=first.key, one=first.certificate, two=second.certificate)
    public = run("pkey", "-in", key, "-pubout")
    assert public.startswith("-----BEGIN PUBLIC KEY-----")
    assert run("x509", "-in", one, "-noout", "-pubkey") == run("x509", "-in", two, "-noout", "-pubkey") == public
    assert "www2.example.test" in run("x509", "-in", two, "-noout", "-subject")


def test_keys_are_not_shown_by_accident(authority: Certified) -> None:
    assert "PRIVATE" not in repr(authority)
