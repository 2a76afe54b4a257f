"""The digest of the source that verdicts depend on: what changes it, and what must not."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.architecture import ROOT, imported_modules, sources
from vboxlab.grading.judging_code import SINGLE, WHOLE, counted, digest_of

# What judges imports these of topology as well: names, addresses, what a model is, and how a problem is told.
SAYS_WHAT_A_LAB_IS = {
    "addressing", "code", "disks", "exercise", "model", "places", "problems", "role_registry", "roles",
    "rules_floating", "rules_names", "secret", "sites",
}  # fmt: skip


@pytest.fixture(scope="module")
def copied(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("source") / "vboxlab"
    shutil.copytree(ROOT, root, ignore=shutil.ignore_patterns("__pycache__", "*.mo"))
    return root


@pytest.mark.parametrize(
    "path",
    [
        "guest/grammars/hosts.py", "guest/facts.sh", "guest/slips/naming.py", "roles/heartbeat/slips.py",
        "grading/judge.py", "verification/prober.pl", "verification/judgements.py", "lab/check.py", "lab/mutating.py",
        "operations/looking.py", "topology/grading.py", "topology/mutants.py", "topology/scenario.py",
    ],
)  # fmt: skip
def test_what_reads_tries_or_judges_counts(copied: Path, path: str) -> None:
    before, old = digest_of(copied), (copied / path).read_bytes()
    (copied / path).write_bytes(old + b"\n# another version\n")
    after = digest_of(copied)
    (copied / path).write_bytes(old)
    assert after != before == digest_of(copied)


@pytest.mark.parametrize(
    "path",
    [
        "cli/output.py", "cli/grade.py", "planning/planner.py", "base/builder.py", "hypervisor/memory.py",
        "lab/up.py", "operations/up.py", "topology/rules_networks.py", "locale/fr/LC_MESSAGES/vboxlab.po",
        "roles/web/locale/fr/LC_MESSAGES/vboxlab.po", "language.py", "errors.py",
    ],
)  # fmt: skip
def test_what_brings_up_asks_shows_or_translates_does_not(copied: Path, path: str) -> None:
    before, changed = digest_of(copied), copied / path
    assert changed.exists() or path.endswith(".po")
    changed.parent.mkdir(parents=True, exist_ok=True)
    changed.write_bytes((changed.read_bytes() if changed.exists() else b"") + b"\n# another version\n")
    assert digest_of(copied) == before


def test_a_source_that_is_new_or_called_otherwise_counts(copied: Path) -> None:
    before, new = digest_of(copied), copied / "guest" / "grammars" / "new.py"
    new.write_bytes(b"")
    added = digest_of(copied)
    moved = new.rename(new.with_name("newer.py"))
    assert len({before, added, digest_of(copied)}) == 3
    moved.unlink()


def test_how_lines_end_does_not_count(copied: Path) -> None:
    path = copied / "grading" / "judge.py"
    before, old = digest_of(copied), path.read_bytes()
    path.write_bytes(old.replace(b"\n", b"\r\n"))
    assert digest_of(copied) == before
    path.write_bytes(old)


def test_what_judging_imports_of_topology_counts_or_only_says_what_a_lab_is() -> None:
    counting = set(counted(ROOT))
    named = {
        module.split(".")[2]
        for path, tree in sources()
        if path in counting and path.relative_to(ROOT).parts[0] != "topology"
        for module, _line in imported_modules(path, tree)
        if module.startswith("vboxlab.topology.")
    }
    single = {name.removeprefix("topology/").removesuffix(".py") for name in SINGLE if name.startswith("topology/")}
    assert named - single == SAYS_WHAT_A_LAB_IS


def test_all_that_is_named_exists() -> None:
    assert [name for name in (*WHOLE, *SINGLE) if not (ROOT / name).exists()] == []
