"""What the documentation shows as a whole file is one."""

from __future__ import annotations

import textwrap
from pathlib import Path

from tests.unit.topology.language_world import made

PAGE = Path(__file__).parents[3] / "docs" / "existing-vms.md"


def test_the_lab_behind_a_box_is_one() -> None:
    start = PAGE.read_text(encoding="utf-8").index("    lab: behind-the-box")
    block = PAGE.read_text(encoding="utf-8")[start:].partition("\n\n")[0]
    topology = made(textwrap.dedent(block))
    assert {name: machine.configured for name, machine in topology.machines.items()} == {"client": True, "box": False}
    assert len(topology.verify.steps) == 2
