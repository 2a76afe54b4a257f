"""Every rule's exact message: tests/golden/topology/bad/CODE.yaml must give CODE.txt.

After a wanted change, `VBOXLAB_UPDATE_GOLDEN=1 pytest tests/unit/test_topology_golden.py` writes the .txt files again;
read the diff before committing it.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from vboxlab.errors import TopologyInvalid
from vboxlab.topology.loader import load_topology

BAD = Path(__file__).parents[1] / "golden" / "topology" / "bad"
FILES = sorted(BAD.glob("*.yaml"))


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.stem))
def test_message_is_the_golden_one(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(BAD)
    with pytest.raises(TopologyInvalid) as caught:
        load_topology(Path(file.name))
    said = f"{caught.value}\n"
    golden = file.with_suffix(".txt")
    if os.environ.get("VBOXLAB_UPDATE_GOLDEN"):
        golden.write_text(said, encoding="utf-8")
    assert said == golden.read_text(encoding="utf-8")
    codes = re.findall(r":\d+:\d+: \[([a-z-]+)\]", said)
    assert file.stem in ("many-problems", *codes)
