"""Every rule's exact message: tests/golden/topology/bad/CODE.yaml must give CODE.txt, and so for bad-snapshots.

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
from vboxlab.topology.loader import load_topology, snapshot_set_of
from vboxlab.topology.source import read_source
from vboxlab.topology.subject import Known

BAD = Path(__file__).parents[2] / "golden" / "topology" / "bad"
FILES = sorted(BAD.glob("*.yaml"))
BAD_SNAPSHOTS = BAD.parent / "bad-snapshots"
SNAPSHOT_FILES = sorted(BAD_SNAPSHOTS.glob("*.yaml"))
SNAPSHOT_NAMES = {"stage-without-snapshot": "nginx-base"}
FAILOVER = Path(__file__).parents[3] / "topologies" / "failover.yaml"
SEVERAL = ("aliases", "cause-of-nothing", "cut-network-unknown", "follow-ups", "many-problems")
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
    text = "\n".join(path.read_text(encoding="utf-8") for path in sources)
    codes = set(re.findall(r'(?:Problem|problem|problem_of_key|repeated)\(\s*"([a-z0-9-]+)"', text))
    assert len(codes) > 70
    assert sorted(codes - {file.stem for file in (*FILES, *SNAPSHOT_FILES)}) == []
