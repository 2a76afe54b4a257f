"""Running sequences on a real VirtualBox: the campaign's own steps, as far as no guest is needed for them.

`up` goes as far as the machines are made, and what would start them leaves them off. A trouble strikes so many
milliseconds after the start of a verb, so a sequence is not the same twice: one that does harm is written down, and
replayed on the memory driver.
"""

from __future__ import annotations

import itertools
import random
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from tests.campaign import confirmed, coverage, invariants, steps
from tests.campaign.coverage import Coverage
from tests.campaign.generate import SHARE, SIZES, Generator
from tests.campaign.host import Host
from tests.campaign.process import Outcome
from tests.campaign.real import deeds
from tests.campaign.real.computer import Computer, digest_of
from tests.campaign.sequence import Result
from tests.campaign.steps import Step, Trouble
from vboxlab.topology.addressing import LabName

REAL = (steps.KILL, steps.WORKER, steps.SERVICE, steps.FULL, steps.MEANWHILE, steps.OTHER, steps.INTERRUPT)
LONGEST = 1500  # milliseconds after the start of a verb in which it is struck
IMAGE = "vboxlab-image-"  # a base's, which is kept for the next sequence
FIRST = (Step(("up", "first")), Step(("snapshot", "take", "plain", "--lab", "duo")))


def adapted(step: Step, chance: random.Random) -> Step | None:
    """Return a step of the memory driver's as one that needs no guest, None when there is none."""
    if step.by_user:
        return step if step.words[1] in deeds.DEEDS else None
    if step.words[0] == "verify":
        return None  # it needs guests
    words = [word for word in step.words if word not in ("--up", "--no-up", "--live")]
    if step.words[0] in ("up", "plan"):
        if "--until" in words:
            place = words.index("--until")
            del words[place : place + 2]
        words += ["--until", "created"]
    if step.words[0] == "reset":
        words.append("--no-up")
    if step.words[:2] == ("snapshot", "restore") and "--drop" not in words:
        words.append("--no-start")
    trouble = step.trouble
    if trouble is not None:
        kind = trouble.kind if trouble.kind in REAL else chance.choice(REAL[:4])
        inner: tuple[str, ...] = ()
        if kind in (steps.MEANWHILE, steps.OTHER):
            other = adapted(Step((*([steps.USER] if kind == steps.MEANWHILE else []), *trouble.words)), chance)
            if other is None:
                return None
            inner = other.words[1:] if kind == steps.MEANWHILE else other.words
        # Ctrl-C comes from somebody who sees that it runs: Python itself would end in a traceback before.
        earliest = 400 if kind == steps.INTERRUPT else 0
        trouble = Trouble(kind, earliest + int((LONGEST - earliest) * chance.random()), trouble.how, inner)
    return Step(tuple(words), trouble, step.answer)


def on_memory(sequence: Sequence[Step]) -> list[Step]:
    """Return a sequence as one for the memory driver: what was milliseconds is about as many points of the process."""
    return [
        replace(step, trouble=replace(step.trouble, at=1 + int(step.trouble.at / LONGEST * _points(step))))
        if step.trouble is not None
        else step
        for step in sequence
    ]


def _points(step: Step) -> float:
    assert step.trouble is not None
    return SIZES.get(step.verb, 40) * SHARE[step.trouble.kind]


class RealLaboratory:
    """One VirtualBox for sequence after sequence, each of which leaves nothing behind; a new one after harm."""

    def __init__(self) -> None:
        self.coverage = Coverage()
        self._computer: Computer | None = None

    def close(self) -> None:
        """Remove everything."""
        if self._computer is not None:
            self._computer.close()
            shutil.rmtree(self._computer.folder, ignore_errors=True)
            self._computer = None

    def _ready(self) -> Computer:
        if self._computer is None:
            self._computer = Computer(Path(tempfile.mkdtemp(prefix="campaign-")))
        return self._computer

    def generate(self, seed: int, length: int) -> Result:
        """Run a sequence of that many steps, chosen by a seed; stop at the first that does harm."""
        chance = random.Random(seed)
        generator = Generator(seed)
        run = RealRun(self._ready(), self.coverage)
        run.begin()
        for step in FIRST[: 2 if chance.random() < 0.9 else 0]:
            run.step(adapted(step, chance) or step)
        while not run.result.wrong and len(run.result.done) < length:
            host = run.computer.host()
            found = (adapted(generator.next(host, run.computer.home), chance) for _ in itertools.count())
            run.step(next(step for step in found if step is not None))
        run.finish()
        if run.result.wrong:
            self.close()
        return run.result


