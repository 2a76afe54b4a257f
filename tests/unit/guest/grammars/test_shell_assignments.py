"""The reader of files of assignments agrees with dash; the judge of /etc/default/ipvsadm with its init script."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.corpus import variants
from tests.unit.guest.guest_root import GuestRoot, guest_root
from vboxlab.guest.facts import Facts, FileFact
from vboxlab.guest.grammars.shell_assignments import read_shell_file
from vboxlab.guest.slips import slips
from vboxlab.roles.lvs.slips import DEFAULTS

VARIANTS = {variant.name: variant for variant in variants("ipvsadm_defaults")}
# What only running the file could tell.
UNCLEAR = {
    "another-file", "arithmetic", "backquotes", "bad-substitution", "block", "brace-not-closed",
    "command-substitution", "command-substitution-to-another", "function", "here-document", "if", "if-not",
    "less-than", "parenthesis-open", "tilde",
}  # fmt: skip


@pytest.mark.parametrize("name", sorted(VARIANTS.keys() - UNCLEAR))
def test_the_reader_agrees_with_dash(name: str) -> None:
    meaning, read = VARIANTS[name].meaning, read_shell_file(VARIANTS[name].content)
    assert (read.refused is not None) == (meaning is None)
    assert read.unclear is None
    if meaning is not None:
        assert {name: each.value for name, each in read.variables.items()} == meaning["variables"]


@pytest.mark.parametrize("name", sorted(UNCLEAR))
def test_what_only_running_could_tell_is_said_to_be_unclear(name: str) -> None:
    read = read_shell_file(VARIANTS[name].content)
    unknown = [variable for variable, each in read.variables.items() if each.value is None]
    assert read.unclear is not None or len(unknown) == 1
    known = (VARIANTS[name].meaning or {"variables": {}})["variables"]
    if read.unclear is None:
        rest = {variable: each.value for variable, each in read.variables.items() if each.value is not None}
        assert rest == {variable: value for variable, value in known.items() if variable not in unknown}


def test_the_corpus_is_wide_enough() -> None:
    other = [variant for variant in VARIANTS.values() if not variant.is_same]
    assert len(other) * 3 >= len(VARIANTS) >= 12


QUOTED = st.sampled_from(["{}", '"{}"', "'{}'", '""{}', "{}''", "\\{}"])
NOISE = st.sampled_from(["", "# x", "   # AUTO=false", "\t", "#\u00e9 '", "FOO=bar", "true"])


@st.composite
def same_meaning(draw: st.DrawFn) -> str:
    """Return assignments in other words than ours."""
    lines = []
    for name, value in draw(st.permutations([("AUTO", "true"), ("DAEMON", "master"), ("IFACE", "enp0s3")])):
        lines.append(draw(NOISE))
        if draw(st.booleans()):
            lines.append(f"{name}=other")
        before, after = (
            draw(st.sampled_from(["", "  ", "export ", "\t"])),
            draw(st.sampled_from(["", " ", ";", " # x"])),
        )
        lines.append(f"{before}{name}={draw(QUOTED).format(value)}{after}")
    return "\n".join([*lines, draw(NOISE)]) + draw(st.sampled_from(["", "\n"]))


@given(text=same_meaning())
def test_other_words_keep_the_meaning(text: str) -> None:
    read = read_shell_file(text.encode())
    values = {name: each.value for name, each in read.variables.items() if name != "FOO"}
    assert (values, read.refused, read.unclear) == (
        {"AUTO": "true", "DAEMON": "master", "IFACE": "enp0s3"}, None, None,
    )  # fmt: skip


@given(data=st.binary(max_size=200) | st.text(alphabet="A=\"'\\$`{}()#;&|<>\n x:-", max_size=200).map(str.encode))
def test_no_file_is_too_strange(data: bytes) -> None:
    read = read_shell_file(data)
    assert read.refused is None or read.unclear is None


def test_values_that_grow_without_end_are_given_up() -> None:
    read = read_shell_file(b"A=xxxxxxxx\n" + b"A=$A$A\n" * 5000)
    assert read.variables["A"].value is None


@pytest.fixture(scope="module")
def right(tmp_path_factory: pytest.TempPathFactory) -> tuple[GuestRoot, Facts]:
    """Return a load balancer where all is right, and its facts."""
    root = tmp_path_factory.mktemp("right")
    guest = guest_root(root, "loadbalancing", "load-balancer", "balancing", health="none")
    return guest, guest.facts()


def judged(right: tuple[GuestRoot, Facts], data: bytes) -> list[tuple[str, str]]:
    """Return severity and code of what is found in the defaults, where all else is right."""
    guest, facts = right
    files = {**facts.files, DEFAULTS: FileFact(DEFAULTS, 0o644, "root:root", data)}
    found = slips(guest.place, guest.resources, replace(facts, files=files, answers={}))
    return [(each.severity, each.code) for each in found if each.code not in ("no-health-check", "invisible-character")]


def test_an_error_is_found_where_the_script_does_something_else_and_nowhere_else(
    right: tuple[GuestRoot, Facts],
) -> None:
    def calls(name: str) -> list[str] | None:
        meaning = VARIANTS[name].meaning
        # With one load balancer, which number its daemon's messages have is no matter.
        return None if meaning is None else [call.rpartition("[--syncid]")[0] or call for call in meaning["calls"]]

    for name, variant in VARIANTS.items():
        found = judged(right, variant.content)
        if name in UNCLEAR:
            assert {severity for severity, _code in found} == {"warning"}, (name, found)
        elif calls(name) == calls("ours"):
            assert found == [], (name, found)
        else:
            assert any(severity == "error" for severity, _code in found), (name, found)
