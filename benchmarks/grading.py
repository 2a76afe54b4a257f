"""Grading copies that are off against a loop of `up` and `down` over the same copies: seconds and ratio, in one run.

The copies are of the practical's cluster (tests/guests/pair.yaml) with a scheme that makes no faults: what a fault
costs is the scheme's choice. Run it with `python -m benchmarks.grading`; VBOXLAB_HOME keeps the base for the next run.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from tests.guests.command import ROOT, CommandLine
from vboxlab.settings import load_settings

GOAL = 1.3
SCHEME = """
grading:
  total: 3
  questions:
    - {question: names, title: Names, points: 1, findings: [{on: [srv-web, srv-web-bis], none_of: [hostname*]}]}
    - question: serves
      title: The master serves
      points: 2
      steps:
        - {check: page, from: client, url: "http://192.168.200.5", contains: "Srv-Web de {student}"}
        - {check: address, on: srv-web-bis, address: 192.168.200.5, held: false}
"""


def timed(do: Callable[[], object]) -> float:
    """Return the seconds that something takes."""
    begin = time.monotonic()
    do()
    return time.monotonic() - begin


def measure(line: CommandLine, folder: Path, copies: list[str], rounds: int) -> list[tuple[float, float]]:
    """Return the seconds of the loop, and those of grading, of each round."""
    topology = folder / "pair.yaml"
    topology.write_text((ROOT / "tests/guests/pair.yaml").read_text(encoding="utf-8") + SCHEME, encoding="utf-8")
    roll = ("--copies", ",".join(copies))
    line("up", str(topology), *roll, "--yes", "--at-most-running", "1")

    def loop() -> None:
        for copy in copies:
            line("up", str(topology), "--copy", copy)
            line("down", str(topology), "--copy", copy)

    def grade() -> None:
        line("grade", str(topology), *roll, "--into", str(folder / "marks"))

    found = [(timed(loop), timed(grade)) for _round in range(rounds)]
    line("destroy", str(topology), *roll, "--yes")
    return found


def main() -> int:
    """Measure, and print seconds and ratio; 0 when the goal is reached."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--copies", nargs="+", default=["alice", "bob"], metavar="NAME")
    parser.add_argument("--rounds", type=int, default=1)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        found = measure(CommandLine(load_settings().home), Path(folder), options.copies, options.rounds)
    for number, (loop, grade) in enumerate(found, 1):
        print(f"round {number}: up and down {loop:.1f} s, grading {grade:.1f} s, ratio {grade / loop:.2f}")
    ratio = statistics.median(grade / loop for loop, grade in found)
    reached = ratio <= GOAL
    print(f"median ratio {ratio:.2f} (goal {GOAL}: {'' if reached else 'not '}reached)")
    return 0 if reached else 1


if __name__ == "__main__":
    raise SystemExit(main())
