"""Running one sequence of steps on a computer of its own, with the invariants after every step."""

from __future__ import annotations

import random
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.campaign import confirmed, coverage, deeds, invariants
from tests.campaign.coverage import Coverage
from tests.campaign.generate import Generator, RareGenerator
from tests.campaign.host import Host
from tests.campaign.probe import cleared, probe
from tests.campaign.process import Computer, Outcome
from tests.campaign.steps import LOGIN, Step
from vboxlab.topology.addressing import LabName

MEMORY_DISK = Path("/dev/shm")
WARM = (
    "plan first", "up first", "snapshot take monday", "snapshot restore monday --yes", "up second --yes", "up alone",
    "up first --yes", "up first --copy ann", "plan first --json", "status duo", "destroy solo --yes",
    "up first --set base=slate", "up second --yes --copy ann", "reset duo --yes", "up first",
    "verify first --only 1 --only 11", "verify first --undo", "gc --yes --keep-layers",
)  # fmt: skip


@dataclass
class Result:
    """What became of a sequence: its steps up to the one after which something was wrong, and what."""

    done: list[Step] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    log: list[str] = field(default_factory=list)

    @property
    def kinds(self) -> frozenset[str]:
        """Return the letters of the invariants that do not hold."""
        return frozenset(line[:3] for line in self.wrong)


class Laboratory:
    """Makes computers, all alike: with a base that is a VM of the user's, and other VMs of his."""

    def __init__(self) -> None:
        place = MEMORY_DISK if MEMORY_DISK.is_dir() else None
        self._folder = Path(tempfile.mkdtemp(prefix="vboxlab-campaign-", dir=place))
        self.coverage = Coverage()
        self._template = self._folder / "template"
        self._make()
        with self.computer() as scratch:
            scratch.warm(WARM)

    def close(self) -> None:
        """Remove everything."""
        shutil.rmtree(self._folder, ignore_errors=True)

    def _make(self) -> None:
        computer = Computer(self._template)
        computer.home.mkdir(parents=True, mode=0o700)
        (self._template / "slate.img").write_bytes(b"\xfa\xf4\xeb\xfd".ljust(510, b"\0") + b"\x55\xaa" + bytes(4096))
        host = Host(file=computer.file)
        for words in (("makes-vm", "TEACHER"), ("makes-vm", "GATE", "inner")):
            deeds.do(host, words)
        host.book.bases[next(iter(host.machines))] = "stone"
        host.keep()
        for words in (("stone", "--vm", "TEACHER"), ("slate", "--disk", str(self._template / "slate.img"))):
            outcome = computer.run(Step(("base", "add", *words, *LOGIN)))
            assert outcome.code == 0, outcome
        host = computer.host()
        assert not invariants.foreign(host)
        host.keep()

    @contextmanager
    def computer(self) -> Iterator[Computer]:
        """Return a new computer, gone afterwards."""
        folder = self._folder / "computer"
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(self._template, folder)
        yield Computer(folder)
        shutil.rmtree(folder)

    def generate(self, seed: int, length: int, *, probes: float = 1.0, rare: bool = False) -> Result:
        """Run a sequence of that many steps, chosen by a seed, `rare` ones if wanted; stop at the first that harms."""
        generator = RareGenerator(seed) if rare else Generator(seed)
        chance = random.Random(seed)
        with self.computer() as computer:
            run = Run(computer, self.coverage)
            for _ in range(length):
                step = generator.next(computer.host(), computer.home)
                if not run.step(step, probes=chance.random() < probes):
                    break
            run.finish()
            return run.result

    def replay(self, given: Sequence[Step]) -> Result:
        """Run these steps, with a look at the way back after each."""
        with self.computer() as computer:
            run = Run(computer, Coverage())
            for step in given:
                if not run.step(step, probes=True):
                    break
            run.finish()
            return run.result


class Run:
    """One sequence on one computer."""

    def __init__(self, computer: Computer, counted: Coverage) -> None:
        self._computer = computer
        self._coverage = counted
        self._last: dict[LabName, str] = {}  # the topology that a lab was last brought to, or was to be
        self._lab = LabName("duo")
        self._probed: object = None  # what all was when the way back was tried last
        self.result = Result()

    def step(self, step: Step, *, probes: bool) -> bool:
        """Do a step and look at everything; tell whether all is well."""
        self.result.done.append(step)
        before = self._computer.host()
        if step.by_user:
            deeds.do(before, step.words[1:])
            before.book.meanwhile.clear()
            before.keep()
            host, outcome = before, None
            self._coverage.count(step, "", "")
        else:
            outcome = self._verb(step, before)
            host = self._computer.host()
        self.result.wrong += invariants.after(step, before, self._computer.home, host, outcome)
        host.keep()
        self.result.log.append(f"{step}" + (f"  => {outcome.code}" if outcome else ""))
        now = self._fingerprint(host)
        if probes and not self.result.wrong and now != self._probed:
            self._probed = now
            topology = self._last.get(self._lab, "first" if self._lab.lab == "duo" else "alone")
            finish = len(self.result.done) % 2 == 0
            self.result.wrong += probe(self._computer, topology, self._lab.copy, finish=finish)
        return not self.result.wrong

    def finish(self) -> None:
        """Remove all that is vboxlab's, unless something was wrong before: then only what is the user's is left."""
        if not self.result.wrong:
            self.result.wrong += cleared(self._computer)

    def _fingerprint(self, host: Host) -> object:
        """Return what decides on the way back: the host, and vboxlab's files but for those that only say who works."""
        files = {
            path: path.read_bytes()
            for path in self._computer.home.rglob("*")
            if path.is_file() and path.name != "holder.json"
        }
        lab = self._last.get(self._lab)
        others = (dict(host.media), set(host.taken_ports), self._lab, lab)
        return (host.fingerprint(), files, others)

    def _verb(self, step: Step, before: Host) -> Outcome:
        words = confirmed.Words(step)
        labs = words.labs(before)
        lab = labs[0] if labs else self._lab
        state = coverage.state_of(before, self._computer.home, lab)
        if words.verb == "up":
            self._last.update(dict.fromkeys(labs, words.arguments[0]))
        self._lab = lab
        if words.verb == "base add" and (vm := words.one("--vm")):
            before.offer(vm, words.arguments[0])
            before.keep()
        given_up = confirmed.given_up(before, self._computer.home, step)
        machines = confirmed.machines_given_up(before, self._computer.home, step)
        others: list[str] = []
        outcome = self._computer.run(step, lambda other: others.extend(self._other(other)))
        host = self._computer.host()
        book = host.book
        book.given_up |= given_up | {marker for marker, handle in book.meanwhile.items() if handle in machines}
        book.meanwhile.clear()
        host.keep()
        self.result.wrong += others
        self._coverage.count(step, outcome.struck, state)
        return outcome

    def _other(self, words: Sequence[str]) -> list[str]:
        """Run another verb while the first one stands still; return what is wrong with it."""
        step = Step(tuple(words))
        before = self._computer.host()
        given_up = confirmed.given_up(before, self._computer.home, step)
        outcome = self._computer.run(step, inner=True)
        host = self._computer.host()
        host.book.given_up |= given_up
        host.keep()
        found = confirmed.Words(step)
        if found.verb == "up" and outcome.code != 6:
            self._last.update(dict.fromkeys(found.labs(before), found.arguments[0]))
        return [*invariants.bugs(outcome), *invariants.promises(step, before, host, outcome)]
