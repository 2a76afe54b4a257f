from __future__ import annotations

from collections.abc import Callable
from ipaddress import IPv4Address, IPv4Interface
from pathlib import Path

import pytest

from vboxlab.errors import TopologyInvalid, UsageError
from vboxlab.roles.heartbeat.role import HeartbeatRole
from vboxlab.roles.web.role import WebRole
from vboxlab.topology.loader import load_snapshot_set, load_topology

REPOSITORY = Path(__file__).parents[3]
FAILOVER = REPOSITORY / "topologies" / "failover.yaml"

SMALL = """\
lab: small
base: debian12
parameters:
  student: {default: theodore}
networks:
  lan: {subnet: 192.168.7.0/24}
machines:
  one: &one
    hostname: one-{student}
    adapters: [{network: lan, address: 192.168.7.1/24}]
"""

Write = Callable[[str], Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def write_file(text: str) -> Path:
        path = tmp_path / "small.yaml"
        path.write_text(text, encoding="utf-8")
        return path

    return write_file


def problems_of(path: Path, **values: str) -> list[str]:
    with pytest.raises(TopologyInvalid) as caught:
        load_topology(path, values)
    return [detail.removeprefix(f"{path}:") for detail in caught.value.details]


def test_failover_is_what_the_practical_says() -> None:
    topology = load_topology(FAILOVER)
    assert (topology.name, topology.lab, topology.stage_order) == ("failover", "ha", ("web", "heartbeat"))
    assert topology.values == {
        "student": "theodore",
        "base": "debian12",
        "environment": "standalone",
        "tuning": "practical",
    }
    second = topology.machines["srv-web-bis"]
    assert (second.name, second.hostname) == ("srv-web-bis", "srv-web-bis-theodore")
    assert [(a.slot, a.network, a.address, a.gateway) for a in second.adapters] == [
        (1, "sw-dmz", IPv4Interface("192.168.200.52/24"), IPv4Address("192.168.200.254"))
    ]
    assert second.dns == (IPv4Address("192.168.100.10"),), "merged from srv-web"
    (page,) = second.stages["web"]
    assert isinstance(page, WebRole)
    assert page.page == "<h1>Srv-Web-bis de theodore</h1>"
    (heartbeat,) = second.stages["heartbeat"]
    assert isinstance(heartbeat, HeartbeatRole)
    assert (heartbeat.nodes, heartbeat.tuning) == (("srv-web", "srv-web-bis"), "practical")


def test_chosen_values_are_in_force() -> None:
    topology = load_topology(FAILOVER, {"student": "Zoe", "environment": "school"}, name="other")
    assert topology.name == "other"
    assert topology.machines["srv-web"].stages["web"][0].model_dump()["page"] == "<h1>Srv-Web de Zoe</h1>"
    assert [machine.name for machine in topology.adopted_machines] == ["firewall", "dns", "client"]


def test_snapshot_set() -> None:
    found = load_snapshot_set(REPOSITORY / "snapshots" / "apache-base.yaml")
    assert (found.name, found.lab, found.machines) == ("apache-base", "ha", ("srv-web", "srv-web-bis"))


def test_unknown_parameter_value_names_the_parameters() -> None:
    with pytest.raises(UsageError) as caught:
        load_topology(FAILOVER, {"studnet": "x"})
    assert caught.value.details == ("its parameters: student, base, environment, tuning; did you mean `student`?",)
    with pytest.raises(UsageError) as caught:
        load_topology(FAILOVER, {"tuning": "fats"})
    assert caught.value.details == ("expected one of practical, fast; did you mean `fast`?",)


def test_scalars_are_the_text_that_was_typed(write: Write) -> None:
    text = (
        SMALL.replace("theodore", "no").replace("lab: small", "lab: on") + "    description: 1:30\n    memory: 1024\n"
    )
    topology = load_topology(write(text))
    machine = topology.machines["one"]
    assert (topology.lab, machine.hostname, machine.description, machine.memory) == ("on", "one-no", "1:30", 1024)


def test_only_true_and_false_are_booleans(write: Write) -> None:
    line = "    adapters: [{network: lan, address: 192.168.7.1/24, cable: %s}]\n"
    before = SMALL[: SMALL.index("    adapters")]
    assert load_topology(write(before + line % "false")).machines["one"].adapters[0].cable is False
    assert problems_of(write(before + line % "no")) == [
        "10:63: [wrong-type] `cable` of adapter 1 of machine `one` is `no`; expected true or false"
    ]


def test_braces(write: Write) -> None:
    text = SMALL + '    roles: [{role: web, page: "{{student}} {student} a{b: c} {{x} }}"}]\n'
    (role,) = load_topology(write(text)).machines["one"].roles
    assert isinstance(role, WebRole)
    assert role.page == "{student} theodore a{b: c} {x} }}"


def test_adapters_get_the_slot_of_their_place(write: Write) -> None:
    text = SMALL.replace("}]\n", "}, {network: lan, slot: 5}, {network: lan}]\n")
    assert [adapter.slot for adapter in load_topology(write(text)).machines["one"].adapters] == [1, 5, 3]
