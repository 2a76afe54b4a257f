"""Whatever a file says, it is a topology or TopologyInvalid with positions in the file; never another exception."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from vboxlab.errors import TopologyInvalid
from vboxlab.topology.catalog import FoundParts
from vboxlab.topology.expansion import expand
from vboxlab.topology.loader import NO_PARTS, Beside, snapshot_set_of, topology_of
from vboxlab.topology.model import SnapshotSet, Topology
from vboxlab.topology.parameters import fill, names_in, scope_of
from vboxlab.topology.source import look, parse_source

PATH = Path(__file__).parents[3] / "topologies" / "failover.yaml"
FAILOVER = PATH.read_text(encoding="utf-8")
PARTS = FoundParts(PATH)
LINES = FAILOVER.splitlines(keepends=True)
WORDS = sorted(set(re.findall(r"[\w.-]+|[{}\[\]:,&*<>|!'\"#?-]", FAILOVER)))

SMALL = """\
lab: small
base: debian12
parameters: {student: {default: theodore}}
networks: {lan: {subnet: 192.168.7.0/24}}
machines:
  one:
    hostname: one-{student}
    adapters: [{network: lan, address: 192.168.7.1/24}]
    stages: {cluster: [{role: heartbeat, address: 192.168.7.5/24, nodes: [one, two]}]}
  two:
    hostname: two-{student}
    adapters: [{network: lan, address: 192.168.7.2/24, gateway: 192.168.7.1}]
    stages: {cluster: [{role: heartbeat, address: 192.168.7.5/24, nodes: [one, two]}]}
stages: [{name: cluster, snapshot: done}]
verify: [{check: ping, from: one, to: two}]
"""

SOME = settings(max_examples=60, deadline=None)
FEW = settings(max_examples=20, deadline=None)

SCALARS = st.one_of(st.sampled_from(WORDS), st.text(max_size=8), st.integers(), st.booleans(), st.none())
KEYS = st.sampled_from(
    [word for word in WORDS if word.isidentifier()] + ["from", "<<", "0", "when", "for each", "value", "part"]
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(KEYS, inner, max_size=4)),
    max_leaves=12,
)


def check(text: str) -> None:
    for make in (topology_of, snapshot_set_of):
        try:
            source = parse_source(text, "t.yaml")
            made = (
                topology_of(source, {}, "t", beside=Beside(PARTS))
                if make is topology_of
                else snapshot_set_of(source, "t")
            )
        except TopologyInvalid as error:
            assert len(error.details) > 0, error  # noqa: PT017  # only what is raised can be looked at
            lines = max(1, text.count("\n") + text.count("\r") + text.count("\x85") + text.count("\u2028") + 2)
            for detail in error.details:
                if detail.startswith(f"{PATH.parent / 'parts'}/"):
                    continue
                found = re.match(r"t\.yaml:(\d+):(\d+): \[[a-z0-9-]+\] ", detail)
                assert found, detail
                assert 1 <= int(found[1]) <= lines
            str(error).encode()
        else:
            assert isinstance(made, Topology | SnapshotSet)


@SOME
@given(st.text(max_size=60))
def test_any_text(text: str) -> None:
    check(text)


@SOME
@given(st.lists(st.sampled_from([*WORDS, "\n", "\n  ", "\n    ", " ", ": ", "- ", "\t"]), max_size=40))
def test_any_words_of_a_topology(words: list[str]) -> None:
    check("".join(words))


@FEW
@given(st.data())
def test_a_topology_with_lines_changed(data: st.DataObject) -> None:
    lines = list(LINES)
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(lines) - 1))
        change = data.draw(st.sampled_from(["drop", "double", "word", "indent", "value"]))
        if change == "drop":
            del lines[at]
        elif change == "double":
            lines.insert(at, lines[at])
        elif change == "indent":
            lines[at] = "  " + lines[at]
        elif change == "value":
            lines[at] = lines[at].split(":")[0] + ": " + data.draw(st.sampled_from(WORDS)) + "\n"
        else:
            lines[at] = data.draw(st.sampled_from(WORDS)).join(lines[at].rsplit(" ", 1))
    check("".join(lines))


@SOME
@given(
    st.sampled_from(["lab", "networks", "machines", "stages", "parameters", "verify", "from", "base", "parts"]), VALUES
)
def test_a_topology_with_a_section_of_anything(section: str, value: Any) -> None:
    topology = yaml.safe_load(SMALL)
    topology[section] = value
    check(yaml.safe_dump(topology, allow_unicode=True))


@SOME
@given(st.sampled_from(["hostname", "adapters", "stages", "roles", "dns", "adopt", "when", "for each"]), VALUES)
def test_a_machine_with_a_key_of_anything(key: str, value: Any) -> None:
    topology = yaml.safe_load(SMALL)
    topology["machines"]["two"][key] = value
    check(yaml.safe_dump(topology, allow_unicode=True))


@SOME
@given(st.text(alphabet="{}ab c", max_size=20), st.dictionaries(st.sampled_from(["a", "b"]), st.text(max_size=5)))
def test_filling_twice_is_safe_without_holes(text: str, values: dict[str, str]) -> None:
    filled = fill(text, {})
    assert len(filled) <= len(text)
    if "{" not in text:
        assert fill(text, values) == text
        assert names_in(text) == ()


@SOME
@given(st.text(max_size=20).filter(lambda text: "{" not in text and "}" not in text))
def test_a_value_is_put_in_as_it_is(value: str) -> None:
    assert fill("<{a}|{b}>", {"a": value}) == f"<{value}|{{b}}>"


@SOME
@given(st.sampled_from(["networks", "machines", "stages", "verify", "domain"]), VALUES)
def test_what_uses_no_key_of_expansion_is_what_it_was(section: str, value: Any) -> None:
    topology = yaml.safe_load(SMALL)
    topology[section] = value
    text = yaml.safe_dump(topology, allow_unicode=True, sort_keys=False)
    source = parse_source(text, "t.yaml")
    assume(not re.search(r"\bwhen:|for each:|\bvalue:", text))
    assert isinstance(source.data, dict)
    expanded = expand(source, source.data, scope_of(source, {"student": "theodore"}), NO_PARTS)
    assert expanded.source.data == source.data
    assert expanded.source.spots == {place: source.spots[place] for place in expanded.source.spots}
    assert look(expanded.data, ("machines", "two", "hostname")) in (None, "two-theodore") or section == "machines"
