"""The mutants of failover that what was changed may have to do with, made and graded on the shared lab.

Those of load balancing are made in test_lab.py, where that lab is up.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.guests.command import CommandLine
from tests.mutants_of_change import chosen_now

pytestmark = [pytest.mark.guests, pytest.mark.timeout(900)]


def test_mutants_chosen_by_the_change_cost_what_they_name(fresh_lab: CommandLine, tmp_path: Path) -> None:
    prove_chosen(fresh_lab, "failover", tmp_path)


def prove_chosen(vboxlab: CommandLine, topology: str, results: Path) -> None:
    """Prove the chosen mutants of a topology whose lab is up and finished; none may need a reboot."""
    names = chosen_now()[topology]
    if not names:
        return
    words = [word for name in names for word in ("--mutant", name)]
    proved = vboxlab.json("grade", topology, "--prove", *words, "--results", str(results))
    assert {each["mutant"]: each["passed"] for each in proved["proofs"]} == dict.fromkeys(names, True), proved
    assert vboxlab.json("up", topology)["actions"] == 0
