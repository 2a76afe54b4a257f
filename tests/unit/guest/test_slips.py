"""Every slip by its name and its exact words: real files, read by the real script, in both languages."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.golden_files import check_golden
from tests.unit.guest.guest_root import NONCE, SECRET, GuestRoot, guest_root
from vboxlab.errors import GuestError
from vboxlab.guest.executor import Completed
from vboxlab.guest.facts import parse_facts
from vboxlab.guest.facts_script import facts_script, read_facts
from vboxlab.guest.findings import Finding, Where
from vboxlab.guest.recording import RecordingExecutor
from vboxlab.guest.slips import slips
from vboxlab.guest.telling import all_texts, told
from vboxlab.language import LANGUAGES, speaking
from vboxlab.planning.observed import Attachment

CF, RES, KEYS = "/etc/ha.d/ha.cf", "/etc/ha.d/haresources", "/etc/ha.d/authkeys"
HOSTS, NET, DNS = "/etc/hosts", "/etc/network/interfaces", "/etc/resolv.conf"
PAGE, RULES, DEFAULTS = "/var/www/html/index.html", "/etc/ipvsadm.rules", "/etc/default/ipvsadm"
ADDRESS = "IPaddr::192.168.200.5/24/enp0s3"
NODES = "srv-web-theodore srv-web-bis-theodore"

Edit = Callable[[GuestRoot], None]


def edit(path: str, old: str, new: str) -> Edit:
    return lambda guest: guest.edit(path, old, new)


def write(path: str, content: str, mode: int = 0o644) -> Edit:
    return lambda guest: guest.write(path, content, mode)


def network(addresses: str, default: str) -> Edit:
    return lambda guest: guest.network(addresses, default)


def remove(path: str) -> Edit:
    return lambda guest: guest.path(path).unlink()


def renamed(kernel: str, kept: str) -> Edit:
    def change(guest: GuestRoot) -> None:
        guest.write("/proc/sys/kernel/hostname", f"{kernel}\n")
        guest.write("/etc/hostname", f"{kept}\n")

    return change


ON_WEB_SERVER: dict[str, Edit] = {
    "haresources-service": edit(RES, "apache2", "apache2_"),
    "haresources-address-incomplete": edit(RES, "/24/enp0s3", ""),
    "haresources-both-slips-of-the-text": write(RES, "srv-web-theodore IPaddr::192.168.200.5 apache2_\n"),
    "haresources-address": edit(RES, "enp0s3", "eth0"),
    "haresources-no-address": edit(RES, f"{ADDRESS} ", ""),
    "haresources-node": edit(RES, "srv-web-theodore", "srv-web-bis-theodore"),
    "haresources-no-service": edit(RES, " apache2", ""),
    "haresources-extra-service": edit(RES, "apache2", "apache2 mysql"),
    "haresources-empty": write(RES, "# nothing\n"),
    "authkeys-mode": lambda guest: guest.path(KEYS).chmod(0o644),
    "authkeys-owner": lambda guest: guest.say("stat", "echo '600 theodore:root'"),
    "authkeys-auth": edit(KEYS, "auth 1", "auth one"),
    "authkeys-line": edit(KEYS, "1 md5", "md5"),
    "authkeys-method": edit(KEYS, "1 md5", "1"),
    "authkeys-secret": edit(KEYS, f" {SECRET}", ""),
    "authkeys-no-auth": edit(KEYS, "auth 1\n", ""),
    "authkeys-no-key": edit(KEYS, "1 md5", "2 md5"),
    "file-too-long": lambda guest: guest.write(RES, guest.text(RES) + "#" * 65537),
    "authkeys-writable": lambda guest: guest.path(KEYS).chmod(0o622),
    "authkeys-rights": lambda guest: guest.path(KEYS).chmod(0o700),
    "authkeys-number": edit(KEYS, "1 md5", "16 md5"),
    "authkeys-no-secret": edit(KEYS, "1 md5", "1 crc"),
    "authkeys-crc": write(KEYS, "auth 1\n1 crc\n", 0o600),
    "authkeys-late-auth": write(KEYS, f"1 md5 {SECRET}\nauth 1\n", 0o600),
    "hacf-node": edit(CF, NODES, "srv-web srv-web-bis"),
    "hacf-nodes": edit(CF, NODES, "srv-web-theodore srv-web-bis"),
    "hacf-interface": edit(CF, "bcast enp0s3", "bcast eth0"),
    "hacf-value": edit(CF, "deadtime 5", "deadtime 50"),
    "hacf-value-of-a-minor-word": edit(CF, "warntime 3", "warntime 10"),
    "hacf-missing": write(CF, f"# deadtime 5\nkeepalive 1\nnode {NODES}\n"),
    "hacf-missing-node": edit(CF, "node ", "#node "),
    "hostname": renamed("debian", "debian"),
    "hostname-not-applied": renamed("debian", "srv-web-theodore"),
    "hostname-only-in-the-kernel": renamed("srv-web-theodore", "debian"),
    "hosts-missing": edit(HOSTS, "192.168.200.52", "#192.168.200.52"),
    "hosts-other": edit(HOSTS, "192.168.200.52", "192.168.200.25"),
    "interfaces-name": edit(NET, "enp0s3", "enp03s"),
    "interfaces-missing": edit(NET, "iface enp0s3", "#iface enp0s3"),
    "interfaces-method": edit(NET, "static", "dhcp"),
    "interfaces-address": edit(NET, "192.168.200.51/24", "192.168.200.52/24"),
    "interfaces-address-by-netmask": edit(NET, "192.168.200.51/24", "192.168.200.51\n    netmask 255.255.0.0"),
    "interfaces-no-address": edit(NET, "    address 192.168.200.51/24\n", ""),
    "interfaces-no-gateway": edit(NET, "    gateway 192.168.200.254\n", ""),
    "interfaces-gateway": edit(NET, "192.168.200.254", "192.168.200.1"),
    "interfaces-not-auto": edit(NET, "allow-hotplug enp0s3\n", ""),
    "address-live": lambda guest: guest.network(
        "enp0s3 UP 192.168.200.99/24", "default via 192.168.200.254 dev enp0s3"
    ),
    "gateway-live": lambda guest: guest.network("enp0s3 UP 192.168.200.51/24 192.168.200.5/24", ""),
    "resolver": edit(DNS, "192.168.100.10", "8.8.8.8"),
    "resolver-missing": edit(DNS, "nameserver", "#nameserver"),
    "resolver-search": edit(DNS, "mlif.local", "mlif.lan"),
    "page-missing": remove(PAGE),
    "page-default": write(PAGE, "<title>Apache2 Debian Default Page: It works</title>\n"),
    "page-of-other": write(PAGE, "<h1>Srv-Web-bis de theodore</h1>\n"),
    "page-differs": write(PAGE, f"<h1>Bonjour</h1>\n{'<p>tout le monde</p>' * 9}\n"),
    "service-at-boot": lambda guest: guest.enable("apache2"),
}

ALSO = "-a -t 192.168.200.5:80 -r 192.168.201.11:80 -m"
OTHER_TABLE = "-A -t 192.168.200.5:80 -s wlc"
WEIGHED = "-e -t 192.168.200.5:80 -r 192.168.201.11:80 -m -w 3\n"

ON_LOAD_BALANCER: dict[str, Edit] = {
    "ipvsadm-key": edit(DEFAULTS, "DAEMON", "DEMON"),
    "ipvsadm-no-iface": edit(DEFAULTS, "enp0s3", "erp033"),
    "ipvsadm-iface": edit(DEFAULTS, "enp0s3", "enp0s8"),
    "ipvsadm-value": edit(DEFAULTS, "true", "false"),
    "ipvsadm-missing": edit(DEFAULTS, "AUTO", "#AUTO"),
    "rules-prefix": lambda guest: guest.write(
        RULES, "".join(f"ipvsadm {line}\n" for line in guest.path(RULES).read_text(encoding="utf-8").splitlines())
    ),
    "rules-line": edit(RULES, "-A -t", "A -t"),
    "rules-no-service": edit(RULES, "-A -t 192.168.200.5:80 -s rr\n", ""),
    "rules-virtual": edit(RULES, "-A -t 192.168.200.5:80", "-A -t 192.168.200.50:80"),
    "rules-scheduler": edit(RULES, " -s rr", ""),
    "rules-no-server": edit(RULES, "-a -t 192.168.200.5:80 -r 192.168.201.12:80 -m\n", ""),
    "rules-extra-server": edit(RULES, "192.168.201.12", "192.168.201.13"),
    "rules-method": edit(RULES, ".12:80 -m", ".12:80 -g"),
    "ipvsadm-blank": edit(DEFAULTS, '"true"', '"true "'),
    "ipvsadm-command": edit(DEFAULTS, "AUTO=", "AUTO = "),
    "ipvsadm-refused": edit(DEFAULTS, '"enp0s3"', '"enp0s3'),
    "ipvsadm-unclear": edit(DEFAULTS, '"true"', "$(echo true)"),
    "ipvsadm-start": edit(DEFAULTS, "AUTO", "IPVSADM_RULES=/etc/ipvsadm.conf\nAUTO"),
    "rules-comment": edit(RULES, "-s rr", "-s rr # one after the other"),
    "rules-refused": edit(RULES, ".12:80 -m", ".12:80 -m nat"),
    "rules-left-out": edit(RULES, ".12:80 -m", ".12:80 -q"),
    "rules-twice": edit(RULES, ALSO, f"{ALSO}\n{ALSO}"),
    "rules-order": lambda guest: guest.write(RULES, f"{ALSO}\n{guest.text(RULES).replace(ALSO, '#')}"),
    "rules-persistence": edit(RULES, "-s rr", "-s rr -p 300"),
    "rules-options": edit(RULES, ".12:80 -m", ".12:80 -m -x 100"),
    "rules-extra-service": edit(RULES, "-s rr", "-s rr\n-A -t 192.168.200.5:443 -s rr"),
    "rules-weight": lambda guest: guest.write(RULES, guest.text(RULES).replace("rr", "wrr") + WEIGHED),
    "rules-weight-zero": edit(RULES, ".12:80 -m", ".12:80 -m -w 0"),
    "rules-not-loaded": lambda guest: guest.say("ipvsadm", f"echo '{OTHER_TABLE}'"),
    "rules-table": lambda guest: guest.say("unshare", f"echo '{OTHER_TABLE}'"),
    "setting-not-kept": write("/etc/sysctl.conf", "# empty\n"),
    "setting-commented": write("/etc/sysctl.conf", "\n#net.ipv4.ip_forward=1\n"),
    "setting-off": write("/proc/sys/net/ipv4/ip_forward", "0\n"),
    "interfaces-extra-gateway": edit(NET, "201.1/24", "201.1/24\n    gateway 192.168.201.254"),
    "resolver-domain": edit(DNS, "domain mlif.local\n", ""),
    "no-health-check": lambda _guest: None,
}


def web_server(root: Path) -> GuestRoot:
    return guest_root(root, "failover", "srv-web", "heartbeat")


def load_balancer(root: Path) -> GuestRoot:
    return guest_root(root, "loadbalancing", "load-balancer", "balancing", health="none")


def found(guest: GuestRoot) -> list[Finding]:
    return slips(guest.place, guest.resources, guest.facts())


def lines(findings: list[Finding]) -> list[str]:
    found = []
    for language in LANGUAGES:
        with speaking(language):
            for each in map(told, findings):
                place = f"{each.finding.severity} {each.place} [{each.finding.code}]"
                found.append(f"{place} {each.found} => {each.expected}")
    return found


@pytest.mark.parametrize("name", ON_WEB_SERVER)
def test_slip_on_a_web_server(name: str, tmp_path: Path) -> None:
    guest = web_server(tmp_path)
    ON_WEB_SERVER[name](guest)
    findings = found(guest)
    assert any(name.startswith(finding.code) for finding in findings) or "both" in name or name == "resolver-missing"
    check_golden(f"slips/{name}.txt", lines(findings))


@pytest.mark.parametrize("name", ON_LOAD_BALANCER)
def test_slip_on_a_load_balancer(name: str, tmp_path: Path) -> None:
    guest = load_balancer(tmp_path)
    ON_LOAD_BALANCER[name](guest)
    findings = found(guest)
    if name != "no-health-check":
        findings = [finding for finding in findings if finding.code != "no-health-check"]
    check_golden(f"slips/{name}.txt", lines(findings))


@pytest.mark.parametrize("machine", ["firewall", "dns", "client", "srv-web", "srv-web-bis"])
@pytest.mark.parametrize("tuning", ["practical", "fast"])
def test_nothing_is_found_where_all_is_right(machine: str, tuning: str, tmp_path: Path) -> None:
    assert found(guest_root(tmp_path, "failover", machine, "heartbeat", tuning=tuning)) == []


@pytest.mark.parametrize("health", ["none", "keepalived", "ldirectord"])
@pytest.mark.parametrize("machine", ["firewall", "srv-web", "load-balancer"])
def test_nothing_is_found_where_the_balancing_is_right(machine: str, health: str, tmp_path: Path) -> None:
    findings = found(guest_root(tmp_path, "loadbalancing", machine, "balancing", health=health))
    assert {finding.code for finding in findings} <= {"no-health-check"}


OTHER_WORDS = {
    CF: f"""\
