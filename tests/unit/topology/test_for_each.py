"""`for each`: what is repeated is as if each turn had been written out."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Interface

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.topology.language_world import made, said
from tests.unit.topology.test_schema import errors
from vboxlab.errors import TopologyInvalid

START = """\
lab: small
base: debian12
parameters:
  clients: {default: "3"}
  student: {default: theodore}
networks:
  lan: {subnet: 192.168.7.0/24}
machines:
"""
CLIENT = """\
  client-{n}:
    for each: {n: "1..{clients}"}
    hostname: client-{n}-{student}
    adapters: [{network: lan, address: "192.168.7.{n+10}/24"}]
    roles: [{role: web, page: "{{n}} {n} a{n+1}b {student}"}]
"""
SERVER = """\
  server:
    hostname: server
    adapters: [{network: lan, address: 192.168.7.1/24}]
    dns: [{for each: {n: 1..2}, value: "192.168.7.{n+1}"}, 192.168.7.1]
    roles:
      - role: dns
        zone: small.local
        records:
          - {name: server, address: 192.168.7.1}
          - for each: {n: "1..{clients}"}
            name: client-{n}
            address: 192.168.7.{n+10}
"""
VERIFY = """\
verify:
  - for each: {n: 1..2}
    check: ping
    from: client-{n}
    to: "192.168.7.{n+10}"
