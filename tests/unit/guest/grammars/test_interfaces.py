"""The reader of /etc/network/interfaces against what ifupdown itself made of the corpus."""

from __future__ import annotations

import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.corpus import Variant, variants
from vboxlab.guest.grammars.ifup import answers, boot, mapped, started
from vboxlab.guest.grammars.interfaces import INTERFACES, Reading, read_interfaces

MANAGEMENT = "allow-hotplug enp0s19\niface enp0s19 inet static\n    address 10.0.9.15/24\n"
NAMES = ("lo", "enp0s3", "enp0s8", "enp0s19")
CORPUS = variants("interfaces")


def files(variant: Variant) -> dict[str, bytes]:
    own = {path or INTERFACES: data for path, data in variant.files.items()}
    return {"/etc/network/interfaces.d/vboxlab-management": MANAGEMENT.encode(), **own}


def meaning(reading: Reading) -> Any:
    """Return what the recorder writes down, told by the reader."""
    if reading.refused is not None:
        return None
    after = boot(reading, NAMES)
    interfaces = {
        name: {
            "up": link.up,
            "dhcp": link.dhcp,
            "addresses": sorted(
                f"{a.ip}{more}" if " peer" in more else f"{a.ip}/{a.network.prefixlen}{more}"
                for a, more in link.addresses
            ),
            "mtu": link.mtu,
            "mac": link.mac,
            "configured": name in after.configured,
        }
        for name, link in after.kernel.links.items()
        if name in ("enp0s3", "enp0s8")
    }
    ordered = sorted(after.kernel.routes, key=lambda route: ("default" if not route.to.prefixlen else str(route.to),
                                                             route.metric))  # fmt: skip
    routes = [
        ["default" if not route.to.prefixlen else str(route.to), str(route.via) if route.via else None, route.device]
        for route in ordered
    ]
    return {"interfaces": interfaces, "routes": routes}


@pytest.mark.parametrize("variant", CORPUS, ids=str)
def test_the_reader_understands_as_ifup_does(variant: Variant) -> None:
    assert meaning(read_interfaces(files(variant))) == variant.meaning


@pytest.mark.parametrize("variant", CORPUS, ids=str)
def test_the_reader_answers_as_ifquery_does(variant: Variant) -> None:
    reading = read_interfaces(files(variant))
    if variant.asked is None:
        assert reading.refused is not None
        return
    for kind in ("auto", "hotplug"):
        assert sorted(name for name, _logical in started(reading, kind, NAMES)) == sorted(variant.asked[kind])
    for name in NAMES:
        if not mapped(reading, name):
            said = answers(reading, name)
            assert (said is None) == (variant.asked["options"][name] is None)
            assert sorted(said or ()) == sorted(variant.asked["options"][name] or ())


HEAD = ["source /etc/network/interfaces.d/*", "auto lo", "iface lo inet loopback"]
STANZAS = {
    "enp0s3": ["iface enp0s3 inet static", "address 192.168.200.5/24", "gateway 192.168.200.254"],
    "enp0s8": ["iface enp0s8 inet static", "address 192.168.201.1/24"],
}
SPELLINGS = {
    "address 192.168.200.5/24": [
        ["address 192.168.200.5/255.255.255.0"],
        ["address 192.168.200.5", "netmask 255.255.255.0"],
        ["netmask 24", "address 192.168.200.5"],
        ["address 192.168.200.5", "network 192.168.200.0", "broadcast 192.168.200.255"],
    ],
    "gateway 192.168.200.254": [["up ip route add default via 192.168.200.254"], ["gateway 192.168.200.254 # out"]],
    "address 192.168.201.1/24": [["address 192.168.201.1/24", "broadcast +"], ["address \\", "192.168.201.1/24"]],
}
BLANKS = st.text(" \t", max_size=3)
BETWEEN = st.sampled_from(["", "   ", "# a word", "\t# gateway 192.168.200.1 \\"])


@st.composite
def other_words(draw: st.DrawFn) -> bytes:
    """Write the same in other words: spellings, order, blanks, comments, line ends, and what brings it up."""
    names = draw(st.permutations(sorted(STANZAS)))
    blocks = [HEAD]
    for name in names:
        first, *options = STANZAS[name]
        options = draw(st.permutations(options))
        body = [line for option in options for line in draw(st.sampled_from([[option], *SPELLINGS[option]]))]
        start = draw(st.sampled_from([f"auto {name}", f"allow-hotplug {name}", f"allow-auto {name}", f"auto /{name}"]))
        blocks.append(draw(st.sampled_from([[start, first, *body], [first, *body, start]])))
    end = draw(st.sampled_from(["\n", "\r\n"]))
    lines: list[str] = []
    for line in (line for block in blocks for line in block):
        is_continued = bool(lines) and lines[-1].endswith("\\") and "#" not in lines[-1]
        lines += [] if is_continued else [draw(BETWEEN)]
        # A backslash continues a line only at its very end, and a carriage return would come after it.
        lines.append(draw(BLANKS) + line + ("" if line.endswith("\\") else draw(BLANKS)))
    text = "".join(line + ("\n" if line.endswith("\\") else end) for line in lines)
    return text.removesuffix(end).encode() if draw(st.booleans()) else text.encode()


@given(other_words())
def test_other_words_for_the_same_mean_the_same(data: bytes) -> None:
    reading = read_interfaces({"/etc/network/interfaces.d/vboxlab-management": MANAGEMENT.encode(), INTERFACES: data})
    ours = next(variant for variant in CORPUS if variant.name == "ours")
    assert meaning(reading) == ours.meaning


@given(st.dictionaries(st.sampled_from([INTERFACES, "/etc/network/interfaces.d/x"]), st.binary(max_size=300)))
def test_no_bytes_are_too_strange(data: dict[str, bytes]) -> None:
    for wholly in (False, True):
        reading = read_interfaces(data, wholly=wholly)
        boot(reading, NAMES)
        answers(reading, "enp0s3")


def test_a_file_that_includes_itself_under_other_names_ends() -> None:
    itself = read_interfaces({INTERFACES: b"auto lo\nsource ./interfaces\n"})
    assert itself.files == [INTERFACES, "/etc/network/./interfaces"]
    many = {f"/etc/network/{number}": f"source {number + 1}\n".encode() for number in range(2000)}
    reading = read_interfaces({INTERFACES: b"source 0\n", **many})
    assert len(reading.files) == 64
    assert reading.is_cut


@pytest.mark.parametrize(
    "text",
    [
        "auto a\n" * 9000,
        "".join(f"auto a{number}\n" for number in range(6000)),
        "auto enp0s3\n" + "iface enp0s3 inet static\n" * 2600,
        "iface enp0s3 inet manual\n" + "".join(f"o{number} 1\n" for number in range(7000)),
        "auto a\niface a inet manual\n" + "o 1\n" * 6000 + "iface a inherits a\n" * 2000,
        "auto enp0s3\niface enp0s3 inet manual\n" + "up ip addr add 10.0.0.1 dev enp0s3\n" * 1800,
    ],
)
def test_what_is_too_much_is_cut_short(text: str) -> None:
    begun = time.process_time()
    reading = read_interfaces({INTERFACES: text.encode()})
    boot(reading, NAMES)
    answers(reading, "enp0s3")
    assert time.process_time() - begun < 2
    assert reading.is_cut == (len(text.splitlines()) > 4096)
