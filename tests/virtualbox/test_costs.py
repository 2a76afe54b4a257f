"""What a machine costs: how many calls of VirtualBox's API and how many requests, however many machines there are."""

from __future__ import annotations

import json
import stat
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from benchmarks.virtualbox_class import TOPOLOGY
from tests.virtualbox import counting
from tests.virtualbox.conftest import Vboxlab
from vboxlab.hypervisor.virtualbox.driver import VirtualBoxDriver

MACHINES = 2  # of a copy
COPIES = (1, 3, 6)
# Calls and requests that one more machine costs; what waiting takes is not counted. Of the bare API calls that do the
# same (benchmarks/virtualbox_class.py), creating takes 21, a snapshot 5, restoring one 6, and removing a machine 4.
BUDGET = {"up": (42, 2.2), "snapshot": (19, 2.2), "reset": (22, 2.2), "destroy": (45, 3.2)}


@dataclass(frozen=True)
class Cost:
    """What one command took."""

    calls: int
    requests: int


@pytest.fixture
def costs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the file that workers write down in what they cost."""
    file, interpreter = tmp_path / "costs", tmp_path / "counting-python"
    interpreter.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{counting.__file__}" "{file}" "$@"\n')
    interpreter.chmod(interpreter.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("VBOXLAB_VBOX_PYTHON", str(interpreter))
    monkeypatch.setenv("VBOXLAB_JOBS", "1")  # threads that begin at once each look at an image that one would look at
    return file


@pytest.mark.usefixtures("home")
def test_one_more_machine_costs_the_same_however_many_there_are(
    vboxlab: Vboxlab, driver: VirtualBoxDriver, costs: Path, tmp_path: Path
) -> None:
    driver.machines()  # as long as it is connected, VirtualBox's service does not end between two commands
    topology = tmp_path / "bench.yaml"
    topology.write_text(TOPOLOGY)
    vboxlab("up", str(topology), "--until", "created", "--copy", "warm")  # makes the image
    vboxlab("destroy", "bench", "--copy", "warm", "--yes")

    def cost(*arguments: str) -> Cost:
        costs.unlink(missing_ok=True)
        vboxlab(*arguments)
        (line,) = costs.read_text().splitlines()
        found = json.loads(line)
        return Cost(sum(found["calls"].values()), sum(found["requests"].values()))

    found: dict[str, list[Cost]] = {verb: [] for verb in BUDGET}
    for copies in COPIES:
        which = ("--copies", f"1-{copies}")
        found["up"].append(cost("up", str(topology), "--until", "created", *which))
        found["snapshot"].append(cost("snapshot", "take", "begin", "--all"))
        found["reset"].append(cost("reset", str(topology), *which, "--to", "begin", "--yes", "--no-up"))
        found["destroy"].append(cost("destroy", "bench", *which, "--yes"))
    few, some, many = (MACHINES * copies for copies in COPIES)
    for verb, (calls, requests) in BUDGET.items():
        first, second, third = found[verb]
        one_more = (second.calls - first.calls) / (some - few), (third.calls - second.calls) / (many - some)
        asked = (third.requests - second.requests) / (many - some)
        print(f"{verb}: {one_more[0]:.1f}, then {one_more[1]:.1f} calls, {asked:.1f} requests", file=sys.stderr)  # noqa: T201 -- the figures are a result
        assert max(one_more) <= calls, verb
        assert abs(one_more[1] - one_more[0]) <= calls / 20, verb
        assert asked <= requests, verb
