"""Sequences in which the campaign has found a bug of vboxlab's, as short as they could be made; none does harm now."""

from __future__ import annotations

import pytest

from tests.campaign.conftest import Replay
from tests.campaign.steps import FULL, INTERRUPT, KILL, LOGIN, MEANWHILE, POWER, WORKER, Step, Trouble

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
