"""authkeys is read as Heartbeat reads it, from what leaves the guest as well, and that has no secret in it."""

from __future__ import annotations

import base64
import re
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.corpus import Variant, variants
from tests.unit.guest.guest_root import NONCE, GuestRoot, guest_root
from vboxlab.guest.grammars.authkeys import READ_BY_OTHERS, read_authkeys
from vboxlab.guest.slips import slips

PATH = "/etc/ha.d/authkeys"
VARIANTS = variants("authkeys")
SECRETS = ("Correct", "Horse", "horse7", "battery", "staple", "other", "caf")


def mode_of(variant: Variant) -> int:
    given = re.match(r"mode-([0-7]+)", variant.name)
    return int(given[1], 8) if given else 0o600


def meaning(content: bytes, mode: int = 0o600) -> dict[str, Any] | None:
    used = read_authkeys(content).used
    if used is None or mode & READ_BY_OTHERS:
        return None
    return {"number": used.number, "method": used.method, "secret": used.secret.decode(errors="backslashreplace")}


@pytest.mark.parametrize("variant", VARIANTS, ids=str)
def test_the_reader_agrees_with_heartbeat(variant: Variant) -> None:
    assert meaning(variant.content, mode_of(variant)) == variant.meaning


@pytest.fixture(scope="module")
def guest(tmp_path_factory: pytest.TempPathFactory) -> GuestRoot:
    return guest_root(tmp_path_factory.mktemp("node"), "failover", "srv-web", "heartbeat")


def put(guest: GuestRoot, content: bytes, mode: int = 0o600) -> None:
    path: Path = guest.path(PATH)
    path.chmod(0o600)
    path.write_bytes(content)
    path.chmod(mode)


@pytest.mark.parametrize("variant", VARIANTS, ids=str)
def test_what_leaves_the_guest_says_the_same_without_the_secret(variant: Variant, guest: GuestRoot) -> None:
    put(guest, variant.content, mode_of(variant))
    facts = guest.facts()
    ((_rights, text),) = facts.said["authkeys"]
    sent = base64.b64decode(text)
    assert not [secret for secret in SECRETS if secret.encode() in sent]
    whole, seen = read_authkeys(variant.content), read_authkeys(sent)
    assert (whole.used is None) == (seen.used is None)
    if whole.used is not None and seen.used is not None:
        assert (whole.used.number, whole.used.method) == (seen.used.number, seen.used.method)
        assert seen.used.secret == (b"" if whole.used.method == "crc" else b"*")
        digests = {line: digest for line, digest in facts.said.get("authkeys-digest", ())}  # noqa: C416
        secret = whole.used.secret
        comparable = secret and len(secret) < 5000
        digest = f"{sha256(NONCE.encode() + secret).hexdigest()}  -" if comparable else None
        assert digests.get(str(whole.used.line)) == digest

    found = [each for each in slips(guest.place, guest.resources, facts) if each.where.name == PATH]
    errors = [each for each in found if each.severity == "error"]
    assert bool(errors) == (variant.meaning is None)
    warned = {"mode-0622": ["authkeys-writable"], "crc": ["authkeys-crc"]}
    assert [each.code for each in found if each.severity == "warning"] == warned.get(variant.name, [])


BLANKS = st.text(" \t\v\f", min_size=1, max_size=3)


@given(
    BLANKS, BLANKS, st.integers(0, 15), st.sampled_from(["md5", "sha1"]), st.sampled_from(["", "\r", " # c", " more"])
)
def test_other_words_have_the_same_meaning(before: str, between: str, number: int, method: str, end: str) -> None:
    text = f"# c\n\n{before}auth{between}{number}{end}\n{before}+0{number}{between}{method}{between}s3cret{end}\n"
    assert meaning(text.encode()) == {"number": number, "method": method, "secret": "s3cret"}


@given(st.binary(max_size=300))
def test_any_bytes_are_read(content: bytes) -> None:
    read = read_authkeys(content)
    assert (read.used is None) == bool(read.refused)
