"""What only both nodes of a cluster together show, from files that the real facts script reads."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from tests.unit.guest.guest_root import SECRET, GuestRoot, guest_root
from vboxlab.guest.findings import Finding, in_file
from vboxlab.guest.roles import Judged
from vboxlab.guest.slips import slips
from vboxlab.guest.telling import told
from vboxlab.guest.together import judged_together
from vboxlab.language import speaking

CF, KEYS = "/etc/ha.d/ha.cf", "/etc/ha.d/authkeys"
MASTER, OTHER = "srv-web", "srv-web-bis"
ANOTHERS = {name: in_file("authkeys-other-secret", name, KEYS, None, "hint") for name in (MASTER, OTHER)}


@dataclass
class Pair:
    """Both nodes, as they shall be."""

    guests: dict[str, GuestRoot]

    def judged(self, name: str, *hints: Finding) -> Judged:
        guest = self.guests[name]
        facts = guest.facts()
        return Judged(guest.place, facts, (*slips(guest.place, guest.resources, facts), *hints))

    def found(self, *hints: Finding, of: tuple[str, ...] = (MASTER, OTHER)) -> list[Finding]:
        """Return what is found; `hints` are what the configurator would have found besides."""
        alone = {name: self.judged(name, *(hint for hint in hints if hint.machine == name)) for name in of}
        return [finding for findings in judged_together(alone).values() for finding in findings]

    def codes(self, *hints: Finding) -> list[str]:
        return [f"{each.severity} {each.machine} {each.code}" for each in self.found(*hints)]

    def keys(self, name: str, text: str) -> None:
        self.guests[name].write(KEYS, text, 0o600)


@pytest.fixture
def pair(tmp_path: Path) -> Pair:
    return Pair({name: guest_root(tmp_path / name, "failover", name, "heartbeat") for name in (MASTER, OTHER)})


def test_a_pair_that_is_right(pair: Pair) -> None:
    assert pair.found() == []


def test_another_secret_on_both_is_no_error(pair: Pair) -> None:
    for name in (MASTER, OTHER):
        pair.keys(name, "auth 1\n1 md5 of-our-own\n")
    assert pair.codes(*ANOTHERS.values()) == [
        "hint srv-web authkeys-other-secret",
        "hint srv-web-bis authkeys-other-secret",
    ]


@pytest.mark.parametrize("departing", [MASTER, OTHER])
def test_secrets_that_differ_are_an_error_of_the_node_that_departs(pair: Pair, departing: str) -> None:
    pair.keys(departing, "auth 1\n1 md5 mine-alone\n")
    (finding,) = pair.found(ANOTHERS[departing])
    fitting = OTHER if departing == MASTER else MASTER
    assert (finding.code, finding.machine, finding.severity) == ("authkeys-pair-secret", departing, "error")
    assert finding.values == {"found": "1 md5", "other": fitting, "there": "1 md5"}
    assert finding.where.line == 2
    for language in ("en", "fr"):
        with speaking(language):
            assert fitting in told(finding).found
    assert not [each for each in (*finding.values.values(),) if "mine" in str(each) or SECRET in str(each)]


def test_both_have_secrets_of_their_own(pair: Pair) -> None:
    pair.keys(MASTER, "auth 1\n1 md5 one\n")
    pair.keys(OTHER, "auth 1\n1 md5 two\n")
    assert pair.codes(*ANOTHERS.values()) == [
        "hint srv-web authkeys-other-secret",
        "error srv-web-bis authkeys-pair-secret",
    ]


@pytest.mark.parametrize(
    ("text", "code"),
    [
        (f"auth 2\n2 md5 {SECRET}\n", "authkeys-pair-key"),
        (f"auth 1\n1 sha1 {SECRET}\n", "authkeys-pair-key"),
        ("auth 1\n1 crc\n", "authkeys-pair-key"),
        (f"auth 2\n2 md5 {SECRET}\n1 md5 {SECRET}\n", "authkeys-pair-key"),  # the other does not know 2
        (f"auth 1\n1 md5 x{SECRET}\n", "authkeys-pair-secret"),
        (f"auth 1\n1 md5 {SECRET} more\n", None),
        (f"# c\nauth\t+01\n\n2 sha1 y\n001md5\t{SECRET}\r\n", None),
        (f"auth 1\n1 md5 early\n1 md5 {SECRET}\n", None),
        (f"auth 1\n2 md5 {SECRET}\n", None),  # refused, which is told of the node itself
    ],
)
def test_keys_are_compared_by_meaning(pair: Pair, text: str, code: str | None) -> None:
    pair.keys(OTHER, text)
    assert [each.code for each in pair.found() if "-pair-" in each.code] == ([code] if code else [])


def test_nodes_that_know_each_others_keys_may_sign_with_different_ones(pair: Pair) -> None:
    both = "1 md5 old\n2 sha1 new\n"
    pair.keys(MASTER, f"auth 1\n{both}")
    pair.keys(OTHER, f"auth 2\n{both}")
    assert pair.found() == []
    pair.keys(OTHER, "auth 2\n1 md5 other\n2 sha1 new\n")
    assert pair.codes() == ["error srv-web-bis authkeys-pair-secret"]


def before_bcast(line: str) -> Callable[[GuestRoot], None]:
    return lambda guest: guest.edit(CF, "bcast enp0s3\n", f"{line}\nbcast enp0s3\n")


def instead_of_bcast(line: str) -> Callable[[GuestRoot], None]:
    return lambda guest: guest.edit(CF, "bcast enp0s3\n", f"{line}\n")


@pytest.mark.parametrize(
    ("change", "told_of"),
    [
        (before_bcast("udpport 695"), "bcast enp0s3 (695)"),
        (before_bcast("udpport 694"), None),
        (instead_of_bcast("bcast enp0s3\nudpport 695"), None),  # comes too late to matter
        (instead_of_bcast("ucast enp0s3 192.168.200.51"), None),
        (instead_of_bcast("mcast enp0s3 239.0.0.1 694 1 0"), "mcast enp0s3 239.0.0.1 (694)"),
        (before_bcast("mcast enp0s3 239.0.0.1 694 1 0"), None),
        (instead_of_bcast("bcast eth0"), None),  # refused, which is told of the node itself
    ],
)
def test_nodes_hear_each_other_on_one_port_and_group(
    pair: Pair, change: Callable[[GuestRoot], None], told_of: str | None
) -> None:
    change(pair.guests[OTHER])
    found = [each for each in pair.found() if "-pair-" in each.code]
    assert [(each.code, each.machine, each.values) for each in found] == (
        [("hacf-pair-ways", OTHER, {"found": told_of, "other": MASTER, "there": "bcast enp0s3 (694)"})]
        if told_of
        else []
    )


@pytest.mark.parametrize(
    ("path", "old", "new", "code"),
    [
        (CF, "node srv-web-theodore srv-web-bis-theodore", "node srv-web-theodore other", "hacf-nodes"),
        (CF, "deadtime 5", "deadtime 6", "hacf-value"),
        ("/etc/ha.d/haresources", "192.168.200.5/", "192.168.200.6/", "haresources-address"),
        ("/etc/ha.d/haresources", "apache2", "apache2 cron", "haresources-extra-service"),
    ],
)
def test_what_a_node_tells_by_itself_is_told_once(pair: Pair, path: str, old: str, new: str, code: str) -> None:
    pair.guests[MASTER].edit(path, old, new)
    found = pair.found()
    assert (found[0].code, found[0].machine) == (code, MASTER)
    assert not [each for each in found if "-pair-" in each.code]


def test_one_node_alone_shows_nothing_of_the_pair(pair: Pair) -> None:
    pair.keys(OTHER, "auth 1\n1 md5 mine-alone\n")
    assert pair.found(ANOTHERS[OTHER], of=(OTHER,)) == [ANOTHERS[OTHER]]


def test_nothing_is_compared_before_the_stage_of_the_role(pair: Pair) -> None:
    pair.keys(OTHER, "auth 1\n1 md5 mine-alone\n")
    early = {
        name: replace(judged, place=replace(judged.place, stage="web"))
        for name, judged in ((name, pair.judged(name)) for name in pair.guests)
    }
    assert judged_together(early) == {MASTER: (), OTHER: ()}
