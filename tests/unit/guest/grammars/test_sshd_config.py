"""The reader of sshd's configuration agrees with sshd, and with itself about other words."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.corpus import Variant, variants
from vboxlab.guest.grammars.sshd_config import FOLDER, MAIN, Configuration, Connection, read

ROOT = Connection("root", "192.168.50.12", "192.168.50.11")
DEBIAN = b"Include /etc/ssh/sshd_config.d/*.conf\nKbdInteractiveAuthentication no\nUsePAM yes\n"
DROP_IN = f"{FOLDER}/10-practical.conf"
BLANKS = st.text(" \t", min_size=1, max_size=3)
BESIDES = st.sampled_from(["", "# PermitRootLogin no", "X11Forwarding no", "Match User student\nPermitRootLogin no"])


def meaning(found: Configuration) -> dict[str, Any] | None:
    """Return what sshd -T would print, or None where it refuses."""
    if found.refused:
        return None
    root = found.values("permitrootlogin")[:1] or ("prohibit-password",)
    return {
        "permitrootlogin": [{"prohibit-password": "without-password"}.get(root[0].lower(), root[0].lower())],
        "passwordauthentication": [each.lower() for each in found.values("passwordauthentication") or ("yes",)],
        "allowusers": list(found.values("allowusers")),
        "denyusers": list(found.values("denyusers")),
        "authenticationmethods": [" ".join(found.values("authenticationmethods") or ("any",))],
        "forcecommand": [" ".join(found.values("forcecommand") or ("none",))],
    }


@pytest.mark.parametrize("variant", variants("sshd_config"), ids=str)
def test_the_reader_agrees_with_sshd(variant: Variant) -> None:
    assert meaning(read({MAIN: DEBIAN, **variant.files}, ROOT)) == variant.meaning


@given(data=st.data(), before=st.sampled_from(["", "# PermitRootLogin no", "X11Forwarding no"]), after=BESIDES)
def test_other_words_mean_the_same(data: st.DataObject, before: str, after: str) -> None:
    keyword = data.draw(st.sampled_from(["PermitRootLogin", "permitrootlogin", '"PermitRootLogin"', "PERMITROOTLOGIN"]))
    sign = "" if keyword.startswith('"') else data.draw(st.sampled_from(["", "="]))
    value = data.draw(st.sampled_from(["yes", "YES", '"yes"', "'yes'", "y'e's"]))
    line = f"{data.draw(BLANKS)}{keyword}{data.draw(BLANKS)}{sign}{data.draw(BLANKS)}{value}"
    line += data.draw(st.sampled_from(["", " ", "\t# for scp", "\f", " \r"]))
    content = f"{before}\n{line}\nPermitRootLogin no\n{after}"
    found = read({MAIN: DEBIAN, DROP_IN: content.encode()}, ROOT)
    first = found.first("permitrootlogin")
    assert found.refused == ()
    assert first is not None
    assert (first.file, first.line) == (DROP_IN, before.count("\n") + 2)
    assert first.values[0].lower() == "yes"


@given(main=st.binary(max_size=200), other=st.binary(max_size=200))
def test_any_bytes_can_be_read(main: bytes, other: bytes) -> None:
    found = read({MAIN: DEBIAN + main, DROP_IN: other}, ROOT)
    assert all(each.file in (MAIN, DROP_IN) and each.line >= 1 for each in found.refused)


def test_a_refusal_is_told_with_its_place() -> None:
    found = read({MAIN: DEBIAN, DROP_IN: b"# one\nPermitRotLogin yes\n"}, ROOT)
    assert [(each.file, each.line, each.text, each.word) for each in found.refused] == [
        (DROP_IN, 2, "PermitRotLogin yes", "PermitRotLogin")
    ]


def test_a_hostile_configuration_is_read_at_once() -> None:
    loop = b"Include /etc/ssh/sshd_config.d/*.conf\n" * 50
    assert read({MAIN: DEBIAN, DROP_IN: loop}, ROOT).refused
    chain = {f"/etc/ssh/{number}": f"Include {number + 1}\n".encode() * 50 for number in range(15)}
    assert read({MAIN: b"Include 0\n", **chain}, ROOT).refused
