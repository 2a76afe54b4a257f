"""`grade --prove`: what a scheme makes of its reference, of other words for it, and of every mutant.

The lab is a finished one. It goes into a snapshot, to which it is put back at the end and after every mutant that
changes more than files. Where nothing but files is changed, they are put back, and no snapshot is needed.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import field
from datetime import UTC, datetime
from pathlib import Path
from typing import cast

from pydantic import ValidationError

from vboxlab.errors import LabError, UsageError, VboxlabError, said_by_system
from vboxlab.events import Note
from vboxlab.files import write_durably
from vboxlab.grading.judge import Marks, looked_through, settle
from vboxlab.grading.judging_code import judging_code
from vboxlab.grading.mutants import (
    EXERCISE,
    REFERENCE,
    Proof,
    differences,
    expected_of,
    gained,
    key_of,
    looked_at,
    looked_at_untouched,
    needs_faults,
)
from vboxlab.grading.record import scheme_digest
from vboxlab.guest.executor import Executor
from vboxlab.lab import snapshot_sets
from vboxlab.lab.each import on_each
from vboxlab.lab.mutating import Mutating
from vboxlab.lab.observe import begin, see
from vboxlab.language import N_, _
from vboxlab.lazily import dataclass
from vboxlab.operations.copies import Chosen, choose, on_labs
from vboxlab.operations.door import Door
from vboxlab.operations.grade import scheme_of
from vboxlab.operations.looking import Looking
from vboxlab.operations.request import LabRequest
from vboxlab.operations.session import Session, opened
from vboxlab.operations.snapshot.members import base_of
from vboxlab.operations.targets import Target
from vboxlab.planning.observed import ObservedLab, ObservedMachine, PowerState, exercise_of
from vboxlab.topology.grading import Question, Scheme
from vboxlab.topology.model import Topology
from vboxlab.topology.mutants import Mutant, Mutants
from vboxlab.topology.problems import did_you_mean, one_of
from vboxlab.topology.rules_mutants import mutants_file, mutants_of

BEFORE = "before-proving"
"""The snapshot that holds the reference while its scheme is proved."""


@dataclass(frozen=True, kw_only=True)
class ProveRequest(LabRequest):
    """Which topology's scheme to prove, by which mutants (none: all, after the reference), and where to keep results.

    What passed under the same topology, scheme, mutant, driver and judging code is not done again. `yes`: what was done
    since a run that was cut off may be thrown away.
    """

    topology: str
    names: tuple[str, ...] = ()
    folder: Path
    yes: bool = False
    time_scale: float | None = None


@dataclass(frozen=True)
class Proved:
    """What came out of each, and how many were proved by an earlier run; `left` were not begun when it was stopped."""

    proofs: tuple[Proof, ...]
    earlier: frozenset[str] = frozenset()
    left: tuple[str, ...] = ()

    @property
    def passed(self) -> bool:
        """Tell whether all that was asked for is proved."""
        return not self.left and all(proof.passed for proof in self.proofs)


def prove_grading(request: ProveRequest, door: Door) -> Proved:
    """Prove a scheme on a lab that is up and finished, and leave it as it was.

    Raises UsageError when there is no scheme, no mutant of a name, or several copies are asked for; TopologyInvalid
    with all that is wrong with the mutants; LabBusy.
    """
    with opened(door, request.driver) as session:
        return prove_in(session, request)


def prove_in(session: Session, request: ProveRequest) -> Proved:
    """Do what prove_grading does, within a session."""
    if request.which.several:
        raise UsageError(_("a scheme is proved on one lab"), resolution=_("name one with --copy"))

    def one(own: Session, entry: Chosen, jobs: int) -> Proved:
        target = entry.target(own)
        mutants = _mutants(own, request, target.needed.topology)
        return _Proving(own, target, request, mutants, jobs).run()

    chosen = choose(session, request.topology, request, parameters=True)
    return cast("Proved", on_labs(session, chosen, request, one, heed_stop=True))  # one lab was chosen


def _mutants(session: Session, request: ProveRequest, topology: Topology) -> Mutants:
    scheme_of(topology)
    path = mutants_file(session.library.find_topology(request.topology))
    if not path.is_file():
        brief = _("{topology} has no mutants").format(topology=topology.name)
        raise UsageError(brief, resolution=_("write them into {file}; docs/grading.md says how").format(file=path))
    mutants = mutants_of(session.library.source(path), topology)
    known = (REFERENCE, EXERCISE, *(each.mutant for each in mutants.mutants))
    for name in request.names:
        if name not in known:
            text = _("there is no mutant `{name}`; {expected}")
            raise UsageError(text.format(name=name, expected=one_of(known) + did_you_mean(name, known)))
    return mutants


@dataclass
class _Proving:
    session: Session
    target: Target
    request: ProveRequest
    mutants: Mutants
    jobs: int
    _spoilt: bool = field(default=False)  # whether the lab is to go back to the snapshot before the next one
    _safe_now: bool = field(default=False)  # whether there is a snapshot to go back to

    @property
    def topology(self) -> Topology:
        return self.target.needed.topology

    @property
    def scheme(self) -> Scheme:
        return scheme_of(self.topology)

    @property
    def questions(self) -> tuple[Question, ...]:
        return self.scheme.asked(self.topology.values)

    def run(self) -> Proved:
        """Prove what is not proved yet."""
        if EXERCISE in self.request.names:
            return self._exercise()
        wanted: list[Mutant | None] = []
        if not self.request.names or REFERENCE in self.request.names:
            wanted.append(None)
        named = tuple(name for name in self.request.names if name != REFERENCE)
        wanted += self.mutants.named(named) if named or not self.request.names else ()
        proofs = {_name(each): proof for each in wanted if (proof := self._kept(each)) is not None}
        earlier, stop = frozenset(proofs), self.session.context.stop
        todo = [each for each in wanted if _name(each) not in proofs]
        if todo:
            with self._safe() if self._needs_snapshot(todo) else nullcontext():
                for each in todo:
                    if stop.is_set():
                        break
                    proof = proofs[_name(each)] = self._proved(each)
                    self._keep(proof)
                    text = _("{name}: proved ({seconds:.0f} s)") if proof.passed else _("{name}: NOT PROVED")
                    level = "info" if proof.passed else "warning"
                    self.session.context.events(
                        Note(text.format(name=proof.mutant, seconds=proof.seconds), level=level)
                    )
        names = [_name(each) for each in wanted]
        done = tuple(proofs[name] for name in names if name in proofs)
        return Proved(done, earlier, tuple(name for name in names if name not in proofs))

    def _key(self, mutant: Mutant | None) -> str:
        return key_of(
            self.topology.digest, scheme_digest(self.scheme), mutant.model_dump_json() if mutant else "",
            self.session.context.driver.name, judging_code(),
        )  # fmt: skip

    def _kept(self, mutant: Mutant | None) -> Proof | None:
        """Return what an earlier run has proved, if nothing that it depends on is another now."""
        try:
            proof = Proof.model_validate_json((self.request.folder / f"{_name(mutant)}.json").read_bytes())
        except (OSError, ValidationError):
            return None
        return proof if proof.passed and proof.key == self._key(mutant) else None

    def _keep(self, proof: Proof) -> None:
        path = self.request.folder / f"{proof.mutant}.json"
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            write_durably(path, proof.model_dump_json(indent=1) + "\n")
        except OSError as error:
            text = _("{file} cannot be written: {why}")
            raise UsageError(text.format(file=path, why=said_by_system(error))) from None

    def _proved(self, mutant: Mutant | None) -> Proof:
        began, clock = datetime.now(UTC).isoformat(timespec="seconds"), time.monotonic()
        questions = looked_at(self.questions, mutant)
        whole = len(questions) == len(self.questions)
        trouble, marks = "", Marks((), 0, 0, 0)
        wrong: tuple[str, ...] = ()
        try:
            marks = self._graded(mutant, questions)
            expected = expected_of(self.questions, mutant.fails if mutant else ())
            wrong = differences(expected, marks, [each.question for each in questions])
        except VboxlabError as error:
            if self._spoilt and not self._safe_now:
                raise
            trouble = "; ".join([error.brief, *error.details])
        return Proof(
            mutant=_name(mutant), title=mutant.title if mutant else _("the reference itself"), key=self._key(mutant),
            whole=whole, fails=mutant.fails if mutant else (), differences=wrong, trouble=trouble,
            least=marks.least, most=marks.most, began=began, seconds=round(time.monotonic() - clock, 1),
        )  # fmt: skip

    def _exercise(self) -> Proved:
        """Prove that a lab in which nobody has done anything is worth nothing for certain; nothing is changed in it."""
        if len(self.request.names) > 1:
            text = _("`{name}` is proved on a lab in which nobody has done anything, the others on a finished one")
            raise UsageError(text.format(name=EXERCISE), resolution=_("name it alone"))
        lab, topology = self.target.lab, self.topology.name
        if exercise_of(see(self.session.context, lab).machines.values()) != topology:
            text = _("lab {lab} is no exercise of {topology}").format(lab=lab, topology=topology)
            raise UsageError(text, resolution=f"`vboxlab up {topology} --exercise --copy untouched`")
        began, clock = datetime.now(UTC).isoformat(timespec="seconds"), time.monotonic()
        questions = looked_at_untouched(self.questions)
        evidence = Looking(self.session.context, self.target, self.jobs, self.request.time_scale).look(questions)
        shown = looked_through(self.scheme, self.topology.values, evidence)
        marks = settle(shown, self.scheme.total, self.scheme.rounding, {})
        proof = Proof(
            mutant=EXERCISE, title=_("the exercise that nobody has touched"), key="", whole=True,
            differences=gained(marks), trouble=evidence.trouble, least=marks.least, most=marks.most, began=began,
            seconds=round(time.monotonic() - clock, 1),
        )  # fmt: skip
        self._keep(proof)
        return Proved((proof,))

    def _needs_snapshot(self, todo: Sequence[Mutant | None]) -> bool:
        """Tell whether something is not put back by hand, or a run that was cut off has left something."""
        machines = begin(self.session.context, self.target.lab).machines.values()
        return any(machine.find_snapshots(BEFORE) for machine in machines) or not all(map(self._is_light, todo))

    def _is_light(self, mutant: Mutant | None) -> bool:
        """Tell whether all that a proof changes is put back by hand, so that no snapshot is needed."""
        questions = looked_at(self.questions, mutant)
        return (mutant is None or mutant.is_undone_by_hand) and not any(map(needs_faults, questions))

    def _graded(self, mutant: Mutant | None, questions: Sequence[Question]) -> Marks:
        if self._spoilt:
            self._restore(self._machines, start=True)
            self._spoilt = False
        context = self.session.context
        observed = see(context, self.target.lab)
        making = Mutating(context.driver, self.topology, observed, self._executor, self.topology.values)
        self._spoilt = mutant is not None
        try:
            if mutant is not None:
                making.make(mutant)
            evidence = Looking(context, self.target, self.jobs, self.request.time_scale).look(questions)
        finally:
            if self._is_light(mutant):
                self._put_back(making)
        shown = looked_through(self.scheme, self.topology.values, evidence)
        return settle(shown, self.scheme.total, self.scheme.rounding, {})

    def _put_back(self, making: Mutating) -> None:
        """Undo by hand; where that fails, the snapshot is gone back to. Raises LabError where there is none."""
        try:
            making.undo()
            self._spoilt = False
        except VboxlabError as error:
            if not self._safe_now:
                brief = _("lab {lab} could not be put back: {problem}")
                up = f"`vboxlab up {self.request.topology}`"
                raise LabError(
                    brief.format(lab=self.target.lab, problem=error.brief), details=error.details, resolution=up
                ) from error

    def _executor(self, machine: str) -> Executor:
        context, lab = self.session.context, self.target.lab
        base = context.bases.get(self.target.base_of(machine))
        return context.guests.executor(context.directory(lab), see(context, lab).machines[machine], base)

    @property
    def _machines(self) -> list[str]:
        """Return the machines that are put back: those that any mutant changes, and those that the student does."""
        exercise = self.topology.exercise
        changed = {name for mutant in self.mutants.mutants for name in mutant.on}
        return [name for name in self.topology.machines if name in {*changed, *(exercise.machines if exercise else ())}]

    @contextmanager
    def _safe(self) -> Iterator[None]:
        """Have the reference in a snapshot meanwhile; one that an earlier run left is gone back to, after asking."""
        context, names = self.session.context, self._machines
        observed = begin(context, self.target.lab)
        missing = [name for name in names if name not in observed.machines]
        if missing:
            text = _("lab {lab}: {machines} does not exist, so nothing can be graded")
            raise UsageError(text.format(lab=self.target.lab, machines=", ".join(missing)))
        running = [name for name in names if observed.machines[name].power is PowerState.RUNNING]
        left = [name for name in names if observed.machines[name].find_snapshots(BEFORE)]
        bases = base_of(self.session, self.target)
        if left:
            self._may_go_back(observed, left)
        if left == names:
            self._restore(names, start=True)
        else:
            if left:  # it was cut off while it took or deleted them, or the mutants change other machines now
                self._restore(left, start=False)
                snapshot_sets.delete(context, begin(context, self.target.lab), left, BEFORE)
                self._start([name for name in left if name in running])
            observed = begin(context, self.target.lab)
            snapshot_sets.take(context, observed, names, BEFORE, jobs=self.jobs, base_of=bases)
        self._safe_now = True
        try:
            yield
        finally:
            self._safe_now = False
            self._restore(names, start=False)
            snapshot_sets.delete(context, begin(context, self.target.lab), names, BEFORE)
            self._start(running)

    def _may_go_back(self, observed: ObservedLab, left: Sequence[str]) -> None:
        """Return if what was done since a run that was cut off may be thrown away; else raise what the door does."""
        lost = snapshot_sets.lost_by_restore(observed, left, BEFORE)
        if lost and not self.request.yes:
            question = _("throw away what was done on {machines} of lab {lab} since a proving that was cut off?")
            self.session.door.confirm(question.format(machines=", ".join(lost), lab=self.target.lab))

    def _restore(self, names: Sequence[str], *, start: bool) -> None:
        context = self.session.context
        observed = begin(context, self.target.lab)
        bases = base_of(self.session, self.target)
        snapshot_sets.restore(context, observed, names, BEFORE, start=start, jobs=self.jobs, base_of=bases)

    def _start(self, names: Sequence[str]) -> None:
        context = self.session.context
        observed = see(context, self.target.lab).machines

        def start(machine: ObservedMachine) -> str:
            context.driver.start(machine.handle)
            return ""

        on_each(context, self.target.lab, [observed[name] for name in names], N_("start"), start, jobs=self.jobs)


def _name(mutant: Mutant | None) -> str:
    return mutant.mutant if mutant is not None else REFERENCE
