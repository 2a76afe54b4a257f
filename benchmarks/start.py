"""The fixed cost of a command: `status` of one lab and of all, on VirtualBox, beside Python alone and `--version`.

The machines are made and never booted. What a command takes is told in seconds and as a multiple of `--version`, and so
is what its parts take: loading the verb, the start of VirtualBox's worker (both at once in a command), and the calls.
Run it where VirtualBox is, or with
`python tests/virtualbox/harness.py --command -- python -m benchmarks.start`.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from benchmarks.virtualbox_class import MACHINES, vboxlab, world_with_base
from tests.virtualbox.conftest import environment

GOALS = {"status of one lab": 0.3, "status --all": 0.5}  # seconds, on two cores that do nothing else
# Ends as soon as the verb is loaded, as a command does that has nothing to ask.
LOADING = "import vboxlab.cli.main, vboxlab.cli.status, vboxlab.cli.terminal, vboxlab.operations.status"
# A worker from its start to its greeting, then one look at all machines.
WORKER = """
import sys, time
from pathlib import Path
from vboxlab.hypervisor.virtualbox.driver import VirtualBoxDriver
driver = VirtualBoxDriver(Path(sys.argv[1]))
begun = time.monotonic(); driver.version
greeted = time.monotonic(); driver.machines()
looked = time.monotonic(); driver.close()
print(greeted - begun, looked - greeted, time.monotonic() - looked)
"""
PHASES = ("the worker until it greets", "one look at all machines", "the worker's end")


def seconds(run: Callable[[], object]) -> float:
    """Return how long something takes."""
    begun = time.monotonic()
    run()
    return time.monotonic() - begun


def python(home: Path, *arguments: str) -> str:
    """Run Python as a command of vboxlab runs, and return what it prints."""
    argv = [sys.executable, *arguments]
    return subprocess.run(argv, env=environment(home), text=True, capture_output=True, check=True).stdout


def measured(home: Path, rounds: int) -> dict[str, list[float]]:
    """Return the seconds of each thing in each round; they take turns, so that a busy moment is everybody's."""
    commands: dict[str, Callable[[], object]] = {
        "python -c pass": lambda: python(home, "-c", "pass"),
        "vboxlab --version": lambda: vboxlab(home, "--version"),
        "status of one lab": lambda: vboxlab(home, "status", "bench", "--copy", "1"),
        "status --all": lambda: vboxlab(home, "status", "--all"),
        "loading `status`": lambda: python(home, "-c", LOADING),
    }
    found: dict[str, list[float]] = {name: [] for name in (*commands, *PHASES)}
    for number in range(rounds + 1):
        taken = {name: seconds(run) for name, run in commands.items()}
        phases = map(float, python(home, "-c", WORKER, str(home)).split())
        taken.update(zip(PHASES, phases, strict=True))
        for name, each in taken.items():
            if number:  # the first round fills caches
                found[name].append(each)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--copies", type=int, default=75, help="how many labs of two machines there are")
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, world_with_base(Path(folder) / "world") as (_world, home):
        topologies = home / "topologies"
        topologies.mkdir(mode=0o700, exist_ok=True)
        topology = topologies / "bench.yaml"
        topology.write_bytes((home.parent / "bench.yaml").read_bytes())
        vboxlab(home, "up", str(topology), "--until", "created", "--copies", f"1-{options.copies}")
        found = measured(home, options.rounds)
    unit = statistics.median(found["vboxlab --version"])
    print(f"{MACHINES * options.copies} machines, medians of {options.rounds}:")
    for name, taken in found.items():
        median = statistics.median(taken)
        goal = f" (goal {GOALS[name]} s on two idle cores)" if name in GOALS else ""
        print(f"  {name:28} {median:6.3f} s, {median / unit:5.2f} times --version{goal}")
    sys.stdout.flush()
    os._exit(0)


if __name__ == "__main__":
    main()