"""


def client(n: int, student: str = "theodore") -> str:
    return (
        f"  client-{n}:\n    hostname: client-{n}-{student}\n"
        f"    adapters: [{{network: lan, address: 192.168.7.{n + 10}/24}}]\n"
        f'    roles: [{{role: web, page: "{{{{n}}}} {n} a{n + 1}b {student}"}}]\n'
    )


def test_machines_names_addresses_and_elements_are_counted_up() -> None:
    topology = made(START + CLIENT + SERVER)
    assert list(topology.machines) == ["client-1", "client-2", "client-3", "server"]
    third = topology.machines["client-3"]
    assert (third.name, third.hostname) == ("client-3", "client-3-theodore")
    assert third.adapters[0].address == IPv4Interface("192.168.7.13/24")
    assert third.roles[0].model_dump()["page"] == "{n} 3 a4b theodore"
    server = topology.machines["server"]
    assert server.dns == tuple(map(IPv4Address, ("192.168.7.2", "192.168.7.3", "192.168.7.1")))
    records = [(each["name"], str(each["address"])) for each in server.roles[0].model_dump()["records"]]
    assert records == [
        ("server", "192.168.7.1"),
        ("client-1", "192.168.7.11"),
        ("client-2", "192.168.7.12"),
        ("client-3", "192.168.7.13"),
    ]


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 30), st.sampled_from(["theodore", "zoe"]))
def test_a_loop_is_what_one_would_write_by_hand(clients: int, student: str) -> None:
    by_hand = START + "".join(client(n, student) for n in range(1, clients + 1))
    values = {"clients": str(clients), "student": student}
    looped, plain = made(START + CLIENT, **values), made(by_hand, **values)
    assert looped == plain
    assert looped.digest == plain.digest


def test_a_range_may_be_empty_or_a_list() -> None:
    assert list(made(START + CLIENT + SERVER, clients="0").machines) == ["server"]
    words = CLIENT.replace("client-{n}:", '"{who}":').replace("client-{n}-{student}", '"{who}-{student}"')
    words = words.replace('n: "1..{clients}"', "who: [alice, bob], n: 1..2")
    assert list(made(START + words).machines) == ["alice", "bob"]
    assert made(START + words).machines["bob"].adapters[0].address == IPv4Interface("192.168.7.12/24")


def test_networks_and_steps_are_repeated() -> None:
    text = START.replace("  lan: {", '  net-{n}: {for each: {n: 1..3}, subnet: "10.{n+1}.0.0/16"}\n  lan: {')
    topology = made(text + CLIENT + SERVER + VERIFY)
    assert {name: str(network.subnet) for name, network in topology.networks.items()} == {
        "net-1": "10.2.0.0/16", "net-2": "10.3.0.0/16", "net-3": "10.4.0.0/16", "lan": "192.168.7.0/24",
    }  # fmt: skip
    steps = [step.model_dump() for step in topology.verify.steps]
    assert [(step["source"], step["to"]) for step in steps] == [
        (("client-1",), ("192.168.7.11",)),
        (("client-2",), ("192.168.7.12",)),
    ]


def test_a_condition_may_be_on_a_turn() -> None:
    text = START + CLIENT.replace("    hostname", '    when: {n: ["1", "3"]}\n    hostname')
    assert list(made(text).machines) == ["client-1", "client-3"]
    step = "{for each: {n: 1..3}, check: ping, from: client-1, to: 'client-{n}', when: {n: '2', student: zoe}}"
    topology = made(f"{START}{CLIENT}verify:\n  - {step}\n")
    assert [(each.model_dump()["to"], each.when) for each in topology.verify.steps] == [
        (("client-2",), {"student": "zoe"})
    ]


def test_anchors_and_merges_inside_a_loop_are_what_they_are_outside() -> None:
    text = CLIENT.replace("    adapters:", "    adapters: &there").replace("  client-{n}:", "  client-{n}: &client")
    text += "  other-{n}:\n    <<: *client\n    for each: {n: 21..22}\n    hostname: other-{n}\n"
    topology = made(START + text)
    assert list(topology.machines) == ["client-1", "client-2", "client-3", "other-21", "other-22"]
    assert topology.machines["other-22"].adapters[0].address == IPv4Interface("192.168.7.32/24")
    outside = "  last:\n    hostname: last\n    adapters: *there\n"
    (problem,) = said(START + text + outside)
    assert problem.startswith("12:47: [bad-address] `address` of adapter 1 of machine `last` is `192.168.7.{n+10}/24`")


def test_braces_outside_of_loops_are_what_they_were() -> None:
    text = START + client(1).replace("{{n}}", "{a+1} {clients+1}")
    assert made(text).machines["client-1"].roles[0].model_dump()["page"] == "{a+1} {clients+1} 1 a2b theodore"


def test_a_mistake_in_each_turn_is_told_once() -> None:
    assert said(START + CLIENT.replace("network: lan", "network: lna"), clients="5") == [
        "12:26: [unknown-network] there is no network `lna`; expected lan; did you mean `lan`? (turn n=1, and 4 more)"
    ]
    two = said(START + CLIENT.replace("hostname", "hostnam").replace("page:", "pgae:"))
    assert [problem.split("] `")[0] for problem in two] == ["11:5: [unknown-key", "13:25: [unknown-key"]


def test_a_mistake_in_some_turns_names_the_first() -> None:
    reserved, bad = sorted(said(START + CLIENT.replace("{n+10}", "{n+251}"), clients="9"))
    assert reserved == (
        "12:40: [address-reserved] 192.168.7.255 of `enp0s3` of machine `client-4` is the broadcast address of "
        "192.168.7.0/24; expected an address from 192.168.7.1 to 192.168.7.254 (turn n=4)"
    )
    assert bad.startswith("12:40: [bad-address] `address` of adapter 1 of machine `client-5` is `192.168.7.256/24`; ")
    assert bad.endswith("(turn n=5, and 4 more)")


def test_names_made_twice_are_told_where_they_are_written() -> None:
    (problem,) = said(START + CLIENT.replace("  client-{n}:", "  client:"))
    assert problem == (
        "9:3: [duplicate-key] each turn of `for each` makes `client`; expected a key with `{n}` in it "
        "(turn n=2, and 1 more)"
    )
    assert said(START + client(2) + CLIENT) == [
        "13:3: [duplicate-key] key `client-2` stands twice; expected it once (the first is on line 9) (turn n=2)"
    ]


def test_a_hole_that_no_one_knows_is_told_with_the_names_of_the_loop() -> None:
    (problem,) = said(START + CLIENT.replace("{n+10}", "{m+10}"))
    assert "[unknown-parameter] `{m}` is no parameter of this topology; expected one of clients, student, n" in problem


def test_loops_that_explode_end_soon() -> None:
    big = CLIENT.replace('"1..{clients}"', "1..900") + "    dns: [" + ", ".join(["192.168.7.1"] * 30) + "]\n"
    with pytest.raises(TopologyInvalid, match=r"\[too-large\] `for each` makes more than 20000 values"):
        made(START + big)


def test_the_schema_knows_it() -> None:
    assert errors(START + CLIENT + SERVER + VERIFY) == []
    assert errors(START + CLIENT.replace('"1..{clients}"', "[1, two]")) == []
    assert errors(START + CLIENT.replace('"1..{clients}"', "5")) == ["machines/client-{n}/for each/n"]
