"""haresources is read as Heartbeat reads it, and what a student is told follows from what a node then has."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.corpus import OURS, Variant, variants
from tests.unit.guest.guest_root import GuestRoot, guest_root
from vboxlab.guest.facts import Facts, FileFact
from vboxlab.guest.grammars.haresources import read_haresources
from vboxlab.guest.slips import slips

PATH = "/etc/ha.d/haresources"
VARIANTS = variants("haresources")
NODES = ("srv-web-theodore", "srv-web-bis-theodore")
WORDS = next(each.content.decode().split() for each in VARIANTS if each.name == OURS)
# The address is there without a label of its own; another service runs as well.
AS_GOOD = {"ipaddr2", "another-service-too", "a-service-of-the-peer"}


def meaning(content: bytes) -> dict[str, Any] | None:
    read = read_haresources(content, frozenset(NODES))
    if read.bad_nodes:
        return None
    scripts, interfaces = frozenset({"IPaddr", "IPaddr2", "apache2", "cron"}), frozenset({"lo", "enp0s3"})
    taken = {node: read.taken(node, scripts, interfaces) for node in NODES}
    return {
        node: {
            "addresses": [
                [f"{each.address}/{each.length}", each.interface, each.broadcast] for each in found.addresses
            ],
            "services": list(found.services),
        }
        for node, found in taken.items()
    }


def without_labels(found: Any) -> Any:
    if found is None:
        return None
    return {node: {**has, "addresses": [each[:3] for each in has["addresses"]]} for node, has in found.items()}


@pytest.mark.parametrize("variant", VARIANTS, ids=str)
def test_the_reader_agrees_with_heartbeat(variant: Variant) -> None:
    assert meaning(variant.content) == without_labels(variant.meaning)


@pytest.fixture(scope="module")
def right(tmp_path_factory: pytest.TempPathFactory) -> tuple[GuestRoot, Facts]:
    """Return a node where all is right, and its facts."""
    guest = guest_root(tmp_path_factory.mktemp("node"), "failover", "srv-web", "heartbeat")
    for script in ("apache2", "cron"):
        guest.write(f"/etc/init.d/{script}", "#!/bin/sh\n", 0o755)
    return guest, guest.facts()


@pytest.mark.parametrize("variant", VARIANTS, ids=str)
def test_an_error_is_told_when_a_node_has_something_else(variant: Variant, right: tuple[GuestRoot, Facts]) -> None:
    guest, facts = right
    files = {**facts.files, PATH: FileFact(PATH, 0o644, "root:root", variant.content)}
    told = slips(guest.place, guest.resources, replace(facts, files=files))
    found = [each for each in told if each.where.name == PATH and each.code != "invisible-character"]
    is_right = variant.is_same or variant.name in AS_GOOD
    assert any(each.severity == "error" for each in found) is not is_right
    if variant.is_same and variant.name not in ("service-first", "address-twice-in-lines-of-one-node"):
        assert found == []


@given(
    st.text(" \t", min_size=1, max_size=3),
    st.sampled_from(["", "# c", " # c\\"]),
    st.sets(st.integers(1, 2)),
    st.booleans(),
)
def test_other_words_have_the_same_meaning(blank: str, end: str, continued: set[int], is_small: bool) -> None:
    node, *resources = WORDS
    words = [node if is_small else node.upper(), *resources]
    gaps = [f"{blank}\\\n{blank}" if number in continued else blank for number in (1, 2)]
    if 1 in continued or 2 in continued:
        end = ""  # a comment is none in a continued line
    text = f"{words[0]}{gaps[0]}{words[1]}{gaps[1]}{words[2]}{end}\n"
    assert meaning(text.encode()) == meaning(" ".join(WORDS).encode())


@given(st.binary(max_size=300))
def test_any_bytes_are_read(content: bytes) -> None:
    read_haresources(content, frozenset()).taken("", frozenset(), frozenset())
