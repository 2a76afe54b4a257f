"""Two sites with the same addresses behind NAT routers: who is meant by an address, and where."""

from __future__ import annotations

from ipaddress import IPv4Address

import pytest

from tests.unit.topology.language_world import made, said
from vboxlab.guest.place import Place
from vboxlab.guest.resources import File
from vboxlab.guest.role_registry import resources_for
from vboxlab.lab.graphs.drawing import drawing
from vboxlab.planning.desired import fetches_through
from vboxlab.topology.model import Topology
from vboxlab.topology.sites import addresses_seen, owners
from vboxlab.verification.subject import address_of

SITES = """\
lab: two-sites
base: debian12
domain: lab.test
networks:
  wan: {kind: nat}
  internet: {subnet: 203.0.113.0/24}
  lan-{s}:
    for each: {s: [paris, lyon]}
    subnet: 192.168.1.0/24
    site: "{s}"
machines:
  isp:
    hostname: isp
    adapters: [{network: wan, address: dhcp}, {network: internet, address: 203.0.113.1/24}]
    roles: [{role: router, wan: wan}]
  server:
    hostname: server
    adapters: [{network: internet, address: 203.0.113.80/24, gateway: 203.0.113.1}]
    roles: [{role: web, page: outside}, {role: dns, zone: lab.test}]
  gate-{s}:
    for each: {s: [paris, lyon], n: 11..12}
    hostname: gate-{s}
    adapters:
      - {network: internet, address: "203.0.113.{n}/24", gateway: 203.0.113.1}
      - {network: "lan-{s}", address: 192.168.1.1/24}
    roles: [{role: router, wan: internet}, {role: dns, zone: lab.test}]
  pc-{s}:
    for each: {s: [paris, lyon]}
    hostname: pc-{s}
    adapters: [{network: "lan-{s}", address: 192.168.1.10/24, gateway: 192.168.1.1}]
    dns: [192.168.1.1]
    roles: [{role: web, page: "of {s}"}]
verify:
  - {for each: {s: [paris, lyon]}, check: ping, from: "pc-{s}", to: [server, "gate-{s}"]}
"""


@pytest.fixture(scope="module")
def sites() -> Topology:
    return made(SITES)


def meant(sites: Topology, asking: str, address: str) -> list[str]:
    return [machine.name for machine in owners(sites, sites.machines[asking], IPv4Address(address))]


def test_an_address_means_the_machine_of_ones_own_site(sites: Topology) -> None:
    assert meant(sites, "pc-paris", "192.168.1.1") == ["gate-paris"]
    assert meant(sites, "pc-lyon", "192.168.1.1") == ["gate-lyon"]
    assert meant(sites, "gate-lyon", "192.168.1.10") == ["pc-lyon"]


def test_what_is_outside_is_the_same_for_all(sites: Topology) -> None:
    for asking in ("pc-paris", "pc-lyon", "gate-paris", "isp"):
        assert meant(sites, asking, "203.0.113.80") == ["server"]


def test_outside_an_address_of_several_sites_means_nobody(sites: Topology) -> None:
    assert meant(sites, "server", "192.168.1.10") == []


TUNNEL = """\
lab: tunnel
base: debian12
networks:
  internet: {subnet: 203.0.113.0/24}
  paris: {subnet: 192.168.11.0/24, site: paris}
  lyon: {subnet: 192.168.12.0/24, site: lyon}
machines:
  pc-paris: {hostname: pc-paris, adapters: [{network: paris, address: 192.168.11.10/24}]}
  pc-lyon: {hostname: pc-lyon, adapters: [{network: lyon, address: 192.168.12.10/24}]}
  server: {hostname: server, adapters: [{network: internet, address: 203.0.113.80/24}]}
"""


def test_an_address_of_one_other_site_alone_is_found_as_through_a_tunnel() -> None:
    apart = made(TUNNEL)
    assert meant(apart, "pc-lyon", "192.168.11.10") == ["pc-paris"]
    assert meant(apart, "server", "192.168.12.10") == ["pc-lyon"]


def test_a_machine_is_seen_at_its_address_in_the_own_site_first(sites: Topology) -> None:
    def seen(asking: str, machine: str) -> list[str]:
        return [str(each) for each in addresses_seen(sites, sites.machines[asking], sites.machines[machine])]

    assert seen("pc-paris", "gate-paris") == ["192.168.1.1", "203.0.113.11"]
    assert seen("server", "gate-paris") == ["203.0.113.11"]
    assert seen("pc-paris", "gate-lyon") == ["203.0.113.12"]
    assert seen("pc-paris", "pc-lyon") == []
    assert address_of(sites, "pc-lyon", "gate-lyon") == "192.168.1.1"
    assert address_of(sites, "server", "gate-lyon") == "203.0.113.12"
    assert address_of(sites, "server", "www.example.org") == "www.example.org"


