"""Which mutants are made on guests when something was changed: four, first those that it may have to do with.

A change concerns a mutant when it is in what finds the codes that its questions name, in a grammar that this reads
with, in what tries services where a question has steps, or in the files of the topology. What is left of the four is
chosen by the digest of all that judges, so that with time every mutant comes by.
"""

from __future__ import annotations

import functools
import hashlib
import re
import shutil
import subprocess
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

from tests.architecture import ROOT, imported_modules, sources
from vboxlab.grading.judging_code import judging_code
from vboxlab.grading.mutants import needs_faults
from vboxlab.lazily import dataclass
from vboxlab.topology.grading import Question
from vboxlab.topology.loader import load_topology
from vboxlab.topology.model import Topology
from vboxlab.topology.mutants import Mutant
from vboxlab.topology.rules_mutants import mutants_file, mutants_of
from vboxlab.topology.source import read_source

TOPOLOGIES = ROOT.parent / "topologies"
NAMES = ("failover", "loadbalancing")
AT_ONCE = 4
BASES = (["merge-base", "HEAD", "origin/main"], ["describe", "--tags", "--abbrev=0"], ["rev-parse", "HEAD~1"])
"""What git is asked for the commit that a change began at; the first that is not HEAD itself counts."""
FINDERS = ("guest/slips/", "roles/", "lab/wiring.py")


@dataclass(frozen=True)
class Candidate:
    """A mutant that is put back by hand and seen without faults, and the sources and files that it has to do with."""

    topology: str
    mutant: str
    concerned: frozenset[str]


def chosen(candidates: Collection[Candidate], changed: Collection[str], seed: str, count: int) -> list[Candidate]:
    """Return so many mutants: those that a change (paths from the root of the repository) concerns, then others."""

    def turn(candidate: Candidate) -> tuple[bool, str]:
        name = f"{seed}\0{candidate.topology}\0{candidate.mutant}"
        return candidate.concerned.isdisjoint(changed), hashlib.sha256(name.encode()).hexdigest()

    return sorted(candidates, key=turn)[:count]


def chosen_now() -> dict[str, list[str]]:
    """Return the four for what was changed in this checkout, by topology."""
    found = chosen(list(candidates()), changed_files(ROOT.parent), judging_code(), AT_ONCE)
    return {name: [each.mutant for each in found if each.topology == name] for name in NAMES}


def candidates() -> Iterator[Candidate]:
    """Yield the mutants of both topologies that cost seconds."""
    for name in NAMES:
        topology = load_topology(TOPOLOGIES / f"{name}.yaml", {})
        assert topology.grading is not None
        asked = topology.grading.asked(topology.values)
        for mutant in mutants_of(read_source(mutants_file(TOPOLOGIES / f"{name}.yaml")), topology).mutants:
            questions = [each for each in asked if each.question in mutant.fails]
            if mutant.is_undone_by_hand and questions and not any(map(needs_faults, questions)):
                yield Candidate(name, mutant.mutant, frozenset(_concerned(topology, mutant, questions)))


def _concerned(topology: Topology, mutant: Mutant, questions: Sequence[Question]) -> Iterator[str]:
    yield from (f"topologies/{topology.name}.yaml", f"topologies/mutants/{topology.name}.yaml")
    yield from ("vboxlab/lab/mutating.py", "vboxlab/topology/mutants.py", "vboxlab/grading/judge.py")
    for question in questions:
        for findings in question.findings:
            for pattern in findings.none_of:
                for source in finders(re.split(r"[*:]", pattern)[0]):
                    yield from read_with(source)
        if question.steps:
            yield from (_from_root(path) for path, _tree in sources() if "verification" in path.parts)


@functools.cache
def finders(code: str) -> tuple[str, ...]:
    """Return the sources that find a code, given by its beginning: those that make something of it by a call."""
    made = re.compile(rf'\w\(\s*f?"{re.escape(code)}')
    texts = {
        _from_root(path): path.read_text(encoding="utf-8")
        for path, _tree in sources()
        if path.relative_to(ROOT).as_posix().startswith(FINDERS)
    }
    by_call = tuple(path for path, text in texts.items() if made.search(text))
    return by_call or tuple(path for path, text in texts.items() if f'"{code}' in text)


@functools.cache
def read_with(source: str) -> frozenset[str]:
    """Return a source with those that it reads guests with: grammars, and its neighbours in its role."""
    trees = {_from_root(path): (path, tree) for path, tree in sources()}
    found, new = {source}, [source]
    while new:
        for module, _line in imported_modules(*trees[new.pop()]):
            path = module.replace(".", "/") + ".py"
            near = path.startswith(("vboxlab/guest/grammars/", str(Path(source).parent.as_posix()) + "/"))
            if near and path in trees and path not in found:
                found.add(path)
                new.append(path)
    return frozenset(found)


def changed_files(repository: Path) -> frozenset[str]:
    """Return the paths that are otherwise than where a change began; none where there is no git to ask."""
    if shutil.which("git") is None or not (head := _git(repository, ["rev-parse", "HEAD"])):
        return frozenset()
    for words in BASES:
        name = _git(repository, words)
        base = _git(repository, ["rev-parse", f"{name}^{{commit}}"]) if name else ""
        if base and base != head:
            return frozenset(_git(repository, ["diff", "--name-only", base]).splitlines())
    return frozenset()


def _git(repository: Path, words: Sequence[str]) -> str:
    done = subprocess.run(["git", *words], cwd=repository, capture_output=True, text=True, check=False)
    return done.stdout.strip() if done.returncode == 0 else ""


def _from_root(path: Path) -> str:
    return path.relative_to(ROOT.parent).as_posix()