bcast enp0s3 # the only NIC
keepalive 1000ms
deadtime 5.0
node {NODES.split(maxsplit=1)[0]}
node {NODES.split()[1]}
""",
    RES: "# the master first\nsrv-web-theodore   192.168.200.5/24/enp0s3 apache2\n",
    HOSTS: """\
127.0.0.1 localhost
127.0.1.1 srv-web-theodore
192.168.200.51 srv-web-theodore # me
192.168.200.52 srv-web-bis-theodore
""",
    NET: """\
auto lo enp0s3
iface lo inet loopback
iface enp0s3 inet static
  address 192.168.200.51
  netmask 255.255.255.0
  gateway 192.168.200.254
""",
    DNS: "domain mlif.local\nnameserver 192.168.100.10\n",
    PAGE: "<html><body>\n<h1>Srv-Web de theodore</h1>\n</body></html>\n",
}
OTHER_RULES = """\
--add-service --tcp-service 192.168.200.5:80 --scheduler rr
-a -t 192.168.200.5:80 -r 192.168.201.12 -m -w 1
-a -t 192.168.200.5:80 -r 192.168.201.11:80 -m
"""


def test_other_words_for_the_same_are_no_slip(tmp_path: Path) -> None:
    guest = web_server(tmp_path / "web")
    for path, content in OTHER_WORDS.items():
        guest.write(path, content)
    assert found(guest) == []
    balancer = load_balancer(tmp_path / "balancer")
    balancer.write(RULES, OTHER_RULES)
    balancer.write(DEFAULTS, "# comment\nIFACE='enp0s3'\nAUTO=true\nDAEMON=master # ours\nSYNCID=\"1\"\n")
    assert [finding.code for finding in found(balancer)] == ["no-health-check"]


def test_files_that_are_missing_or_strange_are_left_to_their_resources(tmp_path: Path) -> None:
    guest = web_server(tmp_path)
    for path in (CF, RES, KEYS, HOSTS, NET, DNS):
        guest.path(path).unlink()
    guest.path(CF).mkdir()
    guest.path(PAGE).write_bytes(b"\xff\xfe<h1>Srv-Web de theodore</h1>")
    assert found(guest) == []


def test_secrets_stay_in_the_guest(tmp_path: Path) -> None:
    guest = web_server(tmp_path)
    for content in ("auth 1\n1 md5 {}\n", "auth {}\n1 {}\n", "{}\n", "1 {} md5\n{} 1\n", "auth 1\n1 md5 {}"):
        guest.write(KEYS, content.replace("{}", SECRET), 0o600)
        done = guest.executor().run(facts_script(guest.resources, NONCE))
        assert done.exit_code == 0
        assert "\nsaid\tauthkeys\t600 root:root\t" in done.stdout
        assert SECRET not in done.stdout + done.stderr
        facts = parse_facts(done.stdout.splitlines())
        assert SECRET not in repr(facts)
        assert KEYS not in facts.files


def test_the_script_changes_nothing(tmp_path: Path) -> None:
    guest = web_server(tmp_path)

    def state() -> list[tuple[str, int, int]]:
        found = ((path, path.lstat()) for path in sorted(tmp_path.rglob("*")))
        return [(str(path), stat.st_mtime_ns, stat.st_mode) for path, stat in found]

    before = state()
    guest.facts()
    assert state() == before


def test_what_the_script_reads(tmp_path: Path) -> None:
    facts = load_balancer(tmp_path).facts()
    assert facts.hostname == "load-balancer-theodore"
    assert facts.interfaces == ("enp0s19", "enp0s3", "enp0s8", "lo")
    assert facts.addresses["enp0s8"] == ("192.168.201.1/24",)
    assert facts.gateways == (("192.168.200.254", "enp0s3"),)
    assert facts.settings == {"net.ipv4.ip_forward": "1"}
    assert facts.enabled == {"ipvsadm"}
    assert facts.files[DEFAULTS].mode == 0o644
    assert facts.files[DEFAULTS].lines[2] == (3, 'IFACE="enp0s3"')


def test_a_script_that_ends_early_says_so() -> None:
    executor = RecordingExecutor("srv-web", [("", Completed(1, "hostname\tx\n", "sudo: a password is required\n"))])
    with pytest.raises(GuestError, match="srv-web: the guest could not be looked at") as caught:
        read_facts(executor, [])
    assert caught.value.details == ("exit code 1", "sudo: a password is required")


def test_lines_that_are_not_ours_are_left_out() -> None:
    facts = parse_facts(["motd of the day", "file\t/x\t644 a:b\tnot base64!", "interface\tlo", "file\tonly"])
    assert facts.files["/x"].content == ""
    assert facts.interfaces == ("lo",)


def test_networks_are_named_in_the_language() -> None:
    values = {"found": Attachment("internal", "sw-dmz"), "expected": Attachment("nat")}
    finding = Finding("wrong-network", "m", Where("adapter", "1 (enp0s3)"), values)
    assert lines([finding]) == [
        "error adapter 1 (enp0s3) [wrong-network] it is on internal network `sw-dmz` => NAT",
        "error carte réseau 1 (enp0s3) [wrong-network] elle est branchée sur : réseau interne `sw-dmz` => NAT",
    ]
    assert told(finding).data()["values"] == {"found": "internal sw-dmz", "expected": "nat"}


def test_nothing_is_expected_without_having_been_found() -> None:
    assert all_texts().expected.keys() <= all_texts().found.keys()
