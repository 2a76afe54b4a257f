"""`python -m tests.campaign`: thousands of random sequences, each by its seed, or one sequence, or planted bugs."""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Protocol

from tests.campaign import process
from tests.campaign.coverage import Coverage
from tests.campaign.planted import BUGS, planted
from tests.campaign.results import Results
from tests.campaign.sequence import Laboratory, Result
from tests.campaign.shrink import shrunk
from tests.campaign.steps import Step, as_test, dumped, loaded

STEPS = 14
Tell = Callable[[int, Result], list[Step]]


class Counted(Protocol):
    """What counts the pairs of verb, trouble and state that a sequence covers."""

    coverage: Coverage


def main(arguments: Sequence[str]) -> int:
    """Run what is asked for; return 1 when something was wrong, or when a planted bug was not found."""
    wanted = _parsed(arguments)
    if os.environ.get("PYTHONHASHSEED") != "0":  # sets have another order in each process else
        os.environ["PYTHONHASHSEED"] = "0"
        os.execv(sys.executable, [sys.executable, "-m", "tests.campaign", *arguments])
    if wanted.driver == "virtualbox":
        return _really(wanted)
    process.prepare()
    laboratory = Laboratory()
    try:
        if wanted.serve:
            return _serve(laboratory)
        if wanted.planted:
            names = list(BUGS) if wanted.planted == "all" else wanted.planted.split(",")
            return int(not all(_found(laboratory, name, wanted) for name in names))
        return _campaign(laboratory, wanted)
    finally:
        laboratory.close()


