"""The reader of ipvsadm's rules agrees with ipvsadm and the kernel; the judge with both."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.corpus import ROOT, Variant, variants
from tests.unit.guest.guest_root import GuestRoot, guest_root
from vboxlab.guest.facts import Answer, Facts, FileFact
from vboxlab.guest.grammars.ipvsadm import UNWEIGHTED, Table, read_rules
from vboxlab.guest.slips import slips
from vboxlab.roles.lvs.table_slips import AT_BOOT, NOW, RULES

KIND = "ipvsadm_rules"
VARIANTS = {variant.name: variant for variant in variants(KIND)}
OURS = VARIANTS["ours"].content
WORDS = json.loads((ROOT / KIND / "verdicts.json").read_text(encoding="utf-8"))["complaints"]


def meaning(table: Table) -> dict[str, Any]:
    """Return a table as the recorder writes it."""
    found: dict[str, Any] = {}
    for key, each in table.services.items():
        persistence = [] if each.persistence is None else [f"-p {each.persistence}"]
        unweighted = each.scheduler in UNWEIGHTED
        servers = {
            name: {
                "method": server.method,
                "weight": "above 0" if unweighted and server.weight else str(server.weight),
                "options": server.options,
            }
            for name, server in each.servers.items()
        }
        options = " ".join([*persistence, each.options]).strip()
        found[key] = {"scheduler": each.scheduler, "options": options, "servers": servers}
    return found


@pytest.mark.parametrize("name", VARIANTS)
def test_the_reader_agrees_with_the_program(name: str) -> None:
    variant = VARIANTS[name]
    table = read_rules(variant.content)
    assert meaning(table) == (variant.meaning or {})
    is_silent = not WORDS[name] and name != "help-command" and name != "version-command"
    assert (not table.complaints) == is_silent


def test_the_corpus_is_wide_enough() -> None:
    other = [variant for variant in VARIANTS.values() if not variant.is_same]
    assert len(other) * 3 >= len(VARIANTS) >= 12


BLANK = st.sampled_from([" ", "  ", "\t", " \t ", "\r "])
SERVICE = st.sampled_from([["-A"], ["--add-service"]])
VIRTUAL = st.sampled_from([
    ["-t", "192.168.200.5:80"], ["-t192.168.200.5:http"], ["--tcp-service=192.168.200.5:www"],
    ["-t=192.168.200.5:0080"],
])  # fmt: skip
SCHEDULER = st.sampled_from([["-s", "rr"], ["-srr"], ["--scheduler", "rr"], ["-s=rr"]])
METHOD = st.sampled_from([["-m"], ["--masquerading"]])
WEIGHT = st.sampled_from([[], ["-w", "1"], ["-w7"], ["--weight=2"]])
NOISE = st.lists(
    st.sampled_from(["", "#", "# a comment", "  ", "#\u00e9", "ipvsadm", "-Z", "--set 900 120 300"]), max_size=3
)


@st.composite
def same_meaning(draw: st.DrawFn) -> bytes:
    """Return rules in other words than ours: legal spellings, blanks, comments, the servers in any order."""

    def line(*parts: list[str]) -> str:
        words = [word for part in parts for word in part]
        prefix = draw(st.sampled_from([[], ["ipvsadm"]]))
        return draw(BLANK).join([*draw(st.sampled_from([[], [""]])), *prefix, *words]) + draw(
            st.sampled_from(["", " "])
        )

    add = draw(SERVICE)
    lines = [line(add, *draw(st.permutations([draw(VIRTUAL), draw(SCHEDULER)])))]
    for server in draw(st.permutations(["11", "12"])):
        address = draw(st.sampled_from([[f"-r192.168.201.{server}"], ["--real-server", f"192.168.201.{server}:80"]]))
        lines += draw(NOISE)
        rest = [address, *draw(st.permutations([draw(METHOD), draw(WEIGHT)]))]
        lines.append(line(["-a"], draw(VIRTUAL), *rest))
    lines = [*draw(NOISE), *lines, *draw(NOISE)]
    return (draw(st.sampled_from(["\n", "\r\n"])).join(lines) + draw(st.sampled_from(["", "\n"]))).encode()


@given(data=same_meaning())
def test_other_words_keep_the_meaning(data: bytes) -> None:
    assert meaning(read_rules(data)) == meaning(read_rules(OURS))


@given(
    data=st.binary(max_size=200) | st.text(alphabet="-AaEedDtursmgwpC 0123456789.:\n[]=#", max_size=300).map(str.encode)
)
def test_no_file_is_too_strange(data: bytes) -> None:
    strict, meant = read_rules(data), read_rules(data, to_the_end=True)
    assert len([complaint for complaint in strict.complaints if complaint.is_last]) <= 1
    assert len(meant.complaints) >= len(strict.complaints)


@pytest.fixture(scope="module")
def right(tmp_path_factory: pytest.TempPathFactory) -> tuple[GuestRoot, Facts]:
    """Return a load balancer where all is right, and its facts."""
    root = tmp_path_factory.mktemp("right")
    guest = guest_root(root, "loadbalancing", "load-balancer", "balancing", health="none")
    return guest, guest.facts()


def judged(
    right: tuple[GuestRoot, Facts], data: bytes, answers: dict[str, Answer] | None = None
) -> list[tuple[str, str]]:
    """Return severity and code of what is found in rules, where all else is right."""
    guest, facts = right
    files = {**facts.files, RULES: FileFact(RULES, 0o644, "root:root", data)}
    found = slips(guest.place, guest.resources, replace(facts, files=files, answers=answers or {}))
    return [(each.severity, each.code) for each in found if each.code != "no-health-check"]


def test_an_error_is_found_where_the_meaning_is_another_and_nowhere_else(right: tuple[GuestRoot, Facts]) -> None:
    for variant in VARIANTS.values():
        found = judged(right, variant.content)
        has_error = any(severity == "error" for severity, _code in found)
        assert has_error == (not variant.is_same), (variant.name, found)
        if variant.is_same:
            assert not [each for each in found if each[0] != "hint"], variant.name


def answer_of(variant: Variant) -> Answer:
    """Return what `ipvsadm -Sn` says of a table as recorded."""
    lines = []
    for key, each in (variant.meaning or {}).items():
        lines.append(f"-A {key} -s {each['scheduler']} {each['options']}")
        for name, server in each["servers"].items():
            weight = server["weight"].replace("above 0", "1")
            lines.append(f"-a {key} -r {name} {server['method']} -w {weight} {server['options']}")
    return Answer(0, "\n".join(lines) + "\n", "")


@pytest.mark.parametrize(
    ("name", "now", "codes"),
    [
        ("ours", "ours", []),
        ("as-ipvsadm-save-writes", "ours", []),
        ("ours", "weight-zero", ["rules-not-loaded"]),
        ("ours", "empty", ["rules-not-loaded"]),
        ("weight-zero", "weight-zero", ["rules-weight-zero"]),
    ],
)
def test_the_guest_is_believed(name: str, now: str, codes: list[str], right: tuple[GuestRoot, Facts]) -> None:
    answers = {AT_BOOT: answer_of(VARIANTS[name]), NOW: answer_of(VARIANTS[now])}
    assert [code for _severity, code in judged(right, VARIANTS[name].content, answers)] == codes


def test_a_host_name_that_the_guest_knows_is_right(right: tuple[GuestRoot, Facts]) -> None:
    answers = {AT_BOOT: answer_of(VARIANTS["ours"]), NOW: answer_of(VARIANTS["ours"])}
    found = judged(right, VARIANTS["host-names"].content, answers)
    assert all(severity == "hint" for severity, _code in found)


def test_what_the_guest_finds_otherwise_is_never_silently_fine(right: tuple[GuestRoot, Facts]) -> None:
    answers = {AT_BOOT: answer_of(VARIANTS["empty"])}
    assert judged(right, OURS, answers) == [("error", "rules-table")]
