"""Grading as an operation: in which state a lab is graded, what becomes of it, and what is kept."""

from __future__ import annotations

import base64
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from tests.unit.lab_world import GUEST, LabWorld, RecordedGuests
from tests.unit.operations.doors import RecordingDoor
from vboxlab.base.model import Base
from vboxlab.errors import GuestError, LabError, SnapshotNotFound, UsageError
from vboxlab.events import Note
from vboxlab.grading.record import kept
from vboxlab.guest.configurator import ResourceResult, StageReport
from vboxlab.guest.executor import Completed, Executor
from vboxlab.guest.facts_script import END
from vboxlab.guest.recording import RecordingExecutor
from vboxlab.guest.resources import Hostname, Resource
from vboxlab.lab import snapshot_sets
from vboxlab.lab.copies import parse_copies
from vboxlab.lab.directory import LabDirectory
from vboxlab.lab.down import down
from vboxlab.lab.guests import Report
from vboxlab.lab.observe import begin
from vboxlab.operations.grade import BEFORE, GradedLab, GradeRequest, MarkRequest, grade_labs, mark
from vboxlab.operations.request import Which
from vboxlab.operations.run_copies import CopyResult, exit_code
from vboxlab.operations.session import Session
from vboxlab.operations.up import UpRequest, up_copies
from vboxlab.planning.observed import ObservedMachine, PowerState
from vboxlab.topology.addressing import LabName
from vboxlab.topology.library import Library

TOPOLOGY = """\
lab: small
base: debian12
parameters: {student: {default: theodore}}
networks: {lan: {kind: internal, subnet: 10.1.0.0/24}}
machines:
  web: {hostname: "web-{student}", adapters: [{network: lan, address: 10.1.0.1/24}], roles: [{role: ssh_server}]}
  gate: {hostname: gate, adapters: [{network: lan, address: 10.1.0.2/24}], roles: [{role: ssh_server}]}
grading:
  total: 4
  questions:
    - {question: names, title: Names, points: 2, findings: [{on: web, none_of: [hostname*]}]}
    - {question: reach, title: It is there, points: 2, steps: [{check: ping, from: gate, to: 10.1.0.1}]}
"""
ALICE = LabName("small", "alice")


@dataclass
class NamedGuests(RecordedGuests):
    """Guests that have a host name: the one on their disk, unless another was set since they were started."""

    live: dict[str, str] = field(default_factory=dict)  # by handle: what a power-off ends
    deaf: set[str] = field(default_factory=set)  # machines, or COPY-MACHINE, that nobody can enter any more
    interrupts: int = 0  # how often Ctrl-C shall come while a guest is looked at

    def contact(
        self, directory: LabDirectory, machine: ObservedMachine, base: Base, *, first: bool, report: Report
    ) -> None:
        self._hear(machine)
        super().contact(directory, machine, base, first=first, report=report)

    def configure(
        self,
        directory: LabDirectory,
        machine: ObservedMachine,
        base: Base,
        resources: Sequence[Resource],
        *,
        changes: bool,
        installed: tuple[str, ...],
        fresh: bool = False,
    ) -> StageReport:
        for each in resources:
            if changes and isinstance(each, Hostname):
                self.write(machine.handle, each.name)
        return StageReport(machine.machine, tuple(ResourceResult(each.key, "unchanged", "") for each in resources))

    def executor(self, directory: LabDirectory, machine: ObservedMachine, base: Base) -> Executor:
        self._hear(machine)

        def facts(_script: str, _stdin: bytes) -> Completed:
            self._reach(machine)
            if self.interrupts:
                self.interrupts -= 1
                raise KeyboardInterrupt
            name = self._now(machine).marks[GUEST]
            file = base64.b64encode(f"{name}\n".encode()).decode()
            now = self.live.get(machine.handle, name)
            lines = (f"hostname\t{now}", f"file\t/etc/hostname\t644 root:root\t{file}", END, "")
            return Completed(0, "\n".join(lines), "")

        ping = Completed(0, "0 0\n", "")
        return RecordingExecutor(machine.machine, [(END, facts), ("ping", ping), ("", Completed(0, "", ""))])

    def forget(self, machine: ObservedMachine) -> None:
        self.live.pop(machine.handle, None)
        super().forget(machine)

    def _hear(self, machine: ObservedMachine) -> None:
        if self.deaf & {machine.machine, machine.name}:
            raise GuestError(f"{machine.machine}: its SSH server does not answer")


