"""Whose values a machine has: by words that one other copy alone should have."""

from __future__ import annotations

import pytest

from tests.unit.lab_world import ROOT
from vboxlab.grading.copied import telling_words, whose, with_owners, words_of
from vboxlab.guest.facts import Facts, FileFact
from vboxlab.guest.findings import Finding, Where
from vboxlab.guest.telling import told
from vboxlab.topology.loader import load_topology

HOSTS, PAGE = "/etc/hosts", "/var/www/html/index.html"
STUDENTS = ("alice", "bob", "carol")


@pytest.fixture(scope="module")
def telling() -> dict[str, str]:
    path = ROOT / "topologies" / "failover.yaml"
    words = {name: words_of(load_topology(path, {"student": name})) for name in STUDENTS}
    return telling_words(words.pop("alice"), words)


def facts(hostname: str = "srv-web-alice", **files: str) -> Facts:
    paths = {"hosts": HOSTS, "page": PAGE}
    found = {paths[key]: FileFact(paths[key], 0o644, "root:root", text.encode()) for key, text in files.items()}
    return Facts(hostname, found)


def in_file(path: str) -> Finding:
    return Finding("file-line", "srv-web", Where("file", path, 1), {"found": "x", "expected": "y"})


def test_the_words_that_tell_are_those_that_only_one_other_copy_should_have(telling: dict[str, str]) -> None:
    assert set(telling.values()) == {"bob", "carol"}
    assert telling["srv-web-bis-bob.mlif.local"] == "bob"
    assert not {"alice", "srv-web-alice", "192.168.200.52", "heartbeat", "localhost"} & telling.keys()


@pytest.mark.parametrize(
    ("finding", "seen", "expected"),
    [
        (Finding("hostname", "srv-web", Where("guest"), {}), facts("srv-web-bob"), ("bob",)),
        (Finding("hostname", "srv-web", Where("guest"), {}), facts("srv-web-dave"), ()),
        (in_file(PAGE), facts(page="<h1>Srv-Web de carol</h1>\n"), ("carol",)),
        (in_file(PAGE), facts(page="<h1>srv-web de Alice</h1>\n"), ()),
        (in_file(HOSTS), facts(hosts="192.168.200.52\tsrv-web-bis-bob\n10.0.0.1 srv-web-carol"), ("bob", "carol")),
        (in_file(HOSTS), facts(page="<h1>Srv-Web de carol</h1>\n"), ()),
        (Finding("service-not-enabled", "srv-web", Where("service", "ssh"), {}), facts("srv-web-bob"), ()),
    ],
)
def test_whose_values_stand_where_something_was_found(
    telling: dict[str, str], finding: Finding, seen: Facts, expected: tuple[str, ...]
) -> None:
    assert whose(finding, seen, telling) == expected


def test_a_word_of_two_other_copies_tells_of_neither() -> None:
    assert telling_words({"own"}, {"bob": {"own", "both", "his"}, "carol": {"both"}}) == {"his": "bob"}


def test_a_finding_says_whose_values_and_anothers_secret_is_no_matter_of_taste() -> None:
    values = {"found": "`x`", "expected": "`y`"}
    hint = told(Finding("file-line", "srv-web", Where("file", HOSTS, 1), values, "hint"))
    assert with_owners(hint, ()) == hint
    said = with_owners(hint, ("bob", "carol"))
    assert (said.found, said.finding.severity) == (
        "the line is `x`; it has the values of copy bob, carol", "hint",
    )  # fmt: skip
    assert with_owners(hint, ("bob",), holds_secret=True).finding.severity == "error"