def _parsed(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.campaign", description=__doc__)
    parser.add_argument("--count", type=int, default=100, help="how many sequences")
    parser.add_argument("--seed", type=int, default=1, help="of the first one; each next one has the next seed")
    parser.add_argument("--steps", type=int, default=STEPS, help="how long each is")
    parser.add_argument("--probes", type=float, default=1.0, help="after what share of the steps the way back is tried")
    parser.add_argument("--rare", action="store_true", help="choose verbs and troubles that seldom meet else")
    parser.add_argument("--results", type=Path, help="folder in which results are kept, to go on from there")
    parser.add_argument("--seconds", type=float, help="begin no sequence after so many")
    parser.add_argument("--planted", metavar="BUG|all", help="put a bug in, and see that it is found")
    parser.add_argument(
        "--driver", choices=["memory", "virtualbox"], default="memory", help="what the sequences run on"
    )
    parser.add_argument("--serve", action="store_true", help="replay the sequences that come in, a line of JSON each")
    return parser.parse_args(arguments)


def _campaign(laboratory: Laboratory, wanted: argparse.Namespace) -> int:
    """Run sequences on the memory driver."""
    told: set[str] = set()

    def run(seed: int) -> Result:
        return laboratory.generate(seed, wanted.steps, probes=wanted.probes, rare=wanted.rare)

    return _each(laboratory, wanted, run, lambda seed, result: _tell(laboratory, seed, result, told))


def _really(wanted: argparse.Namespace) -> int:
    """Run sequences on a real VirtualBox; what does harm there is replayed on the memory driver."""
    from tests.campaign.real.sequence import RealLaboratory

    laboratory = RealLaboratory()

    def tell(seed: int, result: Result) -> list[Step]:
        _show(seed, result)
        say(f"    on memory: {_on_memory(result.done)}")
        return []

    try:
        return _each(laboratory, wanted, lambda seed: laboratory.generate(seed, wanted.steps), tell)
    finally:
        laboratory.close()


def _each(counted: Counted, wanted: argparse.Namespace, run: Callable[[int], Result], tell: Tell) -> int:
    """Run a sequence for each seed that has not been run, and sum up; return 1 when something was wrong."""
    results = Results(wanted.results) if wanted.results else None
    seeds, covered, wrong = results.done() if results else (set(), Coverage(), [])
    began = time.monotonic()
    count = 0
    for seed in range(wanted.seed, wanted.seed + wanted.count):
        if seed in seeds:
            continue
        if wanted.seconds is not None and time.monotonic() - began > wanted.seconds:
            break
        counted.coverage = Coverage()
        result = run(seed)
        count += 1
        shortest: list[Step] = []
        if result.wrong:
            wrong.append(seed)
            shortest = tell(seed, result)
        if results:
            results.add(seed, result, counted.coverage, shortest)
        covered.add(counted.coverage.data())
    say(covered.table())
    say(f"\n{count} sequences in {time.monotonic() - began:.0f} s ({len(seeds)} had been done before)")
    say(f"seeds of which something was wrong: {', '.join(map(str, sorted(wrong))) or 'none'}")
    rare = covered.rare() if wanted.driver == "memory" else []
    if rare:
        say(f"{len(rare)} pairs occurred less than 50 times: {'; '.join(rare[:10])}")
    return int(bool(wrong))


def _on_memory(sequence: Sequence[Step]) -> str:
    """Replay a sequence on the memory driver in another process, and return what is wrong with it there."""
    from tests.campaign.real.sequence import on_memory

    request = json.dumps({"sequence": dumped(on_memory(sequence))})
    done = subprocess.run(
        [sys.executable, "-m", "tests.campaign", "--serve"], input=f"{request}\n", capture_output=True, text=True,
        check=False, env={**os.environ, "PYTHONHASHSEED": "0"},
    )  # fmt: skip
    lines = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    return "; ".join(lines[-1]["wrong"]) or "nothing wrong" if lines else done.stderr[-500:]


def _show(seed: int, result: Result) -> None:
    say(f"\nseed {seed}:")
    for line in (*result.log, *(f"  ! {wrong}" for wrong in result.wrong)):
        say(f"    {line}")


def _tell(laboratory: Laboratory, seed: int, result: Result, told: set[str]) -> list[Step]:
    """Show what is wrong, and unless the same was `told` before, the shortest sequence that shows it, as a test."""
    _show(seed, result)
    sort = re.sub(r"m?\d+|\b(one|two|three|gate|solo|duo|ann)\b", "*", result.wrong[0])[:100]
    if sort in told:
        return []
    told.add(sort)
    shortest = shrunk(result.done, lambda steps: bool(laboratory.replay(steps).kinds & result.kinds))
    about = laboratory.replay(shortest)
    say(as_test(shortest, f"seed_{seed}"))
    for line in about.wrong:
        say(f"# {line}")
    return shortest


def _found(laboratory: Laboratory, name: str, wanted: argparse.Namespace) -> bool:
    """Put a bug in, and tell whether it is found."""
    began = time.monotonic()
    with planted(name) as bug:
        for seed in range(wanted.seed, wanted.seed + wanted.count):
            result = laboratory.generate(seed, wanted.steps, probes=wanted.probes)
            if any(line[1] in bug.breaks for line in result.wrong):
                took = f"sequence {seed - wanted.seed + 1}, {time.monotonic() - began:.0f} s"
                say(f"found   {name} ({bug.about}): {took}: {result.wrong[0]}")
                return True
    say(f"MISSED  {name} ({bug.about}): not in {wanted.count} sequences, {time.monotonic() - began:.0f} s")
    return False


def _serve(laboratory: Laboratory) -> int:
    """Replay sequences until there are no more; answer with a line of JSON each: what is wrong."""
    requests = os.fdopen(os.dup(process.STDIN), encoding="utf-8")
    say("ready")
    for line in requests:
        wanted = json.loads(line)
        with planted(wanted["planted"]) if wanted.get("planted") else nullcontext():
            if "seed" in wanted:
                result = laboratory.generate(wanted["seed"], wanted["steps"], rare=wanted.get("rare", False))
            else:
                result = laboratory.replay(loaded(wanted["sequence"]))
        say(json.dumps({"wrong": result.wrong, "log": result.log}))
    return 0


def say(text: str) -> None:
    """Print."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