class Classroom(LabWorld):
    """A host with copies of the small lab, and a folder for marks."""

    def __init__(self, home: Path) -> None:
        super().__init__(home)
        self.guests: NamedGuests = NamedGuests(self.store)
        self.context = self.new_context()
        self.file = home / "small.yaml"
        self.file.write_text(TOPOLOGY, encoding="utf-8")
        self.marks = home / "marks"

    def session(self) -> Session:
        return Session(self.context, Library(self.context.settings), RecordingDoor())

    def has(self, copies: str) -> None:
        request = UpRequest(topology=str(self.file), which=Which(roll=parse_copies(copies)), jobs=4, patience=0)
        assert {each.outcome for each in up_copies(self.session(), request)} == {"done"}

    def off(self, lab: LabName) -> None:
        for machine in self.machines(lab).values():
            self.driver.power_off(machine.handle, "hard")

    def rename(self, name: str, lab: LabName = ALICE, machine: str = "web") -> None:
        self.guests.write(self.machine(machine, lab).handle, name)

    def name_of(self, lab: LabName = ALICE) -> str:
        return self.machine("web", lab).marks[GUEST]

    def snapshots(self, lab: LabName = ALICE) -> set[str]:
        return {snapshot.name for machine in self.machines(lab).values() for snapshot in machine.snapshots}

    def request(self, which: Which, at: str = "as-is") -> GradeRequest:
        return GradeRequest(topology=str(self.file), which=which, at=at, folder=self.marks, patience=0,
                            time_scale=1.0)  # fmt: skip

    def grade(self, at: str = "as-is", copy: str = "alice") -> GradedLab:
        graded = grade_labs(self.session(), self.request(Which(copy=copy), at))
        assert isinstance(graded, GradedLab)
        return graded

    def grade_class(self, copies: str) -> list[CopyResult[GradedLab]]:
        graded = grade_labs(self.session(), self.request(Which(roll=parse_copies(copies))))
        assert isinstance(graded, list)
        return graded


@pytest.fixture
def room(tmp_path: Path) -> Classroom:
    return Classroom(tmp_path / "home")


def points(graded: GradedLab) -> dict[str, Any]:
    return {each.shown.question: (each.value, each.least, each.most) for each in graded.marks.judged}


RIGHT = {"names": ("passed", 2.0, 2.0), "reach": ("passed", 2.0, 2.0)}
WRONG = {**RIGHT, "names": ("failed", 0.0, 0.0)}
RUNS = {"web": "running", "gate": "running"}


def test_a_lab_that_runs_is_graded_as_it_is_and_runs_on(room: Classroom) -> None:
    room.has("alice")
    assert points(room.grade()) == RIGHT
    room.rename("web")
    room.store.calls.clear()
    graded = room.grade()
    assert points(graded) == WRONG
    assert graded.marks.judged[0].shown.criteria[0].found == (
        "web the guest: the host name is web (expected: web-alice (`hostnamectl hostname`))",
    )
    changing = {"start", "power_off", "take_snapshot", "restore_snapshot", "delete_snapshot"}
    assert not changing & {call for call, _subject in room.store.calls}
    assert room.powers(ALICE) == RUNS


def test_machines_that_are_off_are_started_and_off_again(room: Classroom) -> None:
    room.has("alice")
    room.driver.power_off(room.machine("web", ALICE).handle, "hard")
    assert points(room.grade()) == RIGHT
    assert room.powers(ALICE) == {"web": "off", "gate": "running"}


def test_a_snapshot_is_graded_and_what_was_done_since_is_there_again(room: Classroom) -> None:
    room.has("alice")
    machines = begin(room.context, ALICE)
    snapshot_sets.take(room.context, machines, ["web", "gate"], "handed-in")
    room.rename("web-of-alice")
    room.driver.power_off(room.machine("gate", ALICE).handle, "hard")
    graded = room.grade("handed-in")
    assert (points(graded), graded.graded.snapshot, len(graded.graded.snapshot_digest)) == (RIGHT, "handed-in", 16)
    assert room.name_of() == "web-of-alice"
    assert room.powers(ALICE) == {"web": "running", "gate": "off"}
    assert room.snapshots() == {"handed-in"}


