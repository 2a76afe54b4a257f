"""Every rule's exact message: tests/golden/topology/bad/CODE.yaml must give CODE.txt, and so for others beside it.

After a wanted change, `GOLDEN=update pytest tests/unit/topology/test_golden.py` writes the .txt files again;
read the diff before committing it.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from vboxlab.errors import TopologyInvalid
from vboxlab.topology import problems
from vboxlab.topology.catalog import FoundParts
from vboxlab.topology.loader import Beside, doubts_in, load_topology, snapshot_set_of
from vboxlab.topology.source import read_source
from vboxlab.topology.subject import Known

BAD = Path(__file__).parents[2] / "golden" / "topology" / "bad"
FILES = sorted(BAD.glob("*.yaml"))
BAD_SNAPSHOTS = BAD.parent / "bad-snapshots"
SNAPSHOT_FILES = sorted(BAD_SNAPSHOTS.glob("*.yaml"))
SNAPSHOT_NAMES = {"stage-without-snapshot": "nginx-base"}
DOUBTFUL = BAD.parent / "doubtful"
DOUBTFUL_FILES = sorted(DOUBTFUL.glob("*.yaml"))
DOUBTFUL_CODES = {"no-way-back-without-gateway": "no-way-back", "in-a-loop": "no-lease"}
ROOT = Path(__file__).parents[3]
FAILOVER = Path(__file__).parents[3] / "topologies" / "failover.yaml"
ALL_FILES = sorted(
    file
    for pattern in ("topologies/*.yaml", "tests/guests/*.yaml", "tests/campaign/topologies/*.yaml")
    for file in ROOT.glob(pattern)
)
SEVERAL = ("aliases", "cause-of-nothing", "cut-network-unknown", "follow-ups", "invisible-character", "many-problems")
# What other files say: apache-base is what `failover` makes, which starts from what `circle` makes.
KNOWN = Known(
    bases=frozenset({"debian12"}),
    snapshots=frozenset({"apache-base"}),
    made_first=lambda _snapshot_set: ("failover", "circle"),
)


def compare(error: TopologyInvalid, file: Path) -> set[str]:
    """Compare an error with the golden text of a file and return the codes in it."""
    said = f"{error}\n"
    golden = file.with_suffix(".txt")
    if os.environ.get("GOLDEN") == "update":
        golden.write_text(said, encoding="utf-8")
    assert said == golden.read_text(encoding="utf-8")
    return set(re.findall(r":\d+:\d+: \[([a-z0-9-]+)\]", said))


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.stem))
def test_message_is_the_golden_one(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(BAD)
    with pytest.raises(TopologyInvalid) as caught:
        load_topology(Path(file.name), known=KNOWN, for_copy=file.stem == "adopted-in-copy")
    codes = compare(caught.value, file)
    assert file.stem in SEVERAL or codes == {file.stem}


@pytest.mark.parametrize("file", SNAPSHOT_FILES, ids=lambda file: str(file.stem))
def test_message_about_a_snapshot_set_is_the_golden_one(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    failover = load_topology(FAILOVER)
    monkeypatch.chdir(BAD_SNAPSHOTS)
    with pytest.raises(TopologyInvalid) as caught:
        snapshot_set_of(read_source(Path(file.name)), SNAPSHOT_NAMES.get(file.stem, "apache-base"), failover)
    assert compare(caught.value, file) == {file.stem}


def test_every_code_has_a_golden_file() -> None:
    folder = Path(problems.__file__).parent
    sources = (*folder.glob("*.py"), *folder.with_name("roles").rglob("*.py"))
    # Problems of mutants are those of other files: tests/unit/grading/test_mutants.py.
    text = "\n".join(path.read_text(encoding="utf-8") for path in sources if path.name != "rules_mutants.py")
    codes = set(re.findall(r'(?:Problem|problem|problem_of_key|repeated)\(\s*"([a-z0-9-]+)"', text))
    assert len(codes) > 70
    assert sorted(codes - {file.stem for file in (*FILES, *SNAPSHOT_FILES)}) == []


@pytest.mark.parametrize("file", DOUBTFUL_FILES, ids=lambda file: str(file.stem))
def test_warnings_are_the_golden_ones(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(DOUBTFUL)
    doubts = doubts_in(read_source(Path(file.name)), {}, file.stem)
    said = "".join(f"{doubt.render(file.name)}\n" for doubt in doubts)
    golden = file.with_suffix(".txt")
    if os.environ.get("GOLDEN") == "update":
        golden.write_text(said, encoding="utf-8")
    assert said == golden.read_text(encoding="utf-8")
    assert {doubt.severity for doubt in doubts} == {"warning"}
    assert DOUBTFUL_CODES.get(file.stem, file.stem) in {doubt.code for doubt in doubts}


def test_every_warning_has_a_golden_file() -> None:
    folder = Path(problems.__file__).parent
    sources = (*folder.glob("*.py"), *folder.with_name("roles").rglob("*.py"))
    # Problems of mutants are those of other files: tests/unit/grading/test_mutants.py.
    text = "\n".join(path.read_text(encoding="utf-8") for path in sources if path.name != "rules_mutants.py")
    codes = set(re.findall(r'\.doubt\(\s*"([a-z0-9-]+)"', text))
    assert len(codes) >= 5
    assert sorted(codes - {file.stem for file in DOUBTFUL_FILES}) == []


@pytest.mark.parametrize("file", ALL_FILES, ids=lambda file: str(file.relative_to(ROOT)))
def test_nothing_is_doubtful_in_a_topology_that_works(file: Path) -> None:
    source = read_source(file)
    parameters = source.get(("parameters",))
    variants: list[dict[str, str]] = [{}]
    for name, declared in (parameters if isinstance(parameters, dict) else {}).items():
        choices = declared.get("choices") if isinstance(declared, dict) else None
        variants += [{name: str(choice)} for choice in (choices if isinstance(choices, list) else ())]
    for values in variants:
        assert doubts_in(source, values, file.stem, beside=Beside(FoundParts(file))) == ()
