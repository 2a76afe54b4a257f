"""Characters that are not what they look like are named in a guest's files, and whether they hurt is said."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.golden_files import check_golden
from tests.unit.guest.guest_root import GuestRoot, guest_root
from vboxlab.guest.findings import Finding
from vboxlab.guest.grammars.sysctl import CONF
from vboxlab.guest.slips import slips
from vboxlab.guest.telling import told
from vboxlab.language import LANGUAGES, speaking

SETTING = "net.ipv4.ip_forward=1\n"
CONTENTS = {
    "carriage returns": (f"# a\r\n{SETTING[:-1]}\r\n", ["hint", "hint"]),
    "a mark at the beginning": (f"\ufeff{SETTING}", ["warning"]),
    "a mark before a comment": (f"\ufeff# a\n{SETTING}", ["hint"]),
    "a comment with a no-break space": (f"#\u00a0a\n{SETTING}", ["hint"]),
    "a no-break space in the line": (SETTING.replace("=", "\u00a0= "), ["warning"]),
    "a zero-width space": (SETTING.replace("ip_", "\u200bip_"), ["warning"]),
    "a Cyrillic letter": (SETTING.replace("forward", "forw\u0430rd"), ["warning"]),
    "a fullwidth sign": (SETTING.replace("=", "\uff1d"), ["warning"]),
    "an en dash": ("\u2013" + SETTING, ["warning"]),
    "a soft hyphen": (SETTING.replace("ward", "\u00adward"), ["warning"]),
    "a comment in French": (f"# l’accès à Internet – activé\n{SETTING}", []),
    "many of a kind": (f"{SETTING}# {chr(0xA0) * 90}\n", ["hint"] * 3),
    "plain text": (f"# a\n\n{SETTING}", []),
}


def found(guest: GuestRoot) -> list[Finding]:
    return [each for each in slips(guest.place, guest.resources, guest.facts()) if each.code == "invisible-character"]


@pytest.fixture(name="router")
def a_router(tmp_path: Path) -> GuestRoot:
    return guest_root(tmp_path, "failover", "firewall", "heartbeat")


@pytest.mark.parametrize("name", CONTENTS)
def test_what_cannot_be_seen_is_told(name: str, router: GuestRoot) -> None:
    content, severities = CONTENTS[name]
    router.write(CONF, content)
    findings = found(router)
    assert [each.severity for each in findings] == severities
    lines = []
    for language in LANGUAGES:
        with speaking(language):
            lines += [f"{each.place} {each.found} => {each.expected}" for each in map(told, findings)]
    check_golden(f"lookalikes/{name.replace(' ', '-')}.txt", lines)


def test_what_belongs_to_a_text_is_no_slip(tmp_path: Path) -> None:
    guest = guest_root(tmp_path, "failover", "srv-web", "web")
    assert found(guest) == []
    page = "/var/www/html/index.html"
    guest.edit(page, "Srv-Web", "Srv\u2013Web")
    assert [(each.severity, each.where.name, each.values["point"]) for each in found(guest)] == [
        ("hint", page, "U+2013")
    ]


def test_the_slip_that_comes_of_it_is_told_as_well(router: GuestRoot) -> None:
    router.write(CONF, SETTING.replace("=", "\u00a0="))
    codes = [each.code for each in slips(router.place, router.resources, router.facts())]
    assert codes == ["setting-line", "invisible-character"]
