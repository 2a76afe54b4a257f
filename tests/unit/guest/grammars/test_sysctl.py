"""The reader of kernel settings agrees with systemd-sysctl and sysctl, and with itself about other words."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.corpus import Variant, variants
from vboxlab.guest.grammars.sysctl import (
    CONF,
    FOLDERS,
    LINK,
    Assignment,
    is_same,
    is_taken,
    loaded_by_system,
    set_at_boot,
    set_by_loading,
)

NAME = "net.ipv4.ip_forward"
BLANKS = st.text(" \t", max_size=3)
SPELLINGS = st.sampled_from(["net.ipv4.ip_forward", "net/ipv4/ip_forward", "net.ipv4.conf.all.forwarding"])
VALUES = {True: st.sampled_from(["1", "01", "0x1", "1 # on", "2"]), False: st.sampled_from(["0", "00", "0x0", "0\t1"])}
NOTHING = st.sampled_from(["", "# net.ipv4.ip_forward=0", ";x=1", "nonsense", "net.ipv4.tcp_ecn=0", "-net.ipv6.*"])


def with_link(files: dict[str, bytes]) -> dict[str, bytes]:
    return {**({LINK: files[CONF]} if CONF in files else {}), **files}


def kept(written: Sequence[Assignment]) -> str:
    """Return what the kernel has after assignments: 1 when it forwards."""
    taken = [each.value for each in written if each.value is not None and is_taken(NAME, each.value, "1")]
    return "1" if taken and is_same(NAME, taken[-1], "1") else "0"


@pytest.mark.parametrize("variant", variants("sysctl"), ids=str)
def test_the_reader_agrees_with_the_programs(variant: Variant) -> None:
    files = with_link(variant.files)
    assert variant.meaning == {
        "boot": kept(set_at_boot(files, NAME)),
        "load": kept(set_by_loading(files, NAME, [CONF])),
        "system": kept(set_by_loading(files, NAME, loaded_by_system(files))),
    }


@given(data=st.data(), on=st.booleans(), before=st.lists(NOTHING), after=st.lists(NOTHING))
def test_other_words_mean_the_same(data: st.DataObject, on: bool, before: list[str], after: list[str]) -> None:
    blanks = [data.draw(BLANKS) for _ in range(4)]
    key, value = data.draw(SPELLINGS), data.draw(VALUES[on])
    line = f"{blanks[0]}{data.draw(st.sampled_from(['', '-']))}{key}{blanks[1]}={blanks[2]}{value}{blanks[3]}"
    end = data.draw(st.sampled_from(["\n", "\r\n"]))
    lines = [*before, f"{NAME}={int(not on)}", *before, line, *after]
    content = end.join(lines) + data.draw(st.sampled_from(["", end]))
    where = f"{data.draw(st.sampled_from(FOLDERS))}/50-any.conf"
    files = {where: content.encode(), CONF: b"# nothing\n", LINK: b"# nothing\n"}
    assert kept(set_at_boot(files, NAME)) == str(int(on))
    assert kept(set_by_loading(files, NAME, [where])) == str(int(on))


@given(files=st.dictionaries(st.sampled_from([CONF, LINK, f"{FOLDERS[3]}/x.conf"]), st.binary(max_size=200)))
def test_any_bytes_can_be_read(files: dict[str, bytes]) -> None:
    assert kept(set_at_boot(files, NAME)) in ("0", "1")
    assert kept(set_by_loading(files, NAME, loaded_by_system(files))) in ("0", "1")


def test_where_a_setting_comes_from_is_told() -> None:
    files = with_link({CONF: b"# one\n\nnet.ipv4.ip_forward = 1\n", "/etc/sysctl.d/10-a.conf": b"net.ipv4.*=0\n"})
    assert [(each.file, each.line, each.text) for each in set_at_boot(files, NAME)] == [
        (LINK, 3, "net.ipv4.ip_forward = 1")
    ]


@pytest.mark.parametrize(
    ("name", "value", "wanted", "same"),
    [
        ("net.ipv4.ip_local_port_range", "1024\t65000", "1024 65000", True),
        ("net.ipv4.ip_local_port_range", "1024", "1024 65000", False),
        ("net.ipv4.tcp_congestion_control", "cubic", "cubic", True),
        ("net.ipv4.tcp_congestion_control", "Cubic", "cubic", False),
        ("kernel.shmmax", "0xffffffffff", "1099511627775", True),
        ("net.core.somaxconn", "2147483648", "2147483648", True),
        ("net.ipv4.tcp_ecn", "", "0", False),
    ],
)
def test_values_are_compared_as_the_kernel_reads_them(name: str, value: str, wanted: str, same: bool) -> None:
    assert is_same(name, value, wanted) is same


def test_a_hostile_pattern_is_read_at_once() -> None:
    pattern = b"net.ipv4." + b"*a" * 5000 + b"=0\n"
    assert set_at_boot({LINK: pattern * 20}, NAME) == []
