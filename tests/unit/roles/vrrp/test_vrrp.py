"""Active/active clusters: what keepalived is told, and what the rest of vboxlab knows of them."""

from __future__ import annotations

import re
import shutil
import subprocess
from ipaddress import IPv4Address
from pathlib import Path

import pytest

from tests.golden_files import check_golden
from tests.unit.roles.test_resources import described
from tests.unit.topology.language_world import made, said
from vboxlab.guest.explain import explain
from vboxlab.guest.resources import Await, File
from vboxlab.guest.role_registry import resources_for
from vboxlab.guest.script import compile_script
from vboxlab.lab.graphs.drawing import drawing
from vboxlab.roles.vrrp.guest import CONFIGURATION, TRACKED
from vboxlab.roles.vrrp.role import VrrpRole
from vboxlab.topology.model import Topology
from vboxlab.verification.subject import own_seconds

CLUSTER = """\
lab: active
base: debian12
networks:
  lan: {subnet: 192.168.7.0/24}
machines:
  one:
    hostname: one
    adapters: [{network: lan, address: 192.168.7.1/24}]
    roles:
      - {role: web, page: one}
      - &shared
        role: vrrp
        instances:
          - {name: first, address: 192.168.7.5/24, nodes: [one, two]}
          - {name: second, address: 192.168.7.6/24, nodes: [two, one]}
        track: {run: [systemctl, is-active, --quiet, apache2]}
  two:
    hostname: two
    adapters: [{network: lan, address: 192.168.7.2/24}]
    roles:
      - {role: web, page: two}
      - *shared
  client:
    hostname: client
    adapters: [{network: lan, address: 192.168.7.9/24}]
verify:
  - {invariant: one-holder, address: 192.168.7.5, on: [one, two], from: client, none_for: 8}
  - {invariant: one-holder, address: 192.168.7.6, on: [one, two], from: client, none_for: 8}
  - measure: interruption
    from: client
    url: http://192.168.7.5
    cause: {fault: power-off, machine: one}
    served_by: two
    limits: {interruption: 8}
"""


@pytest.fixture(scope="module")
def cluster() -> Topology:
    return made(CLUSTER)


def file_of(topology: Topology, machine: str, path: str = CONFIGURATION) -> str:
    resources = resources_for(topology, topology.machines[machine], None)
    content = next(each.content for each in resources if isinstance(each, File) and each.path == path)
    assert isinstance(content, str)
    return content


@pytest.mark.parametrize("machine", ["one", "two"])
def test_resources_are_as_kept(cluster: Topology, machine: str) -> None:
    resources = resources_for(cluster, cluster.machines[machine], None)
    keys = ("keepalived", "floating")
    check_golden(
        f"roles/vrrp-{machine}.txt",
        [line for each in resources if any(key in each.key for key in keys) for line in described(each)],
    )
    assert compile_script(resources, changes=True, secrets={})


def test_each_node_is_preferred_for_an_address_of_its_own(cluster: Topology) -> None:
    def priorities(machine: str) -> dict[str, int]:
        found = re.findall(r"vrrp_instance (\S+) \{.*?priority (\d+)", file_of(cluster, machine), re.DOTALL)
        return {name: int(priority) for name, priority in found}

    one, two = priorities("one"), priorities("two")
    assert one["first"] > two["first"]
    assert two["second"] > one["second"]


def test_a_node_waits_for_the_addresses_that_it_is_preferred_for(cluster: Topology) -> None:
    for machine, address in (("one", "192.168.7.5"), ("two", "192.168.7.6")):
        wishes = [each for each in resources_for(cluster, cluster.machines[machine], None) if isinstance(each, Await)]
        assert [each.until[4:] for each in wishes if each.unit == "keepalived"] == [("enp0s3", address)]


def test_what_is_run_to_track_a_node_is_quoted() -> None:
    hostile = made(CLUSTER.replace("[systemctl, is-active, --quiet, apache2]", '[test, -e, "/tmp/it\'s $(here)"]'))
    assert file_of(hostile, "one", TRACKED) == "#!/bin/sh\nexec test -e '/tmp/it'\"'\"'s $(here)'\n"


def test_a_node_of_one_instance_only_is_told_of_that_one() -> None:
    third = CLUSTER.replace("nodes: [two, one]}", "nodes: [two, client]}").replace(
        "address: 192.168.7.9/24}]\nverify", "address: 192.168.7.9/24}]\n    roles: [*shared]\nverify"
    )
    text = third.partition("verify:")[0]
    assert "vrrp_instance first" not in file_of(made(text), "client")
    assert "vrrp_instance second" in file_of(made(text), "client")
    assert "vrrp_instance second" not in file_of(made(text), "one")


