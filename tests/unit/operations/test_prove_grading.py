"""Proving a scheme on the memory driver, with guests that have files: what comes out, and how the lab is left."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.unit.lab_world import LabWorld
from tests.unit.operations.doors import RecordingDoor
from tests.unit.operations.guests_with_files import GuestsWithFiles
from vboxlab.errors import GuestError, LabError, UsageError
from vboxlab.lab.up import up
from vboxlab.operations.prove_grading import BEFORE, Proved, ProveRequest, prove_in
from vboxlab.operations.request import Which
from vboxlab.operations.session import Session
from vboxlab.operations.targets import find_target
from vboxlab.planning.observed import MARK_EXERCISE
from vboxlab.topology.addressing import LabName
from vboxlab.topology.library import Library

PAIR = LabName("pair")
TOPOLOGY = """
lab: pair
base: debian12
networks:
  lan: {kind: internal, subnet: 192.168.50.0/24}
  other: {kind: internal, subnet: 192.168.60.0/24}
machines:
  one:
    hostname: one
    adapters: [{network: lan, address: 192.168.50.1/24}]
    stages: {pages: [{role: web, page: "<h1>One</h1>"}]}
  two:
    hostname: two
    adapters: [{network: lan, address: 192.168.50.2/24}]
    stages: {pages: [{role: web, page: "<h1>Two</h1>"}]}
  aside:
    hostname: aside
    adapters: [{network: other, address: 192.168.60.1/24}]
stages: [{name: pages}]
exercise: {stages: [pages], machines: [one, two]}
grading:
  total: 4
  questions:
    - {question: names, title: Names, points: 1, findings: [{on: [one, two], none_of: [hostname*, hosts-*]}]}
    - {question: network, title: Net, points: 1, findings: [{on: [one, two], none_of: [interfaces-*, wrong-network]}]}
    - {question: page, title: Page, points: 1, findings: [{on: one, none_of: page-*}]}
    - {question: other-page, title: Other, points: 1, depends: [page], findings: [{on: two, none_of: page-*}]}
"""
PAGE = "/var/www/html/index.html"
WORDS = {"mutant": "other-words", "title": "a comment", "on": ["one", "two"],
         "edits": [{"edit": "/etc/hosts", "append": "# the end\n"}]}  # fmt: skip
NAMES = {"mutant": "hostname-of-base", "title": "the name of the base", "on": "two", "fails": ["names"],
         "edits": [{"edit": "/etc/hostname", "whole": "debian\n"}]}  # fmt: skip
NO_PAGE = {"mutant": "no-page", "title": "no page", "on": "one", "fails": ["page"], "edits": [{"remove": PAGE}]}
ELSEWHERE = {"mutant": "elsewhere", "title": "another network", "on": "two", "fails": ["network"],
             "edits": [{"adapter": 1, "network": "other"}]}  # fmt: skip
BY_HAND = {"mutant": "by-hand", "title": "a command", "on": "one", "fails": ["names"],
           "edits": [{"run": ["hostname", "debian"]}]}  # fmt: skip
ALL = (WORDS, NAMES, NO_PAGE, ELSEWHERE, BY_HAND)


class ProvingWorld(LabWorld):
    """A host on which the lab is up and finished, and its topology with its mutants in a folder."""

    guests: GuestsWithFiles

    def __init__(self, folder: Path) -> None:
        super().__init__(folder / "home")
        self.topology = folder / "pair.yaml"
        self.topology.write_text(TOPOLOGY, encoding="utf-8")
        self.results = folder / "results"
        self.door = RecordingDoor()
        target = find_target(self.session(), str(self.topology))
        self.guests = GuestsWithFiles(self.store, target.needed.topology, folder / "guests")
        self.context = self.new_context()
        self.write(*ALL)
        up(self.context, target.needed, PAIR, jobs=2)

    def session(self) -> Session:
        """Return what a new process would work with."""
        return Session(self.new_context(), Library(self.context.settings), self.door)

    def write(self, *mutants: dict[str, Any]) -> None:
        """Write the file of mutants."""
        (self.topology.parent / "mutants").mkdir(exist_ok=True)
        text = yaml.safe_dump({"mutants": list(mutants)}, allow_unicode=True)
        (self.topology.parent / "mutants" / "pair.yaml").write_text(text, encoding="utf-8")

    def prove(self, *names: str, session: Session | None = None, yes: bool = False) -> Proved:
        """Prove the scheme, by some of its mutants or by all."""
        request = ProveRequest(topology=str(self.topology), names=names, folder=self.results, yes=yes)
        return prove_in(session or self.session(), request)

    def left(self) -> dict[str, Any]:
        """Return all that a run may not change: power, snapshots, networks and files of the machines."""
        return {
            name: (
                machine.power, [each.name for each in machine.snapshots],
                machine.adapters, self.guests.files(machine),
            )
            for name, machine in self.machines(PAIR).items()
        }  # fmt: skip

    def mark_as_exercise(self) -> None:
        """Mark the lab as a student's exercise."""
        for machine in self.machines(PAIR).values():
            self.driver.set_marks(machine.handle, {MARK_EXERCISE: "pair"})

    def takes(self) -> int:
        """Return how many snapshots have been taken."""
        return self.count("take_snapshot")

    def when(self, text: str, do: Callable[[], None]) -> None:
        """Do something once, when a script with a text is about to be run."""

        def before(_machine: str, script: str) -> None:
            if text in script:
                self.guests.before = lambda _machine, _script: None
                do()

        self.guests.before = before


