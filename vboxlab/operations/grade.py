"""Grading a lab, or each of several copies, by its topology's scheme; and changing marks by hand."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from vboxlab import __version__
from vboxlab.errors import LabError, UsageError, VboxlabError
from vboxlab.events import Note
from vboxlab.grading import words
from vboxlab.grading.evidence import Evidence, Hinted
from vboxlab.grading.judge import Change, Marks, looked_through
from vboxlab.grading.record import Graded, change, changes_of, keep, kept, scheme_digest, snapshot_digest
from vboxlab.grading.reports import write_reports
from vboxlab.grading.tables import form_of
from vboxlab.lab import snapshot_sets
from vboxlab.lab.check import MachineCheck
from vboxlab.lab.context import Context
from vboxlab.lab.each import on_each
from vboxlab.lab.hints_given import GivenHint, read_hints
from vboxlab.lab.observe import begin, see
from vboxlab.language import N_, _
from vboxlab.lazily import dataclass
from vboxlab.operations.copies import Chosen, OneOrCopies, choose, on_labs
from vboxlab.operations.door import Door
from vboxlab.operations.looking import Looking
from vboxlab.operations.request import LabRequest
from vboxlab.operations.session import Session, opened
from vboxlab.operations.targets import Target
from vboxlab.operations.whose import Neighbours, neighbours_of
from vboxlab.planning.observed import MARK_CONTACTED, ObservedLab, ObservedMachine, PowerState
from vboxlab.topology.addressing import LabName
from vboxlab.topology.grading import Scheme
from vboxlab.topology.model import Topology

AS_IS, REBOOT = "as-is", "reboot"
BEFORE = "before-grading"
"""The snapshot that holds what a student did while another one, or a reboot, is graded."""
IDENTITY = "ID number"
"""What Moodle calls the column that tells students apart."""
OFF_WITHIN = 60.0  # seconds that machines have to end by themselves


@dataclass(frozen=True, kw_only=True)
class GradeRequest(LabRequest):
    """Which topology's scheme to grade by, what, and where to keep it.

    `at`: as-is, reboot, or the name of a snapshot. `time_scale` is that of `verify`. `folder` gets what was found and
    all reports. `separator` (comma, semicolon, tab) and `decimal` (point, comma) are those of tables; Moodle's has a
    column `identity` with the names of copies.
    """

    topology: str
    at: str = AS_IS
    time_scale: float | None = None
    folder: Path
    separator: str = "comma"
    decimal: str = "point"
    identity: str = IDENTITY


@dataclass(frozen=True)
class GradedLab:
    """What came out for a lab or copy."""

    lab: LabName
    graded: Graded
    marks: Marks

    def sum(self) -> str:
        """Return the sum in words."""
        return words.sum_of(self.marks)

    def lines(self) -> list[str]:
        """Return what came out in words: each question, and the sum."""
        return list(words.lines_of(self.graded, self.marks))

    def record(self) -> dict[str, Any]:
        """Return it as plain data; keys are stable."""
        return words.record(self.graded, self.marks)


@dataclass(frozen=True, kw_only=True)
class MarkRequest:
    """What a teacher gives a copy for a question, and why; `points` None takes an earlier change back."""

    folder: Path
    name: str
    question: str
    points: float | None
    reason: str
    separator: str = "comma"
    decimal: str = "point"
    identity: str = IDENTITY


def grade(request: GradeRequest, door: Door) -> OneOrCopies[GradedLab]:
    """Grade labs, keep what came out, and leave them as they were. Raises what grade_labs raises."""
    with opened(door, request.driver) as session:
        return grade_labs(session, request)


def grade_labs(session: Session, request: GradeRequest) -> OneOrCopies[GradedLab]:
    """Grade labs within a session, keep what came out, and leave them as they were.

    A lab that cannot be looked at, or not be put back, fails; what was seen of it is kept. Machines that are off are
    started and powered off again. Copies are graded one after the other unless `jobs` says otherwise. Raises UsageError
    when the topology has no scheme or the folder cannot be written, LabBusy.
    """

    def one(session: Session, entry: Chosen, jobs: int) -> GradedLab:
        target = entry.target(session)
        came = _Grading(session.context, target, request, jobs, neighbours).run()
        graded = came.graded
        # What could not be looked at takes the place of nothing that was seen before.
        if came.is_seen or graded.name not in kept(request.folder):
            keep(graded, request.folder)
        if came.failure is not None:
            raise came.failure
        return GradedLab(entry.lab, graded, graded.marks(changes_of(request.folder, graded.name)))

    chosen = choose(session, request.topology, request, parameters=True)
    scheme_of(session.library.topology(session.library.find_topology(request.topology)))
    neighbours = neighbours_of(session, request.topology, chosen)
    try:
        # One after the other: copies that are measured at once disturb each other. Their machines are started at once.
        return on_labs(session, chosen, request, one, at_most=None if request.jobs else 1)
    finally:
        write_reports(request.folder, form_of(request.separator, request.decimal), request.identity)


def mark(request: MarkRequest) -> str:
    """Change what a copy got for a question, or take a change back, and return its sum in words.

    Raises UsageError when it was not graded or has no such question, or the points are more than it has.
    """
    graded = kept(request.folder).get(request.name)
    if graded is None:
        brief = _("{name} was not graded in {folder}").format(name=request.name, folder=request.folder)
        raise UsageError(brief, details=list(kept(request.folder)), resolution=_("`vboxlab grade` first"))
    points = {each.question: each.points for each in graded.questions}
    if request.question not in points:
        brief = _("there is no question {question!r}").format(question=request.question)
        raise UsageError(brief, details=[_("questions: {names}").format(names=", ".join(points))])
    if request.points is not None and request.points > points[request.question]:
        text = _("question {question} is worth {most:g} points; expected 0 to {most:g}")
        raise UsageError(text.format(question=request.question, most=points[request.question]))
    given = None
    if request.points is not None:
        now = datetime.now(UTC).isoformat(timespec="seconds")
        given = Change(points=request.points, reason=request.reason, at=now)
    change(request.folder, request.name, request.question, given)
    write_reports(request.folder, form_of(request.separator, request.decimal), request.identity)
    return words.sum_of(graded.marks(changes_of(request.folder, request.name)))


def scheme_of(topology: Topology) -> Scheme:
    """Return the scheme of a topology. Raises UsageError when it has none."""
    if topology.grading is None:
        raise UsageError(
            _("{topology} says nothing about grading").format(topology=topology.name),
            resolution=_("add `grading:` to it; docs/grading.md says how"),
        )
    return topology.grading


def hinted(given: Sequence[GivenHint], topology: str) -> dict[str, Hinted]:
    """Return how many hints were given for each question of a topology, and what they cost."""
    found: dict[str, Hinted] = {}
    for each in given:
        if each.topology == topology:
            so_far = found.get(each.question, Hinted())
            found[each.question] = Hinted(count=so_far.count + 1, cost=so_far.cost + each.cost)
    return found


@dataclass(frozen=True)
class _Outcome:
    """What came out for a lab; `failure` is what kept it from being looked at, or from being put back."""

    graded: Graded
    is_seen: bool
    failure: VboxlabError | None = None


@dataclass
class _Grading:
    context: Context
    target: Target
    request: GradeRequest
    jobs: int
    neighbours: Neighbours
    of_snapshot: str = ""

    @property
    def lab(self) -> LabName:
        return self.target.lab

    @property
    def topology(self) -> Topology:
        return self.target.needed.topology

    def run(self) -> _Outcome:
        """Look at the lab in the state asked for, and put it back."""
        began, now = time.monotonic(), datetime.now(UTC).isoformat(timespec="seconds")
        before: list[MachineCheck] = []
        evidence: Evidence | None = None
        failure: VboxlabError | None = None
        try:
            hints = hinted(read_hints(self.context.directory(self.lab).hints), self.topology.name)
            before = self._looking.compare() if self.request.at == REBOOT else []
            with self._prepared():
                found = self._looking.look(scheme_of(self.topology).asked(self.topology.values))
                evidence = replace(found, hints=hints)
        except VboxlabError as error:
            failure = error
        trouble = "; ".join([failure.brief, *failure.details]) if failure and evidence is None else ""
        seen = evidence or Evidence(trouble=trouble)
        topology, scheme = self.topology, scheme_of(self.topology)
        graded = Graded(
            lab=self.lab.lab, copy_name=self.lab.copy, topology=topology.name, digest=topology.digest,
            scheme=scheme_digest(scheme), snapshot=self.request.at if self._is_snapshot else "",
            snapshot_digest=self.of_snapshot, rebooted=self.request.at == REBOOT,
            driver=self.context.driver.name, vboxlab=__version__, graded_at=now,
            seconds=round(time.monotonic() - began, 1), total=scheme.total, rounding=scheme.rounding,
            questions=looked_through(scheme, topology.values, seen), lost=_lost(before, seen), trouble=seen.trouble,
        )  # fmt: skip
        return _Outcome(graded, evidence is not None, failure)

    @property
    def _is_snapshot(self) -> bool:
        return self.request.at not in (AS_IS, REBOOT)

    @contextmanager
    def _prepared(self) -> Iterator[None]:
        """Put the lab into the state that is graded, started, and back afterwards.

        What a student did is in a snapshot of its own meanwhile, unless the lab is graded as it is.
        """
        observed = begin(self.context, self.lab)
        if not observed.machines:
            raise UsageError(_("lab {lab} does not exist").format(lab=self.lab))
        _check_not_left(observed)
        names = list(observed.machines)
        off = [name for name, machine in observed.machines.items() if machine.power is PowerState.OFF]
        graded = self._members(names)
        if self._is_snapshot:
            snapshot_sets.check_has(observed, graded, self.request.at)
            self.of_snapshot = snapshot_digest({name: observed.machines[name] for name in graded}, self.request.at)
        keeps = self.request.at != AS_IS
        if keeps:
            snapshot_sets.take(self.context, observed, names, BEFORE, start=False, jobs=self.jobs)
        try:
            if self._is_snapshot:
                self._restore(graded, self.request.at)
            self._start([])
            yield
        finally:
            if keeps:
                self._put_back(names, off)
            else:
                self._stop(off)

    def _members(self, names: Sequence[str]) -> Sequence[str]:
        """Return the machines that go to the snapshot asked for: those that its set declares, else all."""
        declared = [each.machines for each in self.target.needed.sets if each.name == self.request.at]
        return [name for name in names if name in declared[0]] if declared else names

    def _put_back(self, names: Sequence[str], off: Sequence[str]) -> None:
        text = _("putting lab {lab} back; what was done in it is in the snapshot {snapshot} until then")
        self.context.events(Note(text.format(lab=self.lab, snapshot=BEFORE)))
        try:
            self._restore(names, BEFORE)
            snapshot_sets.delete(self.context, begin(self.context, self.lab), names, BEFORE)
            self._start(off)
        except VboxlabError as error:
            text = _("lab {lab} could not be put back; what was done in it is in the snapshot {snapshot}")
            brief = text.format(lab=self.lab, snapshot=BEFORE)
            raise LabError(brief, details=[error.brief, *error.details],
                           resolution=_put_back_with(self.lab)) from error  # fmt: skip

    def _restore(self, names: Sequence[str], snapshot: str) -> None:
        observed = begin(self.context, self.lab)
        snapshot_sets.restore(self.context, observed, names, snapshot, start=False, jobs=self.jobs)

    def _start(self, but: Sequence[str]) -> None:
        """Start what is off, but these, and wait for the guests that can be worked with.

        A guest that does not come is looked at from outside.
        """
        machines = see(self.context, self.lab).machines.items()
        resting = [m for name, m in machines if name not in but and m.power is not PowerState.RUNNING]

        def start(machine: ObservedMachine) -> str:
            self.context.driver.start(machine.handle)
            if MARK_CONTACTED not in machine.marks:
                return ""
            base = self.context.bases.get(self.target.base_of(machine.machine))
            running = self.context.driver.inspect(machine.handle)
            directory = self.context.directory(self.lab)
            try:
                self.context.guests.contact(directory, running, base, first=False, report=lambda _text: None)
            except VboxlabError as error:
                return error.brief
            return ""

        on_each(self.context, self.lab, resting, N_("start"), start, jobs=self.jobs)

    def _stop(self, names: Sequence[str]) -> None:
        """Power off again what was off."""
        machines = see(self.context, self.lab).machines
        running = [machines[name] for name in names if machines[name].power is PowerState.RUNNING]

        def stop(machine: ObservedMachine) -> str:
            self.context.guests.forget(machine)
            self.context.driver.power_off(machine.handle, "graceful", timeout=OFF_WITHIN)
            return ""

        on_each(self.context, self.lab, running, N_("power off"), stop, jobs=self.jobs)

    @property
    def _looking(self) -> Looking:
        return Looking(self.context, self.target, self.jobs, self.request.time_scale, self.neighbours)


def _put_back_with(lab: LabName) -> str:
    """Return how somebody puts a lab back by hand."""
    which = f"--lab {lab.lab}" + (f" --copy {lab.copy}" if lab.copy else "")
    text = _("`vboxlab snapshot restore {snapshot} {which}`, then `vboxlab snapshot delete {snapshot} {which}`")
    return text.format(snapshot=BEFORE, which=which)


def _check_not_left(observed: ObservedLab) -> None:
    """Raise LabError where an earlier grading was cut off: the lab is not what was done in it."""
    if any(machine.has_snapshot(BEFORE) for machine in observed.machines.values()):
        text = _("lab {lab}: an earlier grading was cut off; what was done in it is in the snapshot {snapshot}")
        raise LabError(
            text.format(lab=observed.name, snapshot=BEFORE),
            details=snapshot_sets.who_has(observed, list(observed.machines), BEFORE),
            resolution=_put_back_with(observed.name),
        )


def _lost(before: Sequence[MachineCheck], evidence: Evidence) -> tuple[str, ...]:
    """Return what is found wrong now and was not before, of guests that were looked at both times."""
    known = {(each.machine, finding.code, finding.where) for each in before for finding in each.findings}
    seen = {each.machine for each in before if each.guest_seen}
    return tuple(
        f"{name} {each.place}: {each.found}"
        for name, looked in evidence.machines.items()
        for each in looked.findings
        if name in seen
        and each.finding.severity != "hint"
        and (name, each.finding.code, each.finding.where) not in known
    )
