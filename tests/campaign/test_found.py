"""Sequences in which the campaign has found a bug of vboxlab's, as short as they could be made; none does harm now."""

from __future__ import annotations

import pytest

from tests.campaign.conftest import Replay
from tests.campaign.steps import (
    FULL,
    GUEST,
    INTERRUPT,
    KILL,
    LOGIN,
    MEANWHILE,
    OTHER,
    POWER,
    SERVICE,
    WORKER,
    Step,
    Trouble,
)

UP = Step(("up", "first"))
RESTORE = ("snapshot", "restore", "plain", "--lab", "duo", "--yes")


def test_a_machine_of_ours_whose_place_an_adopted_one_takes(replay: Replay) -> None:
    """The machine of ours was started in its stead, and switched off again by the next `up`."""
    replay(UP, Step(("up", "first", "--set", "environment=school")))


@pytest.mark.parametrize(
    ("words", "at"),
    [
        (("gc", "--keep-layers", "--yes"), 3),
        (("snapshot", "delete", "plain", "--lab", "duo", "--yes"), 4),
        (("down", "duo"), 1),
        (("up", "first", "--copies", "ann"), 8),
    ],
)
def test_a_full_disk(replay: Replay, words: tuple[str, ...], at: int) -> None:
    """It ended as a bug."""
    replay(UP, Step(words, Trouble(FULL, at)))


@pytest.mark.parametrize("at", [19, 22, 25, 28])
def test_what_a_killed_writer_leaves(replay: Replay, at: int) -> None:
    """The draft of a record stayed in the lab's folder for ever."""
    replay(UP, Step(("user", "works", "duo/one")), Step(RESTORE, Trouble(KILL, at)))


@pytest.mark.parametrize("at", [30, 60, 90, 120])
def test_a_power_loss_while_a_lab_is_made(replay: Replay, at: int) -> None:
    """The lab's folder was not flushed, and with it went the host keys that guests are known by."""
    replay(Step(UP.words, Trouble(POWER, at, "strict")))


def test_a_topology_that_starts_from_another_one_is_made_from_nothing(replay: Replay) -> None:
    """It made the other one first, and then asked whether what it had made itself may be thrown away."""
    replay(Step(("up", "second")))


def test_a_snapshot_that_a_topology_started_from_is_deleted(replay: Replay) -> None:
    """The lab went back to make it anew, and so from one topology to the other at every `up`."""
    replay(
        UP,
        Step(("up", "second", "--yes")),
        Step(("down", "duo")),
        Step(("snapshot", "delete", "plain", "--lab", "duo", "--yes")),
    )


def test_a_snapshot_that_a_topology_starts_from_is_deleted(replay: Replay) -> None:
    """It cannot be made any more: machines were moved to the other topology as they were."""
    replay(
        UP,
        Step(("up", "second", "--yes"), Trouble(INTERRUPT, 2, "once")),
        Step(("down", "duo")),
        Step(("snapshot", "delete", "plain", "--lab", "duo", "--yes")),
    )


def test_a_topology_that_cannot_be_reached_is_not_begun_with(replay: Replay) -> None:
    """It made the other topology's snapshot first, and then said that nothing was changed."""
    replay(
        UP,
        Step(("user", "takes", "duo/two", "plain")),
        Step(("user", "deletes", "duo/one")),
        Step(("up", "second", "--yes")),
    )


def test_a_machine_of_a_set_is_removed_once_the_other_topology_is_there(replay: Replay) -> None:
    """The other one of the set, which was right, went back as well, and lost what was done on it since."""
    replay(
        Step(("up", "second", "--yes")),
        Step(("user", "deletes", "duo/two")),
        Step(("user", "works", "duo/one")),
        Step(("up", "second", "--yes")),
    )


def test_a_vm_has_the_name_of_a_machine_that_comes_later(replay: Replay) -> None:
    """It was found when half of all was done, as the lab had got its names by then."""
    replay(
        Step(("up", "second", "--yes"), Trouble(WORKER, 1)),
        Step(("user", "makes-vm", "three", "inner")),
        Step(("destroy", "duo", "--yes")),
    )


def test_a_machine_that_goes_back_untouched_is_started_meanwhile(replay: Replay) -> None:
    """It was asked about, and the verb refused, when half of all was done."""
    replay(
        UP,
        Step(("reset", "duo", "--yes", "--no-up")),
        Step(("user", "deletes", "duo/one")),
        Step(("up", "second")),
    )