class RealRun:
    """One sequence."""

    def __init__(self, computer: Computer, counted: Coverage) -> None:
        self.computer = computer
        self._coverage = counted
        self._lab = LabName("duo")
        self.result = Result()

    def begin(self) -> None:
        """Have the user's VMs and the bases that a sequence begins with; the markers of former ones are forgotten."""
        book = self.computer.book
        book.markers.clear()
        book.given_up.clear()
        book.strays.clear()
        book.count = 0
        for name in ("TEACHER", "GATE"):
            deeds.do(self.computer, ("makes-vm", name, *(("inner",) if name == "GATE" else ())))
        self.computer.host().offer("TEACHER", "stone")
        for name, *origin in (("stone", "--vm", "TEACHER"), ("slate", "--disk", "$FOLDER/slate.img")):
            outcome = self._run(Step(("base", "add", name, *origin, *steps.LOGIN)))
            if outcome.code not in (0, 3, 4):
                self.result.wrong.append(f"(d) base {name} cannot be added: {outcome.code} {outcome.err}")
        self._judge(None, self.computer.host(), None)

    def step(self, step: Step) -> None:
        """Do a step and look at everything."""
        self.result.done.append(step)
        before = self.computer.host()
        if step.by_user:
            deeds.do(self.computer, step.words[1:])
            self.computer.book.meanwhile.clear()
            self._coverage.count(step, "", "")
            outcome = None
        else:
            outcome = self._verb(step, before)
        self.result.log.append(f"{step}" + (f"  => {outcome.code}" if outcome else ""))
        self._judge(step, before, outcome)

    def _run(self, step: Step) -> Outcome:
        return self.computer.run(step, lambda words: deeds.do(self.computer, words))

    def _verb(self, step: Step, before: Host) -> Outcome:
        words = confirmed.Words(step)
        labs = words.labs(before)
        lab = labs[0] if labs else self._lab
        state = coverage.state_of(before, self.computer.home, lab)
        self._lab = lab
        book = self.computer.book
        if words.verb == "base add" and (vm := words.one("--vm")):
            before.offer(vm, words.arguments[0])
        given_up = confirmed.given_up(before, self.computer.home, step)
        if step.trouble is not None and step.trouble.kind == steps.OTHER:
            given_up |= confirmed.given_up(before, self.computer.home, Step(step.trouble.words))
        outcome = self._run(step)
        book.given_up |= given_up | set(book.meanwhile)
        book.meanwhile.clear()
        self._coverage.count(step, outcome.struck, state)
        return outcome

    def _judge(self, step: Step | None, before: Host, outcome: Outcome | None) -> None:
        host = self.computer.host()
        if step is not None:
            self.result.wrong += invariants.after(step, before, self.computer.home, host, outcome)
        self.result.wrong += self._disks()

    def _disks(self) -> list[str]:
        """(a) Every disk of the user's VMs is the same, byte for byte; VirtualBox's lists may change meanwhile."""
        wrong = []
        for handle, known in self.computer.fingerprints.items():
            changed = [path.name for path, digest in known.items() if digest_of(path) != digest]
            if changed:
                name = self.computer.book.foreign[handle].name
                wrong.append(f"(a) disks of the VM {name}, which is none of vboxlab's, differ: {', '.join(changed)}")
        return wrong

    def finish(self) -> None:
        """Go the way back, then remove all that is vboxlab's; nothing of it may be left."""
        if not self.result.wrong:
            self._way_back()
        if not self.result.wrong:
            self._clear()
        if self.result.wrong:
            self.result.log += [f"  {line}" for line in self.computer.last_words()]

    def _way_back(self) -> None:
        """(d) `up` converges, the way that messages name taken where it refuses; (e) `plan` says what it will do."""
        for lab in self.computer.host().labs():
            topology = next(name for name, of in confirmed.TOPOLOGIES.items() if of == lab.lab)
            which = ("--copy", lab.copy) if lab.copy else ()
            planned = self._run(Step(("plan", topology, "--until", "created", *which)))
            up = Step(("up", topology, "--until", "created", "--yes", *which))
            done = self._run(up)
            if done.code != 0 and "a restore" in done.err + planned.out:
                finish = Step(("snapshot", "restore", "--finish", "--no-start", "--lab", lab.lab, "--yes", *which))
                self.computer.book.given_up |= confirmed.given_up(self.computer.host(), self.computer.home, finish)
                if self._run(finish).code != 0:
                    self._run(Step(("snapshot", "restore", "--drop", "--lab", lab.lab, *which)))
                planned = self._run(Step(("plan", topology, "--until", "created", *which)))
                done = self._run(up)
            if planned.code in (0, 2) and done.code != 0:
                self.result.wrong.append(f"(d) lab {lab}: `plan` says {planned.code}, `up` ends with {done.err[-600:]}")
            again = self._run(Step(("plan", topology, "--until", "created", *which)))
            if done.code == 0 and again.code != 0:
                self.result.wrong.append(f"(d) lab {lab}: after `up`, `plan` says {again.code}: {again.out[-600:]}")
        self.result.wrong += invariants.markers(self.computer.host())
        self.result.wrong += self._disks()

    def _clear(self) -> None:
        for handle in list(self.computer.depends):
            self.computer.book.bases.pop(handle, None)
            deeds.do(self.computer, ("removes-vm", self.computer.host().machines[handle].name))
        for path in list(self.computer.book.strays):
            if Path(path).exists():
                self.computer.world.manage("closemedium", "disk", path, "--delete")
        self.computer.book.strays.clear()
        for settings in self.computer.left:
            settings.unlink(missing_ok=True)
        self.computer.left.clear()
        host = self.computer.host()
        wrong = self.result.wrong
        verbs = [("destroy", lab.lab, "--yes", *(("--copy", lab.copy) if lab.copy else ())) for lab in host.labs()]
        for words in [*verbs, ("gc", "--yes", "--keep-layers")]:
            outcome = self._run(Step(tuple(words)))
            if outcome.code != 0:
                wrong.append(f"(c) `{' '.join(words)}` ends with {outcome.code}: {outcome.err[-600:]}")
        host = self.computer.host()
        wrong += [f"(c) the machine {m.name} is left" for m in host.machines.values() if m.lab is not None]
        folder = self.computer.world.folder / "vboxlab"
        left = [path for path in folder.rglob("*") if path.is_file() and IMAGE not in str(path)]
        wrong += [f"(c) left in VirtualBox's folder: {path.relative_to(folder)}" for path in sorted(left)[:5]]
        wrong += [f"(c) a VM's process is left: {pid}" for pid in self.computer.world.pids("VBoxHeadless")]
        wrong += [*invariants.foreign(host), *self._disks()]
        for machine in list(host.machines.values()):
            if machine.handle in self.computer.book.foreign and machine.name not in ("TEACHER", "GATE"):
                deeds.do(self.computer, ("removes-vm", machine.name))
