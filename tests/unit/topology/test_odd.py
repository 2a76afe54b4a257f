"""Topologies that nobody means to write, and what is said of them: once, and of what is wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.topology.language_world import made, said
from tests.unit.topology.test_schema import errors
from vboxlab.errors import TopologyInvalid
from vboxlab.topology.loader import load_topology

HEAD = """\
lab: small
base: debian12
parameters: {mode: {default: x}, number: {type: number, default: "7"}}
networks: {lan: {subnet: 192.168.7.0/24}}
"""
ONE = HEAD + "machines:\n  one: {hostname: one, adapters: [{network: lan, address: 192.168.7.1/24}]}\n"


def test_keys_take_parameters_as_values_do() -> None:
    text = HEAD + (
        "disks: {'d-{mode}': {size: 1 MiB}}\n"
        "machines:\n  one-{mode}: {hostname: one, adapters: [{network: lan}], disks: [{shared: 'd-{mode}'}]}\n"
    )
    assert [*made(text).machines, *made(text, mode="y").disks] == ["one-x", "d-y"]
    assert errors(text) == []
    (problem,) = said(text.replace("one-{mode}", "one-{mood}"))
    assert problem == (
        "7:3: [unknown-parameter] `{mood}` is no parameter of this topology; expected one of mode, number "
        "(a literal brace is written `{{`); did you mean `mode`?"
    )


@pytest.mark.parametrize(
    ("loop", "problem"),
    [
        (
            "{n: [a, b, a]}",
            "6:3: [duplicate-key] two turns of `for each` make `m-a`; expected values that differ (turn",
        ),
        ("{n: [a, {b: c}]}", "7:5: [bad-loop] value 2 of `n` of `for each` is keys and values; expected text"),
        ("{n: [a, null]}", "7:5: [bad-loop] value 2 of `n` of `for each` is empty; expected text"),
        (
            "{n: ['\u202e']}",
            "6:3: [bad-machine-name] the machine's name `m-\u202e` contains U+202E, which nobody sees;",
        ),
        ("{n: ['\u00a0x']}", "6:3: [bad-machine-name] the machine's name `m-\u00a0x` contains U+00A0, which nobody"),
    ],
)
def test_what_a_loop_goes_through(loop: str, problem: str) -> None:
    text = f"machines:\n  m-{{n}}:\n    for each: {loop}\n    hostname: m\n    adapters: []\n"
    assert any(found.startswith(problem) for found in said(HEAD + text.replace("hostname: m", "hostname: 'm{n}'")))


def test_a_loop_in_a_loop_is_all_that_is_told_of_it() -> None:
    inner = "{for each: {j: 1..2}, network: lan, address: '192.168.7.{j+10}/24', gateway: '192.168.7.{j}'}"
    text = f"machines:\n  m-{{i}}: {{for each: {{i: 1..2}}, hostname: 'm{{i}}', adapters: [{inner}]}}\n"
    (problem,) = said(HEAD + text)
    assert "[nested-loop]" in problem


@pytest.mark.parametrize("where", ["machines", "verify"])
def test_a_condition_that_is_never_met(where: str) -> None:
    machine = "  two: {when: {mode: []}, hostname: two, adapters: []}\n"
    step = "verify: [{check: ping, from: one, to: 192.168.7.1, when: {mode: []}}]\n"
    (problem,) = said(ONE + (machine if where == "machines" else step))
    if where == "machines":
        assert problem == (
            "7:9: [wrong-type] `when` of machine `two` is no condition; expected `parameter: value`, or "
            "`parameter: [value, value]`"
        )
    else:
        assert problem == (
            "7:59: [wrong-type] `mode` of `when` of step 1 of `verify` is an empty list, so that it is never met; "
            "expected one value or several"
        )


def test_an_address_that_is_counted_past_its_end() -> None:
    text = ONE + "verify:\n  - {for each: {n: 1..3}, check: ping, from: one, to: ['192.168.7.{n+253}', host.test]}\n"
    (problem,) = said(text)
    assert problem == (
        "8:56: [bad-address] `192.168.7.256` is no IPv4 address; expected one such as 192.168.200.51, or the name of a "
        "machine (turn n=3)"
    )


def test_a_value_that_does_not_fit_is_all_that_is_told() -> None:
    text = ONE.replace('"7"', '" 7"').replace("address: 192.168.7.1/24", "address: '192.168.{number}.1/24'")
    (problem,) = said(text)
    assert problem == (
        "3:66: [unfit-value] the default ` 7` of parameter `number` does not fit its type; expected a whole number"
    )


def test_shared_disks_are_told_apart_on_every_host() -> None:
    (problem,) = said(ONE + "disks: {quorum: {size: 1 MiB}, Quorum: {size: 1 MiB}}\n")
    assert problem == (
        "7:32: [duplicate-name] shared disk `Quorum` differs from `quorum` only in upper and lower case; "
        "expected another name"
    )


def test_a_disk_that_is_wrong_is_told_once() -> None:
    text = ONE.replace("]}", "], disks: [{shared: quorum}]}", 1) + "disks: {quorum: {size: 1 KiB}}\n"
    (problem,) = said(text)
    assert problem.startswith("7:24: [wrong-value] `size` of shared disk `quorum` is `1 KiB`; expected a size such as")


def test_memory_that_no_computer_has() -> None:
    (problem,) = said(ONE.replace("hostname: one", "hostname: one, memory: 99999999999999999999"))
    assert problem.startswith(
        "6:32: [out-of-range] `memory` of machine `one` is `99999999999999999999`; expected a whole"
    )


PARTS = {
    "verify: {steps: []}\n": (
        "parts/odd.yaml:2:1: [wrong-type] `verify` of a part is keys and values; expected a list of steps "
        "(`- …` lines, or `[…]`) (in part `odd`)"
    ),
    "parameters: {n: {type: number, default: '1', max: 5}}\nnetworks: {x: {subnet: '10.{n}.0.0/24'}}\n": (
        "t.yaml:7:24: [wrong-value] parameter `n` cannot be `300`; expected a whole number of at most 5"
    ),
    "machines:\n  two: {hostname: two, adapters: [], roles: [{role: files, files: [{path: /x, template: t.txt}]}]}\n": (
        "parts/t.txt:1:7: [unknown-parameter] `{who}` is no parameter of this part; expected none, as the file "
        "declares no parameters (a literal brace is written `{{`) (in part `odd`)"
    ),
}


@pytest.mark.parametrize("part", PARTS)
def test_what_is_odd_in_a_part(tmp_path: Path, part: str) -> None:
    (tmp_path / "parts").mkdir()
    (tmp_path / "parts" / "odd.yaml").write_text(f"part: odd\n{part}", encoding="utf-8")
    (tmp_path / "parts" / "t.txt").write_text("hello {who}\n", encoding="utf-8")
    value = ", n: '300'" if "number" in part else ""
    (tmp_path / "t.yaml").write_text(f"{ONE}parts: [{{part: odd{value}}}]\n", encoding="utf-8")
    with pytest.raises(TopologyInvalid) as caught:
        load_topology(tmp_path / "t.yaml")
    assert [detail.replace(f"{tmp_path}/", "") for detail in caught.value.details] == [PARTS[part]]
