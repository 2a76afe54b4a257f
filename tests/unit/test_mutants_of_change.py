"""The four mutants that are made on guests: those that a change concerns, and all others with time."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.mutants_of_change import AT_ONCE, NAMES, Candidate, candidates, changed_files, chosen, chosen_now

CANDIDATES = list(candidates())


def names(found: list[Candidate]) -> set[str]:
    return {each.mutant for each in found}


def concerned_by(path: str) -> set[str]:
    return {each.mutant for each in CANDIDATES if path in each.concerned}


@pytest.mark.parametrize(
    ("changed", "concerned"),
    [
        ("vboxlab/guest/slips/naming.py", "hosts-peer-missing"),
        ("vboxlab/guest/grammars/hosts.py", "hosts-first-line-wins"),
        ("vboxlab/guest/grammars/haresources.py", "haresources-master"),
        ("vboxlab/guest/grammars/ha_cf.py", "hacf-deadtime"),
        ("vboxlab/roles/heartbeat/slips.py", "authkeys-mode"),
        ("vboxlab/guest/grammars/ipvsadm.py", "rules-scheduler"),
        ("vboxlab/guest/grammars/interfaces.py", "no-gateway"),
        ("vboxlab/verification/checks.py", "rules-persistent"),
        ("topologies/mutants/loadbalancing.yaml", "defaults-missing"),
    ],
)
def test_what_a_change_concerns_comes_first(changed: str, concerned: str) -> None:
    expected = concerned_by(changed)
    assert concerned in expected
    found = names(chosen(CANDIDATES, [changed, "README.md"], "seed", AT_ONCE))
    assert len(found) == AT_ONCE
    assert found <= expected or expected <= found


@pytest.mark.parametrize(
    ("changed", "not_concerned"),
    [
        ("vboxlab/guest/grammars/ha_cf.py", "hosts-peer-missing"),
        ("vboxlab/guest/grammars/ipvsadm.py", "hacf-node"),
        ("vboxlab/cli/output.py", "hacf-node"),
        ("topologies/mutants/failover.yaml", "defaults-missing"),
    ],
)
def test_a_change_elsewhere_does_not_concern_it(changed: str, not_concerned: str) -> None:
    assert not_concerned not in concerned_by(changed)


def test_a_change_of_two_files_brings_mutants_of_both() -> None:
    changed = {"vboxlab/guest/grammars/ha_cf.py", "vboxlab/guest/grammars/ipvsadm.py"}
    expected = {each for path in changed for each in concerned_by(path)}
    found = [chosen(CANDIDATES, changed, f"{seed}", AT_ONCE) for seed in range(20)]
    assert {each.mutant for some in found for each in some} <= expected
    assert {each.topology for some in found for each in some} == set(NAMES)


def test_without_a_change_all_come_by_with_time_and_the_same_for_the_same_code() -> None:
    seen = [chosen(CANDIDATES, [], f"{seed}", AT_ONCE) for seed in range(100)]
    assert {(each.topology, each.mutant) for some in seen for each in some} == {
        (each.topology, each.mutant) for each in CANDIDATES
    }
    assert chosen(CANDIDATES[::-1], [], "7", AT_ONCE) == seen[7]


def test_those_that_can_be_chosen_are_put_back_by_hand_and_need_no_faults() -> None:
    found = {each.mutant for each in CANDIDATES}
    assert {"hacf-missing", "authkeys-owner", "apache-at-boot", "rules-missing"} <= found
    assert found.isdisjoint({"other-words", "cable-out", "heartbeat-stopped", "page-of-clone", "forwarding-off"})


def test_four_are_chosen_for_this_checkout() -> None:
    found = chosen_now()
    assert sum(map(len, found.values())) == AT_ONCE
    assert set(found) == set(NAMES)


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    git(tmp_path, "init", "-q", "-b", "main")
    commit(tmp_path, "a")
    return tmp_path


def git(folder: Path, *words: str) -> None:
    who = ["-c", "user.name=n", "-c", "user.email=n@example.org", "-c", "tag.gpgSign=false"]
    subprocess.run(["git", *who, *words], cwd=folder, check=True, capture_output=True)


def commit(folder: Path, name: str) -> None:
    (folder / name).write_text(name, encoding="utf-8")
    git(folder, "add", name)
    git(folder, "commit", "-q", "--no-verify", "-m", name)


def test_what_was_changed_is_asked_of_git(repository: Path) -> None:
    assert changed_files(repository) == set()  # nothing is older
    commit(repository, "b")
    assert changed_files(repository) == {"b"}  # the last commit
    git(repository, "tag", "-a", "v1", "-m", "v1")
    assert changed_files(repository) == {"b"}
    commit(repository, "c")
    commit(repository, "d")
    assert changed_files(repository) == {"c", "d"}  # since the last tag
    git(repository, "update-ref", "refs/remotes/origin/main", "HEAD~1")
    assert changed_files(repository) == {"d"}  # since the branch began
    (repository / "a").write_text("not committed", encoding="utf-8")
    assert changed_files(repository) == {"a", "d"}


def test_without_git_nothing_is_known_to_be_changed(tmp_path: Path) -> None:
    assert changed_files(tmp_path) == set()
