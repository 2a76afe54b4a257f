"""The readers of names against the programs' own verdicts, and against changes that must not change a meaning."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.corpus import OURS, Variant, variants
from vboxlab.guest.grammars import hostname, hosts, nsswitch, resolv_conf
from vboxlab.guest.grammars.internet_addresses import aton, pton

BLANKS = st.text(" \t", min_size=1, max_size=4)
COMMENTS = st.lists(st.sampled_from(["# nameserver 8.8.8.8", "#", "#hosts: dns", "# é", ""]), max_size=3)
NAMED = ("files", "dns", "both")
ADDRESSES: dict[str | None, list[str]] = {"files": ["192.168.200.1"], "dns": ["192.168.200.2"], None: []}


@pytest.mark.parametrize("variant", variants("resolver"), ids=str)
def test_the_resolver_agrees(variant: Variant) -> None:
    found = resolv_conf.read(variant.content)
    options = {name: value for name, (_line, value) in found.options.items()}
    assert {"servers": list(found.asked), "search": list(found.search), "options": options} == variant.meaning


@pytest.mark.parametrize("variant", variants("hosts"), ids=str)
def test_hosts_agrees(variant: Variant) -> None:
    found = hosts.read(variant.content)
    assert {name: list(found.addresses(name)) for name in variant.meaning} == variant.meaning


@pytest.mark.parametrize("variant", variants("hostname"), ids=str)
def test_the_host_name_agrees(variant: Variant) -> None:
    found = hostname.read(variant.content)
    assert (None if found is None else found[1]) == variant.meaning


@pytest.mark.parametrize("variant", variants("nsswitch"), ids=str)
def test_the_order_agrees(variant: Variant) -> None:
    order = nsswitch.read(variant.content)
    if variant.meaning is None:
        assert order.services == ()
    else:
        known = {"files": ["files"], "dns": ["dns"], "both": ["files", "dns"]}
        assert {word: ADDRESSES[order.found(known[word])] for word in NAMED} == variant.meaning


@pytest.mark.parametrize("kind", ["resolver", "hosts", "hostname", "nsswitch"])
def test_a_third_means_something_else(kind: str) -> None:
    found = variants(kind)
    assert len(found) >= 12
    assert sum(not variant.is_same for variant in found) * 3 >= len(found)


@given(COMMENTS, COMMENTS, BLANKS, st.sampled_from(["", "\n"]), st.booleans(), st.sampled_from(["", " # DNS", "\t;x"]))
def test_the_resolver_is_written_in_other_words(
    before: list[str], between: list[str], blank: str, end: str, servers_first: bool, comment: str
) -> None:
    lines = [f"search{blank}mlif.local", *between, f"nameserver{blank}192.168.100.10{comment}"]
    text = "\n".join([*before, *(reversed(lines) if servers_first else lines)]) + end
    found = resolv_conf.read(text.encode())
    assert (found.asked, found.search, found.options) == (("192.168.100.10",), ("mlif.local",), {})


def ours(kind: str) -> bytes:
    return next(variant.content for variant in variants(kind) if variant.name == OURS)


@given(st.permutations(ours("hosts").decode().splitlines()), BLANKS, st.sampled_from(["", " # x", "\r"]), COMMENTS)
def test_hosts_is_written_in_other_words(order: list[str], blank: str, end: str, comments: list[str]) -> None:
    lines = [line.replace(" ", blank) + end for line in order]
    found, wanted = hosts.read("\n".join([*comments, *lines, ""]).encode()), hosts.read(ours("hosts"))
    assert {name: set(found.addresses(name)) for name in found.names} == {
        name: set(wanted.addresses(name)) for name in wanted.names
    }


@given(COMMENTS, st.text(" \t", max_size=3), st.sampled_from(["", "\n", "\r\n", "\n\nother\n", "\r", "\0"]))
def test_the_host_name_is_written_in_other_words(comments: list[str], blank: str, end: str) -> None:
    found = hostname.read("\n".join([*comments, f"{blank}srv-web{blank}{end}"]).encode())
    assert found == (len(comments) + 1, "srv-web")


@given(COMMENTS, BLANKS, st.sampled_from(["", "mymachines", "[NOTFOUND=continue]", "[ !Success = continue ]"]))
def test_the_order_is_written_in_other_words(comments: list[str], blank: str, between: str) -> None:
    text = "\n".join([*comments, f"{blank}hosts:{blank}files{blank}{between}{blank}dns # x"])
    order = nsswitch.read(text.encode())
    found = [order.found(known) for known in (["files"], ["dns"], ["files", "dns"], [])]
    assert found == ["files", "dns", "files", None]


@pytest.mark.parametrize("read", [resolv_conf.read, hosts.read, hostname.read, nsswitch.read])
@given(st.binary(max_size=300))
def test_anything_is_read(read: Callable[[bytes], object], data: bytes) -> None:
    assert read(data) == read(data)


@pytest.mark.parametrize(
    ("text", "address"),
    [
        (b"10.1", "10.0.0.1"),
        (b"0x0a.010.65535", "10.8.255.255"),
        (b"4294967295", "255.255.255.255"),
        (b"4294967296", None),
        (b"08.1.1.1", None),
        (b"1.2.3.256", None),
        (b"1.2.3.4 ", None),
        (b"", None),
        (b"9" * 5000, None),
    ],
)
def test_an_address_of_other_numbers(text: bytes, address: str | None) -> None:
    found = aton(text)
    assert (None if found is None else str(found)) == address


def test_a_plain_address_has_no_leading_zeros() -> None:
    assert (str(pton(b"10.0.0.1")), pton(b"10.0.0.01"), pton(b"10.1"), pton("١.1.1.1".encode())) == (
        "10.0.0.1", None, None, None,
    )  # fmt: skip


def test_where_it_stands() -> None:
    found = resolv_conf.read(b"search a\n  nameserver 1.1.1.1\nNameserver 1.1.1.2\nnameserver x\nnameserver 1.1.1.3\n")
    assert found.servers == ((5, "1.1.1.3"),)
    assert [line for line, _text in found.ignored] == [2, 3, 4]
    assert found.search_line == 1
    file = hosts.read(b"10.0.0.1 a\nx y\n10.0.0.2 a\n")
    assert file.of("A") == ((1, "10.0.0.1"), (3, "10.0.0.2"))
    assert file.ignored == ((2, "x y"),)
    assert nsswitch.read(b"\nhosts: dns\n").line == 2
