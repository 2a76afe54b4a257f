"""A class on real VirtualBox, not booted: copies through up, reset and destroy, one of them held by somebody else."""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from tests.virtualbox.conftest import Vboxlab
from tests.virtualbox.test_foreign import add_teachers_vm, fingerprints
from tests.virtualbox.test_recovery import held
from tests.virtualbox.world import VirtualBoxWorld

# 30 for a whole class: about six minutes.
COPIES = int(os.environ.get("VBOXLAB_TEST_COPIES", "4"))
ALL = ("--copies", f"1-{COPIES}")
TEACHERS = "Pare-feu (école)"


@pytest.fixture(autouse=True)
def impatience(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a lock of somebody else be waited for as short as a test may take."""
    monkeypatch.setenv("VBOXLAB_LOCK_PATIENCE", "1.5")


@pytest.mark.usefixtures("home")
def test_a_copy_held_by_another_program_is_reported_and_the_others_are_done(
    world: VirtualBoxWorld, vboxlab: Vboxlab
) -> None:
    add_teachers_vm(world, TEACHERS)
    foreign = fingerprints(world.folder / TEACHERS)
    seconds: dict[str, float] = {}

    def timed(what: str, *arguments: str, code: int = 0) -> str:
        begun = time.monotonic()
        said = vboxlab(*arguments, code=code).stdout
        seconds[what] = round(time.monotonic() - begun, 1)
        return said

    timed("up", "up", "failover", "--until", "created", *ALL)
    timed("snapshot", "snapshot", "take", "apache-base", "--all")
    found = {machine.name: machine for machine in world.open().machines()}
    networks = [
        (machine.lab, adapter.attachment.name)
        for machine in found.values()
        for adapter in machine.adapters
        if adapter.attachment.kind == "internal"
    ]
    assert len({name for _, name in networks}) == len(set(networks)) == 3 * COPIES
    with held(found["2-srv-web"].handle):
        said = timed("reset, one held", "reset", "--all", "--yes", "--json", code=8)
        outcomes = {row["copy"]: row["outcome"] for row in results_of(said)}
        assert outcomes.pop("2") == "failed"
        assert set(outcomes.values()) == {"done"}
        assert len(outcomes) == COPIES - 1
        said = timed("destroy, one held", "destroy", "failover", "--all", "--yes", code=8)
        failed = [line for line in said.splitlines() if " FAILED " in line]
        assert [line.split()[0] for line in failed] == ["ha/2"]
        assert "srv-web: destroy" in failed[0]
    left = [machine.name for machine in world.open().machines() if machine.lab]
    assert "2-srv-web" in left
    assert all(name.startswith("2-") for name in left)
    vboxlab("up", "failover", "--until", "created", "--copy", "2")
    timed("destroy", "destroy", "failover", "--all", "--yes")
    assert [machine.name for machine in world.open().machines()] == [TEACHERS]
    assert fingerprints(world.folder / TEACHERS) == foreign
    print(f"{COPIES} copies: {seconds}", file=sys.stderr)  # noqa: T201 -- the figures are a result


def results_of(said: str) -> list[dict[str, str]]:
    """Return the summary of a command on copies: the last JSON document that it printed."""
    lines = said.splitlines()
    begin = next(number for number, line in enumerate(lines) if line in ("[", "{"))
    document = json.loads("\n".join(lines[begin:]))
    rows = document["copies"] if isinstance(document, dict) else document
    assert isinstance(rows, list)
    return rows


@pytest.mark.usefixtures("home")
def test_the_status_of_all_copies_is_quick(vboxlab: Vboxlab, empty_home: Path) -> None:
    vboxlab("up", "failover", "--until", "created", *ALL)

    def timed(*arguments: str) -> tuple[Any, float]:
        begun = time.monotonic()
        said = vboxlab("status", *arguments, "--json").stdout
        return json.loads(said), time.monotonic() - begun

    _one, alone = min((timed("failover", "--copy", "1") for _ in range(2)), key=lambda each: each[1])
    rows, seconds = timed("--all")
    assert [(row["copy"], row["machines"]) for row in rows] == [(str(number), 5) for number in range(1, COPIES + 1)]
    assert [row["drift"] for row in rows] == [[]] * COPIES
    print(f"status of {5 * COPIES} machines: {seconds:.2f} s, of 5: {alone:.2f} s, below {empty_home}", file=sys.stderr)  # noqa: T201 -- the figures are a result
    assert seconds < alone * (1 + COPIES / 2)