@pytest.fixture
def world(tmp_path: Path) -> ProvingWorld:
    return ProvingWorld(tmp_path)


def outcomes(result: Proved) -> dict[str, str]:
    return {each.mutant: each.trouble or "; ".join(each.differences) or "proved" for each in result.proofs}


def test_reference_other_words_and_mutants_of_every_kind_are_proved_and_the_lab_is_as_before(
    world: ProvingWorld,
) -> None:
    before = world.left()
    result = world.prove()
    assert outcomes(result) == dict.fromkeys(["reference", *(str(each["mutant"]) for each in ALL)], "proved")
    assert result.passed
    assert {each.mutant: (each.least, each.most) for each in result.proofs} == {
        "reference": (4, 4), "other-words": (4, 4), "hostname-of-base": (3, 3), "no-page": (2, 2),
        "elsewhere": (3, 3), "by-hand": (3, 3),
    }  # fmt: skip
    assert world.left() == before
    assert set(world.powers(PAIR).values()) == {"running"}


def test_what_cannot_be_put_back_by_hand_goes_back_to_the_snapshot(world: ProvingWorld) -> None:
    def restores(*names: str) -> list[str]:
        before = len(world.store.calls)
        assert world.prove(*names).passed
        return [subject for call, subject in world.store.calls[before:] if call == "restore_snapshot"]

    assert restores("no-page", "hostname-of-base") == []
    assert world.takes() == 0
    assert sorted(restores("elsewhere", "by-hand")) == ["one", "one", "two", "two"]  # before the second, and at the end


def test_a_mutant_that_costs_another_question_is_not_proved_and_told_in_words(world: ProvingWorld) -> None:
    world.write({**NAMES, "fails": ["network"]}, {**NO_PAGE, "fails": ["names", "page"]})
    result = world.prove()
    assert not result.passed
    expected = "two /etc/hostname:1: the host name is debian (expected: two (`hostnamectl hostname`))"
    found = outcomes(result)
    assert found.pop("reference") == "proved"
    assert found == {
        "hostname-of-base": f"names: failed ({expected}), expected: passed; network: passed, expected: failed",
        "no-page": "names: passed, expected: failed",
    }
    assert "no-page: NOT PROVED" in world.texts()


def test_a_scheme_that_blames_the_reference_is_not_proved(world: ProvingWorld) -> None:
    world.guests.executor(*at(world, "one")).run("cat > /etc/hostname", stdin=b"debian\n", root=True)
    result = world.prove("reference")
    (proof,) = result.proofs
    assert (proof.passed, proof.least, proof.whole) == (False, 3, True)
    assert "names: failed" in proof.differences[0]


