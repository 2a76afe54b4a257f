"""`when`: what is left out is as if it had not been written."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from tests.unit.topology.language_world import made, said
from tests.unit.topology.test_schema import errors

TEXT = """\
lab: small
base: debian12
parameters:
  site: {default: one, choices: [one, two, three]}
  student: {default: theodore}
networks:
  lan: {subnet: 192.168.7.0/24}
  other: {subnet: 192.168.8.0/24, when: {site: [two, three]}}
machines:
  a:
    hostname: a
    adapters:
      - {network: lan, address: 192.168.7.1/24}
      - {network: other, address: 192.168.8.1/24, when: {site: [two, three]}}
    roles:
      - {role: time}
      - {role: web, page: hello, when: {site: one}}
      - role: dns
        zone: small.local
        records: [{name: a, address: 192.168.7.1}, {name: b, address: 192.168.8.2, when: {site: two}}]
    dns: [192.168.7.1, {value: 192.168.8.2, when: {site: two}}]
    stages:
      first: [{role: ssh_server}]
      second: [{role: client}]
  b:
    when: {site: two, student: [theodore, zoe]}
    hostname: b
    adapters: [{network: other, address: 192.168.8.2/24}]
stages:
  - {name: first}
  - {name: second, when: {site: [one, two]}}
verify:
  - {check: ping, from: a, to: b, when: {site: two}}
  - {check: ping, from: a, to: 192.168.7.1, when: {site: [one, three]}}
"""


def written_out(site: str) -> str:
    """Return the topology as one would write it for one value of the parameter, without any `when`."""
    values = {"site": site, "student": "theodore"}

    def is_there(item: Any) -> bool:
        when = item.get("when", {}) if isinstance(item, dict) else {}
        return all(values[name] == each or values[name] in list(each) for name, each in when.items())

    def plain(item: Any) -> Any:
        if isinstance(item, list):
            return [plain(each) for each in item if is_there(each)]
        if not isinstance(item, dict):
            return item
        rest = {key: plain(each) for key, each in item.items() if key != "when" and is_there(each)}
        return rest.get("value", rest)

    found = plain(yaml.safe_load(TEXT))
    stages = [stage["name"] for stage in found["stages"]]
    machine = found["machines"]["a"]
    machine["stages"] = {name: roles for name, roles in machine["stages"].items() if name in stages}
    return str(yaml.safe_dump(found, sort_keys=False))


@pytest.mark.parametrize("site", ["one", "two", "three"])
def test_what_is_left_out_is_as_if_it_had_not_been_written(site: str) -> None:
    mine, plain = made(TEXT, site=site), made(written_out(site), site=site)
    assert mine.model_dump(exclude={"verify"}) == plain.model_dump(exclude={"verify"})
    assert mine.digest == plain.digest
    steps = [step.model_dump(exclude={"when"}) for step in mine.verify.applying(mine.values)]
    assert steps == [step.model_dump(exclude={"when"}) for step in plain.verify.steps]


def test_each_condition_decides_by_itself() -> None:
    two = made(TEXT, site="two")
    assert list(two.machines) == ["a", "b"]
    assert [role.role for role in two.machines["a"].roles] == ["time", "dns"]
    assert two.stage_order == ("first", "second")
    three = made(TEXT, site="three")
    assert list(three.machines["a"].stages) == ["first"], "a stage takes along what machines are in it"
    assert list(made(TEXT.replace("a, to: b", "a, to: a"), site="two", student="alice").machines) == ["a"]


def test_one_of_several_values_is_enough_for_steps_too() -> None:
    for site, targets in (("one", ("192.168.7.1",)), ("two", ("b",)), ("three", ("192.168.7.1",))):
        topology = made(TEXT, site=site)
        (step,) = topology.verify.only(topology.values, ()).steps
        assert step.model_dump()["to"] == targets


def test_who_names_what_is_left_out_is_told_why() -> None:
    text = TEXT.replace(", when: {site: two}}\n  - {check", "}\n  - {check")
    why = "leaves out {}, as `site` is `one` (line {}); expected something that is there, or the same `when` here"
    assert said(text, site="one") == ["33:32: [unknown-machine] `when` " + why.format("machine `b`", 26)]
    text = TEXT.replace("192.168.8.1/24, when: {site: [two, three]}", "192.168.8.1/24")
    assert said(text, site="one") == ["14:19: [unknown-network] `when` " + why.format("network `other`", 8)]


@pytest.mark.parametrize(
    ("when", "problem"),
    [
        ("two", "26:5: [wrong-type] `when` of machine `b` is no condition; expected `parameter: value`, or"),
        ("[site]", "26:5: [wrong-type] `when` of machine `b` is no condition; expected `parameter: value`, or"),
        ("{site: {a: b}}", "26:5: [wrong-type] `when` of machine `b` is no condition; expected `parameter: value`"),
        ("{sight: two}", "26:12: [unknown-condition] `when` asks for parameter `sight`, which is not declared; "),
        ("{site: tow}", "26:18: [unknown-condition] parameter `site` cannot be `tow`; expected one of one, two, three"),
        ("{site: [two, tow]}", "26:12: [unknown-condition] parameter `site` cannot be `tow`; expected one of one, "),
    ],
)
def test_a_wrong_condition_is_said_once_where_it_stands(when: str, problem: str) -> None:
    (found,) = said(TEXT.replace("{site: two, student: [theodore, zoe]}", when), site="two")
    assert found.startswith(problem)


def test_a_merged_condition_counts_too() -> None:
    text = TEXT.replace("  b:\n", "  b: &b\n").replace(
        "stages:\n  - {name: first}",
        "  c:\n    <<: *b\n    hostname: c\n    adapters: [{network: lan}]\nstages:\n  - {name: first}",
    )
    assert list(made(text, site="two").machines) == ["a", "b", "c"]
    assert list(made(text, site="one").machines) == ["a"]


def test_the_schema_knows_it() -> None:
    assert errors(TEXT) == []
    assert errors(TEXT.replace("site: two, student: [theodore, zoe]", "site: [{}]")) == ["machines/b/when/site"]
    assert errors(TEXT.replace("value: 192.168.8.2", "valeu: 192.168.8.2")) == ["machines/a/dns/1"]