def test_a_reset_whose_lab_cannot_be_brought_up_does_not_say_that_nothing_was_changed(replay: Replay) -> None:
    """It had been restored by then."""
    replay(
        UP,
        Step(("user", "switches", "duo/gate", "off")),
        Step(("user", "hides", "duo/gate")),
        Step(("reset", "duo", "--yes")),
    )


def test_a_port_is_taken_of_a_machine_that_is_right_already(replay: Replay) -> None:
    """It was only to run while the others were made ready, at the port that it had."""
    replay(
        Step(("up", "second", "--yes")),
        Step(("user", "deletes", "duo/one")),
        Step(("down", "duo")),
        Step(("user", "takes-port", "duo/gate")),
    )


def test_a_snapshot_brings_back_a_port_that_is_taken(replay: Replay) -> None:
    """The end of an interrupted restore was planned as if the machine kept the forward that it has now."""
    replay(
        UP,
        Step(RESTORE, Trouble(MEANWHILE, 10, words=("takes-port", "duo/two"))),
        UP,
        Step((*RESTORE[:-1], "--machine", "two", "--yes"), Trouble(KILL, 24)),
    )


def test_a_snapshot_brings_back_what_was_recorded_with_it(replay: Replay) -> None:
    """After the end of an interrupted restore it was recorded only by the next `up`."""
    replay(
        UP,
        Step(("snapshot", "take", "tuesday", "--lab", "duo")),
        Step(("up", "first", "--set", "environment=school")),
        Step(("reset", "duo", "--to", "tuesday", "--yes"), Trouble(KILL, 44)),
    )


def test_a_base_whose_vm_is_gone(replay: Replay) -> None:
    """`plan` said that a lab can be made of it."""
    replay(Step(("user", "removes-vm", "TEACHER")))


def test_a_base_that_is_gone(replay: Replay) -> None:
    """`plan` said that all can be done."""
    replay(UP, Step(("base", "remove", "slate")), Step(("up", "first", "--set", "base=slate")))


@pytest.mark.parametrize("at", [5, 8, 11, 14])
def test_a_base_that_cannot_be_recorded(replay: Replay, at: int) -> None:
    """Its image stayed in the hypervisor, where it kept the name."""
    replay(
        Step(("base", "remove", "slate")), Step(("base", "add", "slate", "--vm", "TEACHER", *LOGIN), Trouble(FULL, at))
    )


@pytest.mark.parametrize("trouble", [Trouble(INTERRUPT, 28, "once"), Trouble(WORKER, 15), Trouble(WORKER, 18)])
def test_a_snapshot_that_is_not_taken_of_all(replay: Replay, trouble: Trouble) -> None:
    """It stayed on those of which it had been taken, or of which the call had failed after its effect."""
    replay(
        Step(("up", "first", "--set", "environment=school")),
        Step(("snapshot", "take", "tuesday", "--lab", "duo"), trouble),
    )


def test_a_machine_is_renamed_while_a_snapshot_is_taken(replay: Replay) -> None:
    """No bug of vboxlab's: the campaign took the machine, known by its name, for one that has no snapshot."""
    renamed = Trouble(MEANWHILE, 17, words=("renames", "duo/two", "renamed"))
    replay(UP, Step(("snapshot", "take", "tuesday", "--live", "--lab", "duo"), renamed))


def test_a_port_that_another_program_takes_while_the_machine_is_off(replay: Replay) -> None:
    """No bug of vboxlab's: `plan` was to know it of a machine that somebody had started all the same."""
    replay(
        Step(("up", "second"), Trouble(POWER, 64, "names")),
        Step(("user", "takes-port", "duo/one")),
        Step(("user", "switches", "duo/one", "running")),
    )


def left_in_force(*numbers: int, topology: str = "first") -> Step:
    """Return a verification that makes faults by the numbers of its steps, and leaves them as its last one fails."""
    last = {"first": 11, "second": 8, "alone": 5}[topology]
    words = [word for number in (*numbers, last) for word in ("--only", str(number))]
    return Step(("verify", topology, *words, "--break-on-failure"))


UNDO = Step(("verify", "first", "--undo"))


def test_a_network_is_cut_and_the_lab_goes_to_another_topology(replay: Replay) -> None:
    """It was made whole as far as the other topology knows it; machines that had left it stayed cut off."""
    replay(UP, left_in_force(3), Step(("up", "second", "--yes")))


