"""A lab that is a student's exercise: what is left to him stays left until the solution is asked for."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tests.golden_files import check_golden
from tests.unit.lab_world import GUEST, LAB, LabWorld
from vboxlab.errors import GuestError, LabError, UsageError
from vboxlab.lab.observe import observe
from vboxlab.lab.planned import make_plan
from vboxlab.lab.reset import reset
from vboxlab.lab.solving import check_can_begin, check_exercise, solve
from vboxlab.lab.up import UpResult, up
from vboxlab.planning import describe
from vboxlab.planning.observed import MARK_EXERCISE, MARK_STAGE, MARK_TOPOLOGY

PAIR = ("srv-web", "srv-web-bis")


@pytest.fixture
def world(tmp_path: Path) -> LabWorld:
    return LabWorld(tmp_path / "home")


def begin(world: LabWorld) -> UpResult:
    return up(world.context, world.blueprint().as_exercise(), LAB, jobs=4)


def marks(world: LabWorld, mark: str) -> dict[str, str | None]:
    return {name: machine.marks.get(mark) for name, machine in world.machines().items()}


def test_what_is_left_to_the_student_is_not_done(world: LabWorld) -> None:
    begin(world)
    assert set(marks(world, MARK_EXERCISE).values()) == {"failover"}
    assert set(marks(world, MARK_STAGE).values()) == {"exercise"}
    assert all(machine.has_snapshot("exercise") for machine in world.machines().values())
    assert set(world.powers().values()) == {"running"}
    assert not any("apache2" in packages for _base, packages in world.bases.asked)
    assert not any(world.machine(name).has_snapshot("apache-base") for name in PAIR)


def test_plan_from_nothing(world: LabWorld) -> None:
    found, _desired, _observed = make_plan(world.context, world.blueprint().as_exercise(), LAB)
    check_golden("plans/failover-exercise.txt", describe.lines(found))


def test_every_later_plan_leaves_the_students_guests_alone(world: LabWorld) -> None:
    begin(world)
    for name in PAIR:
        world.damage(name)
    found, _desired, _observed = make_plan(world.context, world.blueprint(), LAB, look=True)
    assert found.actions == ()
    told = "what is in its guest is left to the student: the lab is an exercise"
    assert [note for note in found.notes if told in note] == [f"{name}: {told}" for name in PAIR]
    before = marks(world, GUEST)
    world.driver.power_off(world.machine("srv-web").handle, "hard")
    world.up()
    assert marks(world, GUEST) == before
    assert set(marks(world, MARK_EXERCISE).values()) == {"failover"}


def test_what_the_teacher_gives_is_mended(world: LabWorld) -> None:
    begin(world)
    world.damage("dns")
    assert world.up().repaired == ("dns",)


def test_reset_goes_back_to_the_beginning(world: LabWorld) -> None:
    begin(world)
    before = marks(world, GUEST)
    world.damage("srv-web")
    result = reset(world.context, world.blueprint(), LAB, jobs=4)
    assert (result.snapshot, set(result.machines)) == ("exercise", set(world.machines()))
    assert marks(world, GUEST) == before
    assert set(marks(world, MARK_EXERCISE).values()) == {"failover"}


def test_another_topology_is_refused(world: LabWorld) -> None:
    begin(world)
    before = world.machines()
    with pytest.raises(LabError) as caught:
        world.up("loadbalancing")
    assert "lab ha is an exercise of failover" in caught.value.in_one_line()
    assert world.machines() == before


def test_the_solution_is_the_whole_topology(world: LabWorld, tmp_path: Path) -> None:
    begin(world)
    world.damage("srv-web")
    asked: list[str] = []
    context = replace(world.context, confirm=lambda _lab, question: asked.append(question))
    solve(context, world.blueprint(), LAB, jobs=4)
    assert asked == [
        "overwrite what the student did in lab ha since the snapshot exercise, and do all stages of failover?"
    ]
    assert set(marks(world, MARK_EXERCISE).values()) == {None}
    other = LabWorld(tmp_path / "other")
    other.up()
    assert marks(world, MARK_STAGE) == marks(other, MARK_STAGE)
    assert all(world.machine(name).has_snapshot("apache-base") for name in PAIR)
    assert world.plan().actions == ()


def test_a_solution_that_was_broken_off_is_no_exercise_to_go_on_with(world: LabWorld) -> None:
    begin(world)
    solve(world.context, world.blueprint(), LAB, jobs=4)
    world.driver.set_marks(world.machine("srv-web-bis").handle, {MARK_EXERCISE: "failover"})
    before = world.machines()
    with pytest.raises(LabError) as caught:
        world.up()
    assert "the solution of lab ha was broken off, and srv-web have it already" in "\n".join(caught.value.details)
    assert world.machines() == before
    solve(world.context, world.blueprint(), LAB, jobs=4)
    assert set(marks(world, MARK_EXERCISE).values()) == {None}
    assert world.plan().actions == ()


def test_a_solution_that_is_not_agreed_to_changes_nothing(world: LabWorld) -> None:
    begin(world)
    before = world.machines()

    def no(_lab: object, _question: str) -> None:
        raise UsageError("no")

    with pytest.raises(UsageError):
        solve(replace(world.context, confirm=no), world.blueprint(), LAB, jobs=4)
    assert world.machines() == before


def test_plan_of_the_solution(world: LabWorld) -> None:
    begin(world)
    whole = replace(world.blueprint(), whole=True)
    found, _desired, _observed = make_plan(world.context, whole, LAB)
    check_golden("plans/failover-solution.txt", describe.lines(found))


def test_a_solution_of_no_exercise_is_refused(world: LabWorld) -> None:
    world.up()
    before = world.machines()
    with pytest.raises(LabError, match="lab ha is no exercise of failover"):
        solve(world.context, world.blueprint(), LAB, jobs=4)
    assert world.machines() == before


def test_an_exercise_does_not_begin_on_a_lab_that_is_done(world: LabWorld) -> None:
    world.up()
    with pytest.raises(LabError, match=r"lab ha is no exercise: .*srv-web"):
        check_can_begin(observe(world.driver, LAB), world.blueprint().topology)


def test_one_that_was_broken_off_goes_on(world: LabWorld) -> None:
    world.guests.failing["dns"] = 1
    with pytest.raises(GuestError):
        begin(world)
    check_can_begin(observe(world.driver, LAB), world.blueprint().topology)
    world.up()
    assert set(marks(world, MARK_STAGE).values()) == {"exercise"}
    assert set(marks(world, MARK_TOPOLOGY).values()) == {"failover"}


def test_a_solved_exercise_can_begin_again(world: LabWorld) -> None:
    begin(world)
    solve(world.context, world.blueprint(), LAB, jobs=4)
    reset(world.context, world.blueprint(), LAB, snapshot="exercise", jobs=4)
    assert set(marks(world, MARK_EXERCISE).values()) == {"failover"}
    assert set(marks(world, MARK_STAGE).values()) == {"exercise"}


def test_a_topology_without_exercise_has_none_to_begin(world: LabWorld) -> None:
    topology = world.blueprint().topology.model_copy(update={"exercise": None})
    with pytest.raises(UsageError, match="failover has no exercise"):
        check_exercise(topology)