def test_what_is_proved_is_not_done_again_until_something_that_it_depends_on_is_another(world: ProvingWorld) -> None:
    first = world.prove()
    taken, scripts = world.takes(), len(world.guests.scripts)
    again = world.prove()
    assert again.earlier == {each.mutant for each in again.proofs} == {each.mutant for each in first.proofs}
    assert (world.takes(), len(world.guests.scripts)) == (taken, scripts)
    world.write(WORDS, {**NAMES, "edits": [{"edit": "/etc/hostname", "whole": "other\n"}]}, NO_PAGE)
    assert world.prove().earlier == {"reference", "other-words", "no-page"}
    text = world.topology.read_text(encoding="utf-8")
    world.topology.write_text(text.replace("title: Page,", "title: A page,"), encoding="utf-8")
    assert world.prove().earlier == set()


def test_what_is_not_proved_is_done_again(world: ProvingWorld) -> None:
    world.write({**NAMES, "fails": ["network"]})
    assert not world.prove().passed
    assert world.prove().earlier == {"reference"}


def test_a_damaged_result_is_done_again(world: ProvingWorld) -> None:
    world.prove("no-page")
    (world.results / "no-page.json").write_text("{", encoding="utf-8")
    assert world.prove("no-page").earlier == set()
    assert json.loads((world.results / "no-page.json").read_text(encoding="utf-8"))["fails"] == ["page"]


def test_machines_that_are_off_stay_off_and_are_no_fault_of_the_scheme(world: ProvingWorld) -> None:
    for name in ("two", "aside"):
        world.driver.power_off(world.machine(name, PAIR).handle, "hard", timeout=1)
    before = world.powers(PAIR)
    (proof,) = world.prove("reference").proofs
    assert not proof.passed
    assert proof.differences[0].startswith("names: not judgeable (two: ")
    assert world.powers(PAIR) == before == {"aside": "off", "one": "running", "two": "off"}


def test_after_a_stop_what_is_begun_is_ended_and_the_rest_is_left(world: ProvingWorld) -> None:
    before, session = world.left(), world.session()
    world.when("rm -- ", session.context.stop.set)
    result = world.prove(session=session)
    assert outcomes(result) == dict.fromkeys(["reference", "other-words", "hostname-of-base", "no-page"], "proved")
    assert (result.left, result.passed) == (("elsewhere", "by-hand"), False)
    assert world.left() == before
    ended = world.prove()
    assert ended.passed
    assert len(ended.earlier) == 4


def test_trouble_of_a_guest_is_told_and_the_next_mutant_has_a_whole_lab(world: ProvingWorld) -> None:
    def breaks() -> None:
        raise GuestError("one: no SSH server answers in the guest", details=["connection refused"])

    before = world.left()
    world.when("rm -- ", breaks)
    result = world.prove("no-page", "by-hand")
    assert outcomes(result) == {
        "no-page": "one: no SSH server answers in the guest; connection refused", "by-hand": "proved",
    }  # fmt: skip
    assert world.left() == before


def test_files_that_can_be_put_back_are_whatever_the_trouble_was(world: ProvingWorld) -> None:
    def breaks() -> None:
        raise GuestError("one: no SSH server answers in the guest")

    before = world.left()
    world.write({**NO_PAGE, "edits": [{"edit": "/etc/hosts", "append": "x"}, *NO_PAGE["edits"]]})
    world.when("rm -- ", breaks)
    assert outcomes(world.prove("no-page")) == {"no-page": "one: no SSH server answers in the guest"}
    assert (world.left(), world.takes()) == (before, 0)


def test_a_lab_that_cannot_be_put_back_is_said_and_nothing_more_is_done_to_it(world: ProvingWorld) -> None:
    def breaks(_machine: str, script: str) -> None:
        if "chown root" in script:
            raise GuestError("one: no SSH server answers in the guest")

    world.guests.before = breaks
    with pytest.raises(LabError, match="lab pair could not be put back: one: no SSH server answers") as error:
        world.prove("no-page", "hostname-of-base")
    assert error.value.resolution == f"`vboxlab up {world.topology}`"
    assert not world.results.exists()


