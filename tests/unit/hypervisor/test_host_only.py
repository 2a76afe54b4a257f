"""VirtualBox's file of allowed host-only networks, read as VirtualBox reads it, whatever stands in it."""

from __future__ import annotations

from ipaddress import IPv4Network
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vboxlab.hypervisor.host_only import DEFAULT, Allowed, network_of, parse, read_allowed

TEN, PRIVATE = IPv4Network("10.0.0.0/8"), IPv4Network("192.168.0.0/16")


@pytest.mark.parametrize(
    ("text", "ranges", "skipped"),
    [
        ("# comment\n* 10.0.0.0/8 192.168.0.0/16\n* 2001::/64\n\nnonsense 1.2.3.4/32\n", [TEN, PRIVATE], []),
        ("\t*\t10.0.0.0/8", [TEN], []),
        ("* 10.1.2.3/8", [TEN], []),
        ("* 0.0.0.0/0 ::/0\n", [IPv4Network("0.0.0.0/0")], []),
        ("*10.0.0.0/8\n", [], []),  # the star is a word of its own
        ("* 10.0.0.0/8, 192.168.0.0/16\n", [PRIVATE], ["1: 10.0.0.0/8,"]),
        ("* 10.0.0.0/8,192.168.0.0/16\n", [], ["1: 10.0.0.0/8,192.168.0.0/16"]),
        ("\n* 192.168.0.1-192.168.255.254 10.0.0.0/8\n", [TEN], ["2: 192.168.0.1-192.168.255.254"]),
        ("* 10.0.0.0/8 # ours\n", [TEN], ["1: #", "1: ours"]),
        ("* 10.0.0.0\\8 10.0.0.0/33 10.0.0/8", [], ["1: 10.0.0.0\\8", "1: 10.0.0.0/33", "1: 10.0.0/8"]),
        ("* 192.168.0.0/16\r\n* 10.0.0.0/8", [TEN], ["1: 192.168.0.0/16\r"]),
        ("", [], []),
    ],
)
def test_words_are_networks_or_skipped(text: str, ranges: list[IPv4Network], skipped: list[str]) -> None:
    assert parse(text) == Allowed(tuple(ranges), tuple(skipped))


def test_a_file_that_is_there_stands_for_itself_and_none_for_the_default(tmp_path: Path) -> None:
    path = tmp_path / "networks.conf"
    assert read_allowed(path) == Allowed((DEFAULT,))
    path.write_bytes(b"")
    assert read_allowed(path) == Allowed(())
    path.write_bytes(b"\xff\xfe* \x00\n* 10.0.0.0/8\n" + b"x" * (2 << 20))
    assert read_allowed(path).ranges == (TEN,)
    with pytest.raises(OSError, match="directory"):
        read_allowed(tmp_path)


@given(st.text(), st.lists(st.text(alphabet="*#.,-/\\0123456789af: \t\r\n", max_size=40), max_size=5))
def test_no_text_crashes_the_reader(text: str, lines: list[str]) -> None:
    for each in (text, "\n".join(f"* {line}" for line in lines)):
        found = parse(each)
        assert all(isinstance(network, IPv4Network) for network in found.ranges)


@given(st.text(), st.text())
def test_no_address_of_an_interface_crashes(address: str, mask: str) -> None:
    assert network_of(address, mask) is None or network_of(address, mask) is not None


def test_a_network_must_lie_within_a_range() -> None:
    allowed = parse("* 192.168.56.0/24")
    assert allowed.permits(IPv4Network("192.168.56.0/24"))
    assert not allowed.permits(IPv4Network("192.168.56.0/21"))
    assert network_of("192.168.56.1", "255.255.255.0") == IPv4Network("192.168.56.0/24")
    assert network_of("0.0.0.0", "0.0.0.0") is None
    assert network_of("", "") is None
