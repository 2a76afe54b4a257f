"""Records of a zone: what dnsmasq is told of them, and what a real dnsmasq answers."""

from __future__ import annotations

import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.golden_files import check_golden
from tests.unit.roles.test_resources import described
from tests.unit.topology.language_world import made
from vboxlab.guest.differing_lines import differing_lines
from vboxlab.guest.explain import explain
from vboxlab.guest.resources import Await, File, Resource
from vboxlab.guest.role_registry import resources_for
from vboxlab.roles.dns.guest import CONFIGURATION
from vboxlab.topology.model import Topology

ZONE = """\
lab: names
base: debian12
networks:
  lan: {subnet: 192.168.7.0/24}
machines:
  ns:
    hostname: ns
    adapters: [{network: lan, address: 192.168.7.1/24}]
    roles:
      - role: dns
        zone: lab.test
        forwarders: [192.168.7.9]
        records:
          - {name: www, address: 192.168.7.10}
          - {name: www, address: 192.168.7.11}
          - {name: mail, address: 192.168.7.12}
          - {name: "@", address: 192.168.7.10}
          - {name: shop, kind: CNAME, target: www}
          - {name: boutique, kind: CNAME, target: shop.lab.test.}
          - {name: "@", kind: MX, target: mail}
          - {name: "@", kind: MX, target: mx.example.org., priority: 20}
          - {name: "@", kind: NS, target: ns}
          - {name: "@", kind: TXT, text: 'v=spf1 mx, "strict" # \\ -all'}
          - {name: key._domainkey, kind: TXT, text: "LONG"}
          - {name: _ldap._tcp, kind: SRV, target: mail, port: 389}
          - {name: _ldap._tcp, kind: SRV, target: www, port: 1389, priority: 5, weight: 60}
          - {name: printer, kind: PTR, address: 192.168.7.20}
""".replace("LONG", "k" * 300)


@pytest.fixture(scope="module")
def zone() -> Topology:
    return made(ZONE)


def resources_of(zone: Topology) -> tuple[Resource, ...]:
    return resources_for(zone, zone.machines["ns"], None)


def configuration(zone: Topology) -> str:
    file = next(each for each in resources_of(zone) if isinstance(each, File) and each.path == CONFIGURATION)
    assert isinstance(file.content, str)
    return file.content


def test_resources_are_as_kept(zone: Topology) -> None:
    lines = [
        line for each in resources_of(zone) if "dns" in each.key or "names" in each.key for line in described(each)
    ]
    check_golden("roles/dns-records.txt", lines)


def test_a_name_of_the_zone_is_waited_for(zone: Topology) -> None:
    wish = next(each for each in resources_of(zone) if isinstance(each, Await))
    assert wish.until == ("getent", "ahostsv4", "www.lab.test")


def test_a_record_that_is_missing_is_found(zone: Topology) -> None:
    content = configuration(zone)
    without = "".join(line for line in content.splitlines(keepends=True) if not line.startswith("cname=shop"))
    (finding,) = differing_lines("ns", CONFIGURATION, without, content, "error")
    assert (finding.code, finding.values["expected"]) == ("file-lacks", "`cname=shop.lab.test,www.lab.test`")


def test_the_answer_key_has_all_records(zone: Topology) -> None:
    said = explain(zone)
    assert "mx-host=lab.test,mail.lab.test,10" in said
    assert "srv-host=_ldap._tcp.lab.test,www.lab.test,1389,5,60" in said


def test_plain_addresses_are_written_as_they_were() -> None:
    plain = made(ZONE[: ZONE.index("          - {name: www, address: 192.168.7.11}")])
    assert '"records":[{"name":"www","address":"192.168.7.10"}]' in plain.model_dump_json()


Ask = Callable[[str, str], list[str]]


@pytest.fixture(scope="module")
def ask(zone: Topology, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ask]:
    program, dig = shutil.which("dnsmasq", path="/usr/sbin:/usr/bin"), shutil.which("dig")
    if program is None or dig is None:
        pytest.skip("needs dnsmasq and dig")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as found:
        found.bind(("127.0.0.1", 0))
        port = found.getsockname()[1]
    folder = tmp_path_factory.mktemp("dnsmasq")
    lines = [
        line for line in configuration(zone).splitlines() if not line.startswith(("interface=", "bind-", "server="))
    ]
    file = folder / "lab.conf"
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")
    words = [program, "--keep-in-foreground", f"--conf-file={file}", f"--port={port}", "--listen-address=127.0.0.1",
             "--bind-interfaces", "--user=", "--group=", f"--pid-file={folder}/pid"]  # fmt: skip
    with (folder / "log").open("w") as log, subprocess.Popen([*words, "--log-facility=-"], stderr=log) as server:

        def asked(name: str, kind: str) -> list[str]:
            command = [dig, "+short", "+tries=1", "+time=2", "-p", str(port), "@127.0.0.1", name, kind]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            return sorted(done.stdout.splitlines()) if done.returncode == 0 else ["no answer"]

        deadline = time.monotonic() + 20
        while asked("mail.lab.test", "A") == ["no answer"] and time.monotonic() < deadline and server.poll() is None:
            time.sleep(0.1)
        assert server.poll() is None, Path(log.name).read_text(encoding="utf-8")
        yield asked
        server.terminate()


@pytest.mark.parametrize(
    ("name", "kind", "answers"),
    [
        ("www.lab.test", "A", ["192.168.7.10", "192.168.7.11"]),
        ("lab.test", "A", ["192.168.7.10"]),
        ("shop.lab.test", "CNAME", ["www.lab.test."]),
        ("boutique.lab.test", "A", ["192.168.7.10", "192.168.7.11", "shop.lab.test.", "www.lab.test."]),
        ("lab.test", "MX", ["10 mail.lab.test.", "20 mx.example.org."]),
        ("lab.test", "NS", ["ns.lab.test."]),
        ("lab.test", "TXT", [r'"v=spf1 mx, \"strict\" # \\ -all"']),
        ("key._domainkey.lab.test", "TXT", [f'"{"k" * 255}" "{"k" * 45}"']),
        ("_ldap._tcp.lab.test", "SRV", ["0 0 389 mail.lab.test.", "5 60 1389 www.lab.test."]),
        ("20.7.168.192.in-addr.arpa", "PTR", ["printer.lab.test."]),
        ("12.7.168.192.in-addr.arpa", "PTR", ["mail.lab.test."]),
        ("nothing.lab.test", "A", []),
    ],
)
def test_a_real_dnsmasq_answers_so(ask: Ask, name: str, kind: str, answers: list[str]) -> None:
    assert ask(name, kind) == answers