def test_a_mutant_that_changes_nothing_is_no_mutant(world: ProvingWorld) -> None:
    world.write({**NAMES, "edits": [{"edit": "/etc/hostname", "replace": {"^debian$": "two"}}]}, NO_PAGE)
    assert outcomes(world.prove("hostname-of-base", "no-page")) == {
        "hostname-of-base": "two /etc/hostname: `^debian$` is not found, so nothing there can be changed",
        "no-page": "proved",
    }


def test_a_run_that_is_broken_off_leaves_the_lab_as_it_was(world: ProvingWorld) -> None:
    def interrupted() -> None:
        raise KeyboardInterrupt

    before = world.left()
    world.when("rm -- ", interrupted)
    with pytest.raises(KeyboardInterrupt):
        world.prove()
    assert world.left() == before


def test_a_run_that_was_killed_is_gone_on_with_after_asking(world: ProvingWorld) -> None:
    before = world.left()
    leave_a_snapshot(world)
    assert world.prove("no-page").passed
    assert world.door.asked == ["throw away what was done on one, two of lab pair since a proving that was cut off?"]
    assert world.left() == before


def test_whoever_declines_keeps_what_was_done_since_a_run_was_killed(world: ProvingWorld) -> None:
    leave_a_snapshot(world)
    since, world.door.declines = world.left(), True
    with pytest.raises(UsageError, match="declined"):
        world.prove("by-hand")
    assert world.left() == since
    assert world.prove("by-hand", yes=True).passed


def test_a_snapshot_that_was_left_on_one_machine_alone_is_no_hindrance(world: ProvingWorld) -> None:
    before = world.left()
    leave_a_snapshot(world, "one")
    assert world.prove("by-hand").passed
    assert world.left() == before


def test_a_lab_in_which_nobody_has_done_anything_is_worth_nothing(world: ProvingWorld) -> None:
    for name in ("one", "two"):
        executor = world.guests.executor(*at(world, name))
        executor.run(f"rm -- {PAGE}", root=True)
        executor.run("cat > /etc/network/interfaces", stdin=b"auto lo\niface lo inet loopback\n", root=True)
        executor.run("cat > /etc/hostname", stdin=b"debian\n", root=True)
    with pytest.raises(UsageError, match="is no exercise of pair"):
        world.prove("exercise")
    world.mark_as_exercise()
    before = world.left()
    (proof,) = world.prove("exercise").proofs
    assert (outcomes(Proved((proof,))), proof.least, proof.most) == ({"exercise": "proved"}, 0, 0)
    assert (world.left(), world.takes()) == (before, 0)


def test_what_is_given_to_somebody_who_has_done_nothing_is_told(world: ProvingWorld) -> None:
    world.guests.executor(*at(world, "one")).run(f"rm -- {PAGE}", root=True)
    world.mark_as_exercise()
    result = world.prove("exercise")
    assert not result.passed
    assert outcomes(result) == {"exercise": "names: passed, expected: failed; network: passed, expected: failed"}
    with pytest.raises(UsageError, match="`exercise` is proved on a lab in which nobody has done anything"):
        world.prove("exercise", "reference")


@pytest.mark.parametrize(
    ("names", "which", "said"),
    [
        (("no-pag",), Which(), "there is no mutant `no-pag`; expected one of"),
        ((), Which(everything=True), "a scheme is proved on one lab"),
    ],
)
def test_what_cannot_be_proved_is_told(world: ProvingWorld, names: tuple[str, ...], which: Which, said: str) -> None:
    request = ProveRequest(topology=str(world.topology), names=names, folder=world.results, which=which)
    with pytest.raises(UsageError, match=said):
        prove_in(world.session(), request)
    assert world.takes() == 0


def at(world: ProvingWorld, name: str) -> tuple[Any, Any, Any]:
    return world.context.directory(PAIR), world.machine(name, PAIR), world.bases.get("debian12")


def leave_a_snapshot(world: ProvingWorld, *names: str) -> None:
    """Do what a run does that is killed with a mutant in the lab."""
    for name in names or ("one", "two"):
        handle = world.machine(name, PAIR).handle
        world.driver.power_off(handle, "hard", timeout=1)
        world.driver.take_snapshot(handle, BEFORE)
        world.driver.start(handle)
    world.guests.executor(*at(world, "one")).run("cat > /etc/hostname", stdin=b"debian\n", root=True)