def test_a_network_is_cut_that_the_other_topology_does_not_have(replay: Replay) -> None:
    """The cut stayed on record for its topology, and went with the machines to the networks of the other one."""
    replay(Step(("up", "second", "--yes")), left_in_force(3, topology="second"), Step(("up", "first", "--yes")))


@pytest.mark.parametrize("number", [3, 7, 10])
def test_a_fault_of_an_adopted_machine(replay: Replay, number: int) -> None:
    """The driver refused it, and refused to undo it as well: no `up` could be done any more."""
    replay(Step(("up", "first", "--set", "environment=school", "--yes")), left_in_force(number))


@pytest.mark.parametrize("number", [3, 7, 10])
def test_an_adopted_machine_takes_the_place_of_one_with_a_fault(replay: Replay, number: int) -> None:
    """It was undone in the wrong machine, which its driver refused."""
    replay(UP, left_in_force(number), Step(("up", "first", "--set", "environment=school", "--yes")), UP)


@pytest.mark.parametrize("at", [22, 26, 30])
def test_a_machine_with_a_fault_is_left_by_a_restore(replay: Replay, at: int) -> None:
    """`up` started it first, and then the restore could not be finished: it was in use since."""
    replay(UP, left_in_force(2), Step(RESTORE, Trouble(KILL, at)))


def test_a_machine_with_a_fault_has_gone_back_although_the_call_failed(replay: Replay) -> None:
    """It was started for its fault before it was written down that it had gone back, and so was in use since."""
    replay(UP, left_in_force(1, 5), Step(RESTORE, Trouble(SERVICE, 16)))


def test_a_fault_and_a_restore_are_in_the_way(replay: Replay) -> None:
    """No bug of vboxlab's: of two messages after each other the campaign followed only the first one."""
    replay(
        UP,
        Step(RESTORE, Trouble(KILL, 18)),
        Step(("user", "takes-port", "duo/one")),
        Step(("reset", "duo", "--up", "--yes")),
        left_in_force(5),
        Step(RESTORE, Trouble(SERVICE, 18)),
        Step(("user", "works", "duo/two")),
    )


def test_a_machine_with_a_fault_is_saved(replay: Replay) -> None:
    """Its guest was not reached, so it was started anew, and what it was doing was lost."""
    replay(UP, left_in_force(6), Step(("user", "saves", "duo/two")))


def test_a_machine_with_a_fault_is_made_anew(replay: Replay) -> None:
    """The fault was to be undone in a guest that nobody had been in yet: no `up` could be done any more."""
    replay(UP, left_in_force(6), Step(("user", "deletes", "duo/two")), Step(("up", "first", "--until", "created")))


def test_a_machine_with_a_fault_is_one_that_nobody_has_been_in(replay: Replay) -> None:
    """It was started for its fault, and its guest then waited for in vain: no `up` could be done any more."""
    restored = ("snapshot", "restore", "monday", "--lab", "duo", "--yes")
    replay(
        Step(("up", "first", "--until", "created")),
        Step(("snapshot", "take", "monday", "--lab", "duo")),
        Step(restored, Trouble(OTHER, 1, words=("up", "first", "--wait", "0"))),
        left_in_force(6, 7, 9),
    )


def test_a_bad_line_of_an_adapter_that_is_lent_for_the_first_contact(replay: Replay) -> None:
    """The driver refused it, and refused to end it as well: no `up` could be done any more."""
    replay(
        Step(("up", "first")),
        Step(("up", "second", "--yes"), Trouble(GUEST, 6)),
        left_in_force(4, topology="second"),
    )


def test_a_snapshot_of_a_fault(replay: Replay) -> None:
    """It brought the fault back, and no record said so."""
    taken = Step(("snapshot", "take", "monday", "--live", "--lab", "duo"))
    replay(UP, left_in_force(6), taken, UNDO, Step(("snapshot", "restore", "monday", "--lab", "duo", "--yes")))


def test_a_lab_with_faults_is_reset(replay: Replay) -> None:
    """It was brought up with them."""
    replay(UP, left_in_force(3, 4), Step(("reset", "duo", "--yes")))


@pytest.mark.parametrize("at", [20, 25, 30, 35, 40, 45, 50, 55])
def test_a_verification_is_killed(replay: Replay, at: int) -> None:
    """No bug: whatever is in force by then is on record, told and undone."""
    words = [word for number in (1, 2, 3, 4, 5, 7) for word in ("--only", str(number))]
    replay(UP, Step(("verify", "first", *words), Trouble(KILL, at)))
