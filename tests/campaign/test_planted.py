"""Bugs that are put in on purpose are found: from a seed on that finds each soon, `make campaign-planted` from any."""

from __future__ import annotations

import pytest

from tests.campaign.conftest import Server
from tests.campaign.planted import BUGS

MOST = 60  # sequences
STEPS = 14
# Where to begin: any seed will do, but most find a bug only after more sequences.
SEEDS = {"finish-unasked": 131, "unflushed-files": 34, "half-taken": 60, "unflushed-pins": 70}
RARE = ("unflushed-pins",)  # found soon only where troubles are more frequent


@pytest.mark.parametrize("name", list(BUGS))
def test_a_planted_bug_is_found(server: Server, name: str) -> None:
    first = SEEDS.get(name, 1)
    for seed in range(first, first + MOST):
        wrong = server.ask(seed=seed, steps=STEPS, planted=name, rare=name in RARE)["wrong"]
        if any(line[1] in BUGS[name].breaks for line in wrong):
            return
    pytest.fail(f"{BUGS[name].about}: not found in {MOST} sequences from seed {first} on")