def test_a_declared_snapshot_is_graded_on_the_machines_of_its_set(room: Classroom) -> None:
    named = "roles: [{role: ssh_server}]}\n  gate"
    assert TOPOLOGY.count(named) == 1
    text = TOPOLOGY.replace(named, "stages: {named: [{role: ssh_server}]}}\n  gate")
    text = text.replace("grading:", "stages: [{name: named, snapshot: named}]\ngrading:")
    room.file.write_text(text, encoding="utf-8")
    declared = room.home / "snapshots" / "named.yaml"
    declared.parent.mkdir()
    declared.write_text("lab: small\nmachines: [web]\ntopology: small\nstage: named\n", encoding="utf-8")
    room.has("alice")
    room.rename("slip")
    room.rename("gate-of-alice", machine="gate")
    assert points(room.grade("named")) == RIGHT
    assert (room.name_of(), room.machine("gate", ALICE).marks[GUEST]) == ("slip", "gate-of-alice")
    assert (room.snapshots(), room.powers(ALICE)) == ({"named"}, RUNS)


def test_a_copy_that_is_off_costs_no_more_than_up_and_down(room: Classroom) -> None:
    """On guests: `python -m benchmarks.grading`."""
    room.has("alice,bob")
    labs = (ALICE, LabName("small", "bob"))

    def work(do: Callable[[], object]) -> list[str]:
        for lab in labs:
            room.off(lab)
        room.store.calls.clear()
        room.guests.calls.clear()
        do()
        calls = [*room.store.calls, *room.guests.calls]
        return sorted(name for name, _subject in calls if name in ("start", "power_off", "contact", "take_snapshot"))

    def loop() -> None:
        for lab in labs:
            room.has(str(lab.copy))
            down(room.context, lab, timeout=5.0, hard=True, jobs=1)

    graded = work(lambda: room.grade_class("alice,bob"))
    assert graded == ["contact"] * 4 + ["power_off"] * 4 + ["start"] * 4
    assert graded == work(loop)


def test_a_snapshot_that_is_not_there_is_said_before_anything_is_changed(room: Classroom) -> None:
    room.has("alice")
    with pytest.raises(SnapshotNotFound, match="web, gate cannot go back to handed-in; nothing was changed"):
        room.grade("handed-in")
    assert (room.snapshots(), room.powers(ALICE)) == (set(), RUNS)


def test_a_reboot_shows_what_was_not_kept_and_is_undone(room: Classroom) -> None:
    room.has("alice")
    room.rename("debian")
    handle = room.machine("web", ALICE).handle
    room.guests.live[handle] = "web-alice"  # `hostname web-alice`, and nothing in /etc/hostname
    graded = room.grade("reboot")
    assert points(graded) == WRONG
    assert graded.graded.rebooted
    assert graded.graded.lost == ("web the guest: the host name is debian",)
    assert "did not survive the reboot: web the guest: the host name is debian" in graded.lines()
    assert (room.name_of(), room.snapshots(), room.powers(ALICE)) == ("debian", set(), RUNS)


def test_one_copy_that_fails_stops_no_other(room: Classroom) -> None:
    room.has("alice,bob,carol")
    snapshot_sets.take(room.context, begin(room.context, LabName("small", "bob")), ["web", "gate"], BEFORE)
    results = room.grade_class("alice,bob,carol,nobody")
    assert [(each.lab.copy, each.outcome) for each in results] == [
        ("alice", "done"), ("bob", "failed"), ("carol", "done"), ("nobody", "failed"),
    ]  # fmt: skip
    assert exit_code(results) == 8
    assert results[3].why == "lab small/nobody does not exist"
    sums = {name: graded.marks({}) for name, graded in kept(room.marks).items()}
    assert {name: (marks.least, marks.most) for name, marks in sums.items()} == {
        "alice": (4.0, 4.0), "bob": (0.0, 4.0), "carol": (4.0, 4.0), "nobody": (0.0, 4.0),
    }  # fmt: skip


def test_it_is_said_whose_name_was_copied_in_a_class_and_alone(room: Classroom) -> None:
    room.has("alice,bob")
    room.rename("web-bob")
    found = "web the guest: the host name is web-bob; it has the values of copy bob"
    alice, bob = room.grade_class("alice,bob")
    assert bob.value is not None
    assert points(bob.value) == RIGHT
    for graded in (alice.value, room.grade()):
        assert graded is not None
        assert points(graded) == WRONG
        assert graded.marks.judged[0].shown.criteria[0].found == (
            f"{found} (expected: web-alice (`hostnamectl hostname`))",
        )


