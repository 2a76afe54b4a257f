"""Mutants: what they must cost against what came out; and each that edits files, read by the real facts script."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.unit.guest.guest_root import GuestRoot, guest_root
from tests.unit.plan_world import topology
from vboxlab.errors import TopologyInvalid
from vboxlab.grading.evidence import Evidence, Looked
from vboxlab.grading.judge import Marks, looked_through, settle
from vboxlab.grading.mutants import differences, expected_of, looked_at
from vboxlab.guest.configurator import ResourceResult, StageReport
from vboxlab.guest.differences import guest_findings
from vboxlab.guest.findings import Finding, Where
from vboxlab.guest.resources import File
from vboxlab.guest.roles import Judged
from vboxlab.guest.telling import told
from vboxlab.guest.together import judged_together
from vboxlab.topology.grading import Scheme
from vboxlab.topology.model import Topology
from vboxlab.topology.mutants import FileEdit, FileRemoval, Mutant, Mutants
from vboxlab.topology.rules_mutants import mutants_file, mutants_of
from vboxlab.topology.source import read_source

TOPOLOGIES = Path(__file__).parents[3] / "topologies"
NAMES = ("failover", "loadbalancing")


def mutants(name: str) -> Mutants:
    return mutants_of(read_source(mutants_file(TOPOLOGIES / f"{name}.yaml")), topology(name))


def edits_text_only(mutant: Mutant) -> bool:
    return all(
        isinstance(each, FileRemoval) or (isinstance(each, FileEdit) and not each.owner) for each in mutant.edits
    )


# What `check` does not tell yet: an earlier line of /etc/hosts that wins, and a service that is persistent.
NOT_TOLD: tuple[str, ...] = ()
IN_FILES = [
    pytest.param(name, each, marks=[pytest.mark.xfail] if each.mutant in NOT_TOLD else [], id=f"{name}-{each.mutant}")
    for name in NAMES
    for each in mutants(name).mutants
    if edits_text_only(each)
]


def mutated(guest: GuestRoot, mutant: Mutant) -> None:
    for edit in mutant.edits:
        if isinstance(edit, FileRemoval):
            guest.path(edit.remove).unlink()
        elif isinstance(edit, FileEdit):
            path = guest.path(edit.edit)
            text, missed = edit.applied(path.read_text(encoding="utf-8"), guest.place.topology.values)
            assert not missed, f"{edit.edit} has no {missed}"
            guest.write(edit.edit, text, int(edit.mode, 8) if edit.mode else path.stat().st_mode & 0o777)


def judged(guest: GuestRoot, before: dict[str, str]) -> Judged:
    results = []
    for each in guest.resources:
        if not isinstance(each, File) or not isinstance(each.content, str):
            continue
        path = guest.path(each.path)
        if not path.exists():
            results.append(ResourceResult(each.key, "would-change", "does not exist"))
        elif path.read_text(encoding="utf-8") != before.get(each.path):
            results.append(ResourceResult(each.key, "would-change", "content differs"))
    preview = StageReport(guest.place.machine.name, tuple(results))
    facts = guest.facts()
    return Judged(guest.place, facts, tuple(guest_findings(guest.place, guest.resources, facts, preview)))


def cluster_of(lab: Topology, machines: tuple[str, ...]) -> tuple[str, ...]:
    """Return the machines with the others of their clusters, which are judged together with them."""
    roles = [role for each in machines for role in lab.machines[each].roles_until(lab.last_stage, lab.stage_order)]
    return tuple(dict.fromkeys([*machines, *(node for role in roles for node in role.cluster_nodes())]))


@pytest.mark.parametrize(("name", "mutant"), IN_FILES)
def test_a_mutant_of_files_is_found_in_exactly_the_questions_that_it_names(
    tmp_path: Path, name: str, mutant: Mutant
) -> None:
    lab = topology(name)
    assert lab.grading is not None
    found = {}
    for machine in cluster_of(lab, mutant.on):
        guest = guest_root(tmp_path / machine, name, machine, lab.last_stage)
        before = {f.path: guest.path(f.path).read_text() for f in guest.resources if isinstance(f, File)}
        if machine in mutant.on:
            mutated(guest, mutant)
        found[machine] = judged(guest, before)
    machines = dict.fromkeys(lab.machines, Looked()) | {
        machine: Looked(tuple(map(told, findings))) for machine, findings in judged_together(found).items()
    }
    failed = {
        shown.question: [line for each in shown.criteria for line in each.found if each.value == "failed"]
        for shown in looked_through(lab.grading, lab.values, Evidence(machines))
        if any(each.value == "failed" for each in shown.criteria)
    }
    by_findings = {each.question for each in lab.grading.questions if each.findings}
    assert set(failed) == set(mutant.fails) & by_findings, failed


@pytest.mark.parametrize("name", NAMES)
def test_every_question_has_a_mutant_that_costs_it_or_one_that_it_depends_on(name: str) -> None:
    lab = topology(name)
    assert lab.grading is not None
    asked = lab.grading.asked(lab.values)
    named = {question for mutant in mutants(name).mutants for question in mutant.fails}
    lost = {each for each, value in expected_of(asked, sorted(named)).items() if value != "passed"}
    assert lost == {each.question for each in asked}


def test_there_are_enough_of_them() -> None:
    assert sum(bool(each.fails) for name in NAMES for each in mutants(name).mutants) >= 25
    assert all(any(not each.fails for each in mutants(name).mutants) for name in NAMES)


POWER = {
    "measure": "interruption", "from": "client", "url": "http://192.168.200.5", "served_by": "bis",
    "cause": {"fault": "power-off", "machine": "web"},
}  # fmt: skip
SCHEME = Scheme.model_validate(
    {
        "total": 3,
        "questions": [
            {"question": "names", "title": "t", "points": 1, "findings": [{"on": "web", "none_of": "hosts-*"}]},
            {"question": "master", "title": "t", "points": 1, "findings": [{"on": "web", "none_of": "page-*"}]},
            {"question": "takeover", "title": "t", "points": 1, "depends": ["master"], "steps": [POWER]},
        ],
    }
)


def a_mutant(*fails: str) -> Mutant:
    edit = {"edit": "/etc/hosts", "append": "x"}
    return Mutant.model_validate({"mutant": "m", "title": "t", "on": "web", "edits": [edit], "fails": fails})


def marks(*codes: str) -> Marks:
    found = tuple(told(Finding(code, "web", Where("file", "/x"), VALUES[code])) for code in codes)
    return settle(looked_through(SCHEME, {}, Evidence({"web": Looked(found)})), 3, SCHEME.rounding, {})


NO_PAGE = "web /x: the page is missing (expected: a page)"
VALUES = {"hosts-missing": {"name": "bis", "address": "192.0.2.2"}, "page-missing": {"expected": "a page"}}


def test_what_depends_on_a_question_that_fails_cannot_be_judged() -> None:
    assert expected_of(SCHEME.questions, ["master"]) == {"names": "passed", "master": "failed", "takeover": "unclear"}


@pytest.mark.parametrize(
    ("fails", "looked_at_"),
    [
        ((), ["names", "master", "takeover"]),
        (("names",), ["names", "master"]),
        (("takeover",), ["names", "master", "takeover"]),
    ],
)
def test_faults_are_only_made_for_questions_that_need_them(fails: tuple[str, ...], looked_at_: list[str]) -> None:
    assert [each.question for each in looked_at(SCHEME.questions, a_mutant(*fails))] == looked_at_


@pytest.mark.parametrize(
    ("fails", "codes", "wrong"),
    [
        (["names"], ["hosts-missing"], []),
        (["names"], [], ["names: passed, expected: failed"]),
        ([], ["page-missing"], [f"master: failed ({NO_PAGE}), expected: passed"]),
        (["names"], ["hosts-missing", "page-missing"], [f"master: failed ({NO_PAGE}), expected: passed"]),
    ],
)
def test_what_is_otherwise_is_told_for_the_questions_looked_at(
    fails: list[str], codes: list[str], wrong: list[str]
) -> None:
    found = differences(expected_of(SCHEME.questions, fails), marks(*codes), ["names", "master"])
    assert list(found) == wrong


@pytest.mark.parametrize(
    ("mutant", "said"),
    [
        ({"on": "srv-wed"}, "4:9: [unknown-machine] there is no machine `srv-wed`; expected one of"),
        ({"on": "srv-web", "fails": "[nams]"}, "[unknown-question] there is no question `nams`; expected one of"),
        ({"on": "srv-web", "fails": "[master, takeover]"}, "[follows] question `takeover` depends on another one"),
        ({"on": "srv-web", "edits": "[{edit: etc/hosts, append: x}]"}, "expected an absolute path of the guest"),
        ({"on": "srv-web", "edits": "[{edit: /etc/hosts}]"}, "nothing is changed; expected one of whole, replace"),
        ({"on": "srv-web", "edits": "[{edit: /x, replace: {'(': x}}]"}, "`(` is no regular expression"),
        ({"on": "srv-web", "edits": "[{adapter: 5, plugged: false}]"}, "[no-adapter] srv-web has no adapter 5"),
        ({"on": "srv-web", "edits": "[{adapter: 1, network: dmz}]"}, "[unknown-network] there is no network `dmz`"),
    ],
)
def test_what_is_wrong_with_a_mutant_is_told_with_its_place(tmp_path: Path, mutant: dict[str, Any], said: str) -> None:
    path = tmp_path / "failover.yaml"
    lines = {"title": "t", "on": "srv-web", "edits": "[{edit: /etc/hosts, append: x}]", "fails": "[names]", **mutant}
    text = "".join(f"    {key}: {value}\n" for key, value in lines.items())
    path.write_text(f"mutants:\n  - mutant: m\n{text}", encoding="utf-8")
    with pytest.raises(TopologyInvalid) as error:
        mutants_of(read_source(path), topology("failover"))
    (detail,) = error.value.details
    assert f"{path}:" in detail
    assert said in detail
