"""Parsers of what guests print, on output recorded from Debian 12."""

from __future__ import annotations

import subprocess
from ipaddress import IPv4Address, IPv4Interface

from vboxlab.verification.readings import (
    HeldAddress,
    PingAnswer,
    RealServer,
    VirtualService,
    journal_script,
    parse_addresses,
    parse_file,
    parse_ipvs,
    parse_journal,
    parse_pings,
    parse_unit,
    ping_script,
)

ADDRESSES = r"""1: lo    inet 127.0.0.1/8 scope host lo\       valid_lft forever preferred_lft forever
2: enp0s3    inet 192.168.200.51/24 brd 192.168.200.255 scope global enp0s3\       valid_lft forever preferred_lft forever
2: enp0s3    inet 192.168.200.5/24 brd 192.168.200.255 scope global secondary enp0s3:0\       valid_lft forever preferred_lft forever
"""  # noqa: E501 -- as printed

IPVS = """IP Virtual Server version 1.2.1 (size=4096)
Prot LocalAddress:Port Scheduler Flags
  -> RemoteAddress:Port           Forward Weight ActiveConn InActConn
TCP  192.168.200.5:80 rr persistent 300
  -> 192.168.201.11:80            Masq    1      0          3
  -> 192.168.201.12:80            Masq    0      1          2
TCP  192.168.200.5:443 wlc
FWM  1 rr
"""


def test_addresses() -> None:
    assert parse_addresses(ADDRESSES) == (
        HeldAddress("lo", IPv4Interface("127.0.0.1/8"), "lo"),
        HeldAddress("enp0s3", IPv4Interface("192.168.200.51/24"), "enp0s3"),
        HeldAddress("enp0s3", IPv4Interface("192.168.200.5/24"), "enp0s3:0"),
    )
    assert parse_addresses("") == ()


def test_ipvs_table() -> None:
    web, other = parse_ipvs(IPVS)
    assert web == VirtualService(
        "TCP",
        IPv4Address("192.168.200.5"),
        80,
        "rr",
        (
            RealServer(IPv4Address("192.168.201.11"), 80, "Masq", 1),
            RealServer(IPv4Address("192.168.201.12"), 80, "Masq", 0),
        ),
    )
    assert (other.port, other.scheduler, other.servers) == (443, "wlc", ())


def test_a_table_with_ipv6_services_is_read_without_them() -> None:
    table = (
        IPVS
        + """TCP  [2001:db8::5]:80 rr
  -> [2001:db8::11]:80            Masq    1      0          3
TCP  192.168.200.6:80 sh
  -> 192.168.201.13:80            Masq    1      0          0
"""
    )
    services = parse_ipvs(table)
    assert [(str(s.address), s.port, len(s.servers)) for s in services] == [
        ("192.168.200.5", 80, 2),
        ("192.168.200.5", 443, 0),
        ("192.168.200.6", 80, 1),
    ]


def test_units() -> None:
    running = parse_unit("LoadState=loaded\nActiveState=active\nUnitFileState=enabled\n")
    assert running is not None
    assert (running.loaded, running.running, running.enabled) == (True, True, True)
    missing = parse_unit("LoadState=not-found\nActiveState=inactive\nUnitFileState=\n")
    assert missing is not None
    assert (missing.loaded, missing.running, missing.enabled) == (False, False, False)
    assert parse_unit("Failed to connect to bus\n") is None


def test_files() -> None:
    state = parse_file("600 root\nauth 1\n1 md5 key\n")
    assert (state.mode, state.owner, state.content) == ("600", "root", "auth 1\n1 md5 key\n")


def test_pings() -> None:
    output = "0 0 \n1 2 ping: srv-web-bis: Name or service not known \n"
    unknown = PingAnswer(2, "ping: srv-web-bis: Name or service not known")
    assert parse_pings(output, 3) == (PingAnswer(0, ""), unknown, None)


def test_a_ping_target_cannot_escape_into_the_shell() -> None:
    script = 'ping() { echo "asked for $*"; return 1; }\n' + ping_script(("$(echo pwned)", "a;b"))
    output = subprocess.run(["sh", "-c", script], capture_output=True, text=True, check=True).stdout
    assert sorted(output.splitlines()) == [
        "0 1 asked for -n -c 1 -W 2 $(echo pwned)",
        "1 1 asked for -n -c 1 -W 2 a;b",
    ]


def test_journal() -> None:
    text = "srv-web-bis-theodore heartbeat[512]: [512]: WARN: node srv-web-theodore: is dead"
    assert [(line.at, line.text) for line in parse_journal(f"1700000000.250000 {text}\n-- No entries --\n")] == [
        (1700000000.25, text)
    ]
    assert journal_script(12.9, "node a: is dead").endswith("| grep -F -e 'node a: is dead' || true")
    assert journal_script(12.9, "-e", "it's").endswith("""| grep -F -e -e -e 'it'"'"'s' || true""")


def test_a_journal_that_cannot_be_read_is_not_taken_for_an_empty_one() -> None:
    def ended(journalctl: str) -> tuple[int, str]:
        script = f"journalctl() {{ {journalctl}; }}\n{journal_script(12.9, 'is dead')}"
        done = subprocess.run(["sh", "-c", script], capture_output=True, text=True, check=False)
        return done.returncode, done.stdout

    assert ended("return 1") == (1, "")
    assert ended("return 127")[0] == 127
    assert ended("echo '13.0 host x: all is well'") == (0, "")
    assert ended("echo '13.0 host x: node is dead'") == (0, "13.0 host x: node is dead\n")