def test_the_rest_of_vboxlab_knows_the_cluster(cluster: Topology) -> None:
    role = next(each for each in cluster.machines["one"].roles if isinstance(each, VrrpRole))
    assert [shared.address for shared in role.shared_addresses()] == [
        IPv4Address("192.168.7.5"),
        IPv4Address("192.168.7.6"),
    ]
    assert role.cluster_nodes() == ("one", "two")
    lan = drawing(cluster).networks[0]
    assert lan.shared == ("floating 192.168.7.5", "floating 192.168.7.6")
    assert "virtual_router_id 5" in explain(cluster)


def test_a_silent_holder_is_given_up_after_three_signs_of_life(cluster: Topology) -> None:
    # RFC 5798, 6.1: 3 * 1 s + (256 - 240) / 256 * 1 s, which is more than two failures in a row, 1 s apart.
    assert own_seconds(cluster) == {"one": 3.0625, "two": 3.0625}
    slow = made(CLUSTER.replace("quiet, apache2]}", "quiet, apache2], every: 5}"))
    assert own_seconds(slow)["one"] == 10.0


@pytest.mark.parametrize(
    ("old", "new", "code", "words"),
    [
        ("address: 192.168.7.6/24, n", "address: 192.168.7.9/24, n", "floating-address-taken", "of machine `client`"),
        (
            "address: 192.168.7.6/24, n",
            "address: 192.168.8.6/24, n",
            "floating-address-outside-subnet",
            "192.168.7.0/24",
        ),
        (
            "address: 192.168.7.6/24, n",
            "address: 192.168.7.6/32, n",
            "floating-address-outside-subnet",
            "192.168.7.0/24",
        ),
        ("nodes: [two, one]", "nodes: [two, oen]", "unknown-node", "did you mean `one`?"),
        ("nodes: [two, one]", "nodes: [two, two]", "duplicate-node", "a node twice"),
        ("nodes: [two, one]", "nodes: [two]", "cluster-one-node", "has 1 node"),
        ("nodes: [two, one]", "nodes: [two, client]", "node-without-role", "`client` is a node of instance `second`"),
    ],
)
def test_what_is_wrong_is_said(old: str, new: str, code: str, words: str) -> None:
    problems = [each for each in said(CLUSTER.replace(old, new)) if f"[{code}]" in each]
    assert any(words in each for each in problems)


def test_nodes_that_are_told_different_things_are_found() -> None:
    text = CLUSTER.replace(
        "      - *shared\n",
        """\
      - role: vrrp
        advertise: 2
        instances:
          - {name: first, address: 192.168.7.7/24, nodes: [one, two]}
          - {name: second, address: 192.168.7.6/24, nodes: [two, one]}
""",
    )
    problems = [each.partition("] ")[2] for each in said(text) if "[cluster-disagrees]" in each]
    same, floating = "; expected the same on all nodes", ("`192.168.7.7/24`", "`192.168.7.5/24`")
    assert problems == [
        f"`advertise` of instance `second` is `1.0` on machine `one` but `2.0` on machine `two`{same}",
        f"`advertise` of instance `first` is `2.0` on machine `two` but `1.0` on machine `one`{same}",
        f"`address` of instance `first` is {floating[0]} on machine `two` but {floating[1]} on machine `one`{same}",
    ]


# In a network of its own, with the interface that the file names.
ALONE = ("unshare", "--user", "--map-root-user", "--net", "sh", "-c")
WITH_INTERFACE = 'ip link add enp0s3 type veth peer name other && ip address add 192.168.7.1/24 dev enp0s3 && exec "$@"'


@pytest.mark.parametrize("advertise", ["1", "0.3"])
def test_a_real_keepalived_takes_the_file(advertise: str, tmp_path: Path) -> None:
    program = shutil.which("keepalived", path="/usr/sbin:/usr/bin")
    if program is None or subprocess.run([*ALONE, WITH_INTERFACE, "sh", "true"], check=False).returncode:
        pytest.skip("needs keepalived and network namespaces")
    topology = made(CLUSTER.replace("        track:", f"        advertise: {advertise}\n        track:"))
    fit = tmp_path / "fit"
    fit.write_text(file_of(topology, "one", TRACKED).replace("systemctl", "/bin/true"), encoding="utf-8")
    fit.chmod(0o755)
    file = tmp_path / "keepalived.conf"
    file.write_text(file_of(topology, "one").replace(TRACKED, str(fit)), encoding="utf-8")
    command = [program, f"--config-test={tmp_path}/log", f"--use-file={file}"]
    done = subprocess.run([*ALONE, WITH_INTERFACE, "sh", *command], capture_output=True, text=True, check=False)
    log = (tmp_path / "log").read_text(encoding="utf-8") if (tmp_path / "log").exists() else ""
    assert (done.returncode, done.stdout + done.stderr + log) == (0, "")