def test_a_name_server_answers_with_addresses_of_its_own_site(sites: Topology) -> None:
    def records(machine: str) -> list[str]:
        resources = resources_for(sites, sites.machines[machine], None)
        file = next(each for each in resources if isinstance(each, File) and each.path == "/etc/dnsmasq.d/lab.conf")
        assert isinstance(file.content, str)
        return [line.partition("=")[2] for line in file.content.splitlines() if line.startswith(("host", "server"))]

    assert records("gate-paris") == [
        "isp.lab.test,203.0.113.1", "server.lab.test,203.0.113.80", "gate-paris.lab.test,192.168.1.1",
        "gate-lyon.lab.test,203.0.113.12", "pc-paris.lab.test,192.168.1.10", "10.0.2.3",
    ]  # fmt: skip
    assert records("server") == [
        "isp.lab.test,203.0.113.1", "server.lab.test,203.0.113.80", "gate-paris.lab.test,203.0.113.11",
        "gate-lyon.lab.test,203.0.113.12", "10.0.2.3",
    ]  # fmt: skip


def test_a_router_lets_questions_through_to_the_name_servers_that_it_sees(sites: Topology) -> None:
    def servers(machine: str) -> list[str]:
        return [str(each) for each in Place(sites, sites.machines[machine]).dns_servers]

    assert servers("gate-paris") == ["192.168.1.1", "203.0.113.11", "203.0.113.12", "203.0.113.80"]
    assert servers("isp") == ["203.0.113.11", "203.0.113.12", "203.0.113.80"]


def test_downloads_go_through_the_router_of_ones_own_site(sites: Topology) -> None:
    assert fetches_through(sites, sites.machines["pc-lyon"]) == ("gate-lyon",)
    assert fetches_through(sites, sites.machines["gate-lyon"]) == ("isp",)


def with_clusters(*names: str, text: str = SITES, verify: str = "") -> str:
    """Return the topology with a cluster in each of some sites, all with one floating address, and steps."""
    nodes = "".join(
        f"""\
  node-{site}-{number}:
    hostname: node-{site}-{number}
    adapters: [{{network: lan-{site}, address: 192.168.1.{number}/24}}]
    roles: [{{role: heartbeat, address: 192.168.1.5/24, nodes: [node-{site}-21, node-{site}-22]}}]
"""
        for site in names
        for number in (21, 22)
    )
    return text.replace("verify:\n", f"{nodes}verify:\n{verify}")


def test_a_floating_address_is_on_the_network_of_its_own_site() -> None:
    shared = {network.name: network.shared for network in drawing(made(with_clusters("paris", "lyon"))).networks}
    assert shared["lan-paris"] == shared["lan-lyon"] == ("floating 192.168.1.5",)
    alone = made(with_clusters("paris"))
    shared = {network.name: network.shared for network in drawing(alone).networks}
    assert (shared["lan-paris"], shared["lan-lyon"]) == (("floating 192.168.1.5",), ())
    assert Place(alone, alone.machines["pc-paris"]).service_addresses == (IPv4Address("192.168.1.5"),)


def test_a_floating_address_may_be_a_machines_in_another_site_only() -> None:
    text = SITES.replace("192.168.1.10/24", '"{address}/24"').replace("{s: [paris, lyon]}\n    hostname: pc-", PCS)
    assert made(with_clusters("paris", text=text)).machines.keys() >= {"pc-lyon", "node-paris-21"}
    problems = said(with_clusters("lyon", text=text))
    taken = "the floating address 192.168.1.5 is the address of `enp0s3` of machine `pc-lyon`; expected a free address"
    assert [each.partition("] ")[2] for each in problems] == [taken, taken]


PCS = "{s: [paris, lyon], address: [192.168.1.10, 192.168.1.5]}\n    hostname: pc-"


def test_who_has_an_address_is_asked_within_the_site_of_those_that_may_have_it() -> None:
    asked = "  - {invariant: one-holder, address: 192.168.1.5, on: [node-paris-21, node-paris-22], from: pc-lyon}\n"
    text = with_clusters("paris", "lyon", verify=asked)
    expected = (
        "machine `pc-lyon` is not in the network of 192.168.1.5, so it sees no ARP of it; expected one of gate-paris, "
        "pc-paris"
    )
    assert [each.partition("] ")[2] for each in said(text)] == [expected]
    assert made(text.replace("from: pc-lyon}", "from: pc-paris}"))


@pytest.mark.parametrize("site", ["", ", site: paris"])
def test_addresses_are_different_within_a_site_and_from_what_is_outside(site: str) -> None:
    text = SITES.replace("internet: {subnet: 203.0.113.0/24}", f"internet: {{subnet: 192.168.1.0/24{site}}}")
    problems = said(text.replace("203.0.113.", "192.168.1."))
    assert any("[subnets-overlap]" in each for each in problems)
    assert any("[duplicate-address]" in each for each in problems)


def test_a_picture_names_the_sites(sites: Topology) -> None:
    labels = {network.name: network.label for network in drawing(sites).networks}
    assert labels["lan-paris"] == "internal 192.168.1.0/24 site paris"
    assert labels["internet"] == "internal 203.0.113.0/24"


def test_sites_are_part_of_what_a_lab_is() -> None:
    rest = "machines:\n  one: {hostname: one, adapters: []}\n"
    head = "lab: one\nbase: debian12\nnetworks:\n  lan:\n    subnet: 192.168.1.0/24\n"
    without, within = made(head + rest), made(f"{head}    site: paris\n{rest}")
    assert without.digest != within.digest
