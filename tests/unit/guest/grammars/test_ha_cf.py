"""ha.cf is read as Heartbeat reads it, and what a student is told follows from what Heartbeat makes of it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.corpus import OURS, Variant, variants
from tests.unit.guest.guest_root import GuestRoot, guest_root
from vboxlab.guest.facts import Facts, FileFact
from vboxlab.guest.grammars.ha_cf import milliseconds, read_ha_cf
from vboxlab.guest.slips import slips

PATH = "/etc/ha.d/ha.cf"
VARIANTS = variants("ha_cf")
NAMES = {"srv-web-bis-theodore": "192.168.200.52"}
TEXT = next(each.content.decode() for each in VARIANTS if each.name == OURS)
# What Heartbeat has otherwise than ours, and what is right all the same: other ways to the same peer, another port.
AS_GOOD = {"ucast-to-the-peer", "ucast-by-name", "ucast-and-more-words", "ucast-to-both", "mcast",
           "mcast-of-another-port", "udpport-other", "bcast-the-same-twice"}  # fmt: skip
# What is worth a warning or nothing: when it warns, how long it waits at its start, other computers that it asks.
MINOR = ("warntime", "initdead", "pinged")
A_WARNING = {"bcast-two-interfaces"}


def meaning(content: bytes) -> dict[str, Any] | None:
    return read_ha_cf(content, "srv-web-theodore", frozenset({"lo", "enp0s3", "enp0s19"}), NAMES).meaning()


def what_matters(variant: Variant) -> Any:
    if variant.meaning is None:
        return None
    said = {word: value for word, value in variant.meaning.items() if word not in MINOR}
    return said | {"auto_failback": said["auto_failback"] == "off"}  # without a word it fails back as well


@pytest.mark.parametrize("variant", VARIANTS, ids=str)
def test_the_reader_agrees_with_heartbeat(variant: Variant) -> None:
    assert meaning(variant.content) == variant.meaning


@pytest.fixture(scope="module")
def right(tmp_path_factory: pytest.TempPathFactory) -> tuple[GuestRoot, Facts]:
    """Return a node where all is right, and its facts."""
    guest = guest_root(tmp_path_factory.mktemp("node"), "failover", "srv-web", "heartbeat")
    return guest, guest.facts()


@pytest.mark.parametrize("variant", VARIANTS, ids=str)
def test_an_error_is_told_when_heartbeat_has_it_otherwise(variant: Variant, right: tuple[GuestRoot, Facts]) -> None:
    guest, facts = right
    files = {**facts.files, PATH: FileFact(PATH, 0o644, "root:root", variant.content)}
    told = slips(guest.place, guest.resources, replace(facts, files=files))
    found = [each for each in told if each.where.name == PATH and each.code != "invisible-character"]
    ours = next(each for each in VARIANTS if each.name == OURS)
    is_right = what_matters(variant) == what_matters(ours) or variant.name in AS_GOOD | A_WARNING
    assert any(each.severity == "error" for each in found) is not is_right
    if variant.is_same:
        assert found == []


BLANK = st.text(" \t\f", min_size=1, max_size=3)


@given(
    st.permutations(TEXT.splitlines()), BLANK, st.sampled_from(["", " ", "# c", " # c # d", "\r", "\t"]), st.booleans()
)
def test_other_words_have_the_same_meaning(lines: list[str], blank: str, end: str, is_split: bool) -> None:
    text = "\n".join(blank.join(line.split(" ")) + end for line in lines)
    if is_split:
        text = text.replace(f"{blank}srv-web-bis", "\nnode srv-web-bis")
    assert meaning(text.encode()) == meaning(TEXT.encode())


@given(st.binary(max_size=300))
def test_any_bytes_are_read(content: bytes) -> None:
    read_ha_cf(content, "srv-web-theodore", frozenset(), {})


def test_times() -> None:
    texts = ("1", "1000ms", "0.5", "499us", "501us", "5MSEC", "five", "5s", ".")
    assert [milliseconds(text) for text in texts] == [1000, 1000, 500, 0, 1, 5, None, None, 0]
