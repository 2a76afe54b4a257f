"""The types of parameters: checked at `--set`, for defaults, and for what a topology gives to a part."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.unit.topology.language_world import made, said
from tests.unit.topology.test_schema import errors
from vboxlab.errors import TopologyInvalid, UsageError
from vboxlab.topology.loader import load_topology

TEXT = """\
lab: small
base: debian12
parameters:
  gate: {type: address, default: 192.168.7.1}
  net: {type: network, default: 192.168.7.0/24}
  who: {type: name, default: theodore}
  count: {type: number, default: "2", min: 1, max: 20}
  free: {type: number, default: "-5"}
  mode: {type: choice, default: a, choices: [a, b]}
  key: {type: secret, default: students}
  said: {default: "anything: at all"}
networks:
  lan: {subnet: "{net}"}
machines:
  "m-{n}":
    for each: {n: "1..{count}"}
    hostname: "{who}-{n}"
    adapters: [{network: lan, address: "192.168.7.{n+1}/24"}]
    roles: [{role: web, page: "{n} {count+1} {free+1} {said}"}]
"""
FITTING = {
    "gate": ["10.0.0.1"],
    "net": ["10.0.0.0/8", "192.168.7.0/24"],
    "who": ["a", "alice-2"],
    "count": ["1", "20"],
    "free": ["0", "-999999999"],
    "mode": ["b"],
    "key": ["k1", "a.b-c_d"],
    "said": ["", "{{x}} é"],
}
UNFIT = {
    "gate": (["10.0.0", "10.0.0.1/24", "::1", ""], "expected an IPv4 address such as 192.168.200.51"),
    "net": (["10.0.0.0", "192.168.7.1/24", "10.0.0.0/33"], "expected a network such as 192.168.200.0/24"),
    "who": (["a.b", "-a", "a b", "", "é", "a" * 64], "expected 1 to 63 letters, digits and hyphens, with no hyphen"),
    "count": (["0", "21", "two", "1.5", ""], "expected a whole number from 1 to 20"),
    "free": (["1e3", "+1", "0x1"], "expected a whole number"),
    "mode": (["c"], "expected one of a, b"),
    "key": (["../x", "a b", ""], "expected the name of a secret of the lab: letters, digits, `.`, `-` and `_`"),
}


def with_default(name: str, default: str) -> str:
    """Return the topology with another default of a parameter."""
    return re.sub(rf'(?m)^(  {name}: .*default: )("[^"]*"|[^,}}]*)', rf'\1"{default}"', TEXT)


@pytest.mark.parametrize(("name", "value"), [(name, value) for name in FITTING for value in FITTING[name]])
def test_a_value_that_fits_is_taken(name: str, value: str) -> None:
    assert made(TEXT.replace('subnet: "{net}"', ""), **{name: value}).values[name] == value


@pytest.mark.parametrize(("name", "value"), [(name, value) for name in UNFIT for value in UNFIT[name][0]])
def test_a_value_that_does_not_fit_is_refused_with_what_is_expected(name: str, value: str) -> None:
    with pytest.raises(UsageError) as caught:
        made(TEXT, **{name: value})
    assert caught.value.details[0].startswith(UNFIT[name][1])
    shown = "…" if name == "key" else value
    assert caught.value.brief.startswith(f"--set {name}={shown}: ")


@pytest.mark.parametrize(("name", "value"), [("gate", "10.0.0"), ("count", "21"), ("key", "my secret"), ("mode", "c")])
def test_a_default_that_does_not_fit_is_told_where_it_stands(name: str, value: str) -> None:
    line = next(n for n, text in enumerate(TEXT.splitlines(), start=1) if text.startswith(f"  {name}: "))
    (problem,) = [problem for problem in said(with_default(name, value)) if problem.startswith(f"{line}:")]
    code = "default-not-a-choice" if name == "mode" else "unfit-value"
    assert f"[{code}] the default `{'…' if name == 'key' else value}` of parameter `{name}` " in problem
    assert UNFIT[name][1] in problem


def test_a_number_is_counted_up_from_wherever_it_stands() -> None:
    machine = made(TEXT, count="9", free="3").machines["m-9"]
    assert machine.roles[0].model_dump()["page"] == "9 10 4 anything: at all"
    assert made(TEXT).machines["m-1"].roles[0].model_dump()["page"] == "1 3 -4 anything: at all"


@pytest.mark.parametrize(
    ("before", "after", "problem"),
    [
        ("max: 20", "max: 0", "7:3: [wrong-value] parameter `count`: `min` is above `max`; expected the lower number"),
        ('type: number, default: "2"', 'default: "2"', "7:3: [wrong-value] parameter `count`: `min` and `max` are for"),
        (", choices: [a, b]", "", "9:3: [wrong-value] parameter `mode`: a choice needs `choices`; expected the values"),
        ("type: name", "type: nmae", "6:15: [wrong-value] `type` of parameter `who` is `nmae`; expected one of text"),
        ("type: choice, default: a, choices: [a, b]", 'type: number, default: "1", choices: ["1", b]',
         "9:53: [unfit-value] the choice `b` of parameter `mode` does not fit its type; expected a whole number"),
    ],
)  # fmt: skip
def test_a_wrong_declaration_is_told(before: str, after: str, problem: str) -> None:
    found = said(TEXT.replace(before, after))
    assert [each for each in found if each.startswith(problem)], found


def test_types_are_no_part_of_what_a_lab_is() -> None:
    plain = TEXT.replace("type: address, ", "").replace("type: network, ", "").replace("type: name, ", "")
    assert made(TEXT).digest == made(plain).digest


def test_a_parts_values_are_checked_too(tmp_path: Path) -> None:
    (tmp_path / "parts").mkdir()
    part = (
        "part: x\nparameters:\n  gate: {type: address}\n  count: {type: number, default: '1', max: 3}\nnetworks:\n"
        "  lan: {}\nmachines:\n  m-{n}: {for each: {n: '1..{count}'}, hostname: 'm-{n}-{count+1}',"
        " adapters: [{network: lan, address: '{gate}/24', when: {n: '1'}}, {network: lan}]}\n"
    )
    (tmp_path / "parts" / "x.yaml").write_text(part)
    head = "lab: small\nbase: debian12\nparameters: {clients: {default: '2'}}\n"
    path = tmp_path / "t.yaml"
    path.write_text(head + "parts: [{part: x, gate: 10.0.0.1, count: '{clients}'}]\n")
    topology = load_topology(path)
    assert [machine.hostname for machine in topology.machines.values()] == ["m-1-3", "m-2-3"]
    for gate, clients, where, expected in (
        ("10.0.0", "2", "4:25: [wrong-value] parameter `gate` cannot be `10.0.0`", "an IPv4 address such as"),
        ("10.0.0.1", "4", "4:42: [wrong-value] parameter `count` cannot be `4`", "a whole number of at most 3"),
    ):
        path.write_text(head + f"parts: [{{part: x, gate: {gate}, count: '{{clients}}'}}]\n")
        with pytest.raises(TopologyInvalid) as caught:
            load_topology(path, {"clients": clients})
        assert caught.value.details[0].startswith(f"{path}:{where}; expected {expected}")
    (tmp_path / "parts" / "x.yaml").write_text(part.replace("default: '1'", "default: '9'"))
    path.write_text(head + "parts: [{part: x, gate: 10.0.0.1}]\n")
    with pytest.raises(TopologyInvalid) as caught:
        load_topology(path)
    assert "x.yaml:4:34: [unfit-value] the default `9` of parameter `count` does not fit" in caught.value.details[0]


def test_the_schema_knows_them() -> None:
    assert errors(TEXT) == []
    assert errors(TEXT.replace("type: name", "type: nmae")) == ["parameters/who/type"]