def test_one_is_graded_again_alone_and_what_the_teacher_gave_stays(room: Classroom) -> None:
    room.has("alice,bob")
    room.rename("web")
    room.grade_class("alice,bob")
    bob = (room.marks / "bob.json").read_bytes()
    given = MarkRequest(folder=room.marks, name="alice", question="names", points=1.25, reason="nearly")
    assert mark(given) == "3.25 of 4"
    graded = room.grade()
    assert points(graded) == {**WRONG, "names": ("partly", 1.25, 1.25)}
    assert mark(replace(given, points=None)) == "2 of 4"
    assert (room.marks / "bob.json").read_bytes() == bob
    assert "3.25" not in (room.marks / "class.csv").read_text(encoding="utf-8-sig")


def test_what_could_not_be_looked_at_takes_the_place_of_no_marks(room: Classroom) -> None:
    room.has("alice")
    room.grade()
    with pytest.raises(SnapshotNotFound, match="cannot go back"):
        room.grade("handed-in")
    assert kept(room.marks)["alice"].marks({}).least == 4.0


def test_a_guest_that_cannot_be_entered_is_judged_from_outside(room: Classroom) -> None:
    room.has("alice")
    room.off(ALICE)
    room.guests.deaf = {"web"}
    graded = room.grade()
    assert points(graded) == {**RIGHT, "names": ("unclear", 0.0, 2.0)}
    assert graded.sum() == "2 to 4 of 4"
    assert graded.marks.judged[0].because == ("web: the guest cannot be looked at: web: its SSH server does not answer")
    assert set(room.powers(ALICE).values()) == {"off"}


def test_what_is_cut_off_by_ctrl_c_is_put_back(room: Classroom) -> None:
    room.has("alice")
    room.rename("web")
    snapshot_sets.take(room.context, begin(room.context, ALICE), ["web", "gate"], "handed-in")
    room.guests.interrupts = 1
    with pytest.raises(KeyboardInterrupt):
        room.grade("handed-in")
    assert (room.name_of(), room.snapshots(), room.powers(ALICE)) == ("web", {"handed-in"}, RUNS)
    assert any(
        isinstance(event, Note) and event.text.endswith(f"is in the snapshot {BEFORE} until then")
        for event in room.events
    )


def test_after_a_grading_that_was_killed_it_is_said_where_the_work_is(room: Classroom) -> None:
    room.has("alice")
    machines = ["web", "gate"]
    snapshot_sets.take(room.context, begin(room.context, ALICE), machines, BEFORE, start=False)
    room.rename("as graded")
    for at in ("as-is", "reboot"):
        with pytest.raises(LabError) as caught:
            room.grade(at)
        assert caught.value.brief.endswith(f"what was done in it is in the snapshot {BEFORE}")
        assert caught.value.resolution == (
            f"`vboxlab snapshot restore {BEFORE} --lab small --copy alice`, then "
            f"`vboxlab snapshot delete {BEFORE} --lab small --copy alice`"
        )
    assert BEFORE in room.snapshots()
    snapshot_sets.restore(room.context, begin(room.context, ALICE), machines, BEFORE, start=False)
    snapshot_sets.delete(room.context, begin(room.context, ALICE), machines, BEFORE)
    assert points(room.grade("reboot")) == RIGHT


def test_a_lab_that_is_not_put_back_fails_and_keeps_its_marks(room: Classroom) -> None:
    room.has("alice")
    room.store.fail("restore_snapshot")
    with pytest.raises(LabError) as caught:
        room.grade("reboot")
    assert (
        caught.value.brief == f"lab small/alice could not be put back; what was done in it is in the snapshot {BEFORE}"
    )
    assert kept(room.marks)["alice"].marks({}).least == 4.0
    assert BEFORE in room.snapshots()


def test_a_topology_without_a_scheme_is_refused(room: Classroom) -> None:
    room.file.write_text(TOPOLOGY.partition("grading:")[0], encoding="utf-8")
    room.has("alice")
    with pytest.raises(UsageError, match="small says nothing about grading"):
        room.grade()
    assert not room.marks.exists()
    assert {machine.power for machine in room.machines(ALICE).values()} == {PowerState.RUNNING}
