"""The campaign's own parts: what a power loss leaves, what a user gives up, how a sequence is shrunk and written."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.campaign import deeds, invariants
from tests.campaign.confirmed import given_up
from tests.campaign.coverage import Coverage
from tests.campaign.disk import Disk
from tests.campaign.generate import Generator
from tests.campaign.host import CONFIGURED, Host, load
from tests.campaign.process import Outcome
from tests.campaign.results import Results
from tests.campaign.sequence import Result
from tests.campaign.shrink import shrunk
from tests.campaign.steps import KILL, POWER, Step, Trouble, as_test, dumped, loaded
from vboxlab.files import flush_folder, write_durably
from vboxlab.planning.observed import MARK_LAB, MARK_MACHINE, ObservedMachine, PowerState

needs_proc = pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="an open file is read through /proc")


def written(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")


def flushed(disk: Disk, path: Path) -> None:
    number = os.open(path, os.O_RDONLY)
    disk.flush(number)
    os.close(number)


@needs_proc
@pytest.mark.parametrize(
    ("mood", "left"),
    [
        ("strict", {"old": "before", "flushed": "kept"}),
        ("names", {"old": "before", "flushed": "kept", "new": ""}),
        ("torn", {"old": "aft", "flushed": "kept", "new": "con"}),
    ],
)
def test_what_was_not_flushed_is_lost_or_torn(tmp_path: Path, mood: str, left: dict[str, str]) -> None:
    root = tmp_path / "home"
    root.mkdir()
    written(root / "old", "before")
    disk = Disk(root)
    written(root / "flushed", "kept")
    flushed(disk, root / "flushed")
    flushed(disk, root)
    written(root / "new", "content")
    written(root / "old", "after!")
    disk.lose_power(mood, 1)
    assert {path.name: path.read_text() for path in root.iterdir()} == left


@needs_proc
def test_a_file_in_a_folder_that_was_not_flushed_is_lost_with_it(tmp_path: Path) -> None:
    root = tmp_path / "home"
    root.mkdir()
    disk = Disk(root)
    (root / "labs").mkdir()
    written(root / "labs" / "journal", "kept")
    flushed(disk, root / "labs" / "journal")
    flushed(disk, root / "labs")
    disk.lose_power("strict", 1)
    assert list(root.iterdir()) == []


def test_what_is_written_durably_outlives_a_power_loss(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = tmp_path / "home"
    root.mkdir()
    disk = Disk(root)
    monkeypatch.setattr(os, "fsync", disk.flush)
    write_durably(root / "journal", "all of it")
    flush_folder(root)
    disk.lose_power("strict", 1)
    assert (root / "journal").read_text() == "all of it"


@pytest.fixture
def host(tmp_path: Path) -> Host:
    """Return a host with a lab of two machines, of which `one` has a file and a snapshot with an older one."""
    made = Host(file=tmp_path / "host.pickle")
    for name in ("one", "two"):
        marks = {MARK_LAB: "duo", MARK_MACHINE: name, CONFIGURED: "x"}
        machine = ObservedMachine(made.new_handle(), name, PowerState.OFF, 1, 512, "stone", (), marks)
        made.machines[machine.handle] = machine
    for words in (("works", "duo/one"), ("takes", "duo/one", "monday"), ("works", "duo/one")):
        deeds.do(made, words)
    return made


@pytest.mark.parametrize(
    ("words", "answer", "expected"),
    [
        ("snapshot restore monday", "", set()),
        ("snapshot restore monday", "n", set()),
        ("snapshot restore monday", "y", {"m1", "m2"}),
        ("snapshot restore monday --yes", "", {"m1", "m2"}),
        ("snapshot restore monday --yes --copy ann", "", set()),
        ("snapshot restore monday --yes --machine two", "", set()),  # it does not have it, so it is refused
        ("snapshot restore tuesday --yes", "", set()),
        ("snapshot delete monday --yes", "", {"m1"}),
        ("snapshot take tuesday", "", set()),
        ("reset duo --to monday --yes", "", {"m1", "m2"}),
        ("destroy duo --yes", "", {"m1", "m2"}),
        ("destroy solo --yes", "", set()),
        ("down duo --hard", "", set()),
        ("up first --yes", "", set()),
    ],
)
def test_what_a_user_gives_up(host: Host, tmp_path: Path, words: str, answer: str, expected: set[str]) -> None:
    assert given_up(host, tmp_path, Step(tuple(words.split()), answer=answer)) == expected


def test_of_two_snapshots_of_a_name_nothing_is_given_up(host: Host, tmp_path: Path) -> None:
    deeds.do(host, ("takes", "duo/one", "monday"))
    assert given_up(host, tmp_path, Step(("snapshot", "restore", "monday", "--yes"))) == set()


def test_the_memory_of_a_saved_machine_is_given_up_by_pulling_the_plug(host: Host, tmp_path: Path) -> None:
    deeds.do(host, ("switches", "duo/two", "running"))
    deeds.do(host, ("saves", "duo/two"))
    assert given_up(host, tmp_path, Step(("down", "duo"))) == set()
    assert given_up(host, tmp_path, Step(("down", "duo", "--hard"))) == {"m3"}
    deeds.do(host, ("switches", "duo/two", "running"))
    assert host.places()["m3"] == [(host.of_lab(deeds.lab_of("duo"))["two"].handle, "")]


def test_a_marker_that_is_nowhere_any_more_is_missed_once(host: Host) -> None:
    assert invariants.markers(host) == []
    one = host.of_lab(deeds.lab_of("duo"))["one"]
    host.mark(one.handle, marks={})
    assert invariants.markers(host) == ["(b) a file on duo/one is lost (m2), and nobody gave it up"]
    assert invariants.markers(host) == []


def test_a_vm_that_is_none_of_vboxlabs_is_as_in_the_control_run(host: Host) -> None:
    for words in (("makes-vm", "mine"), ("takes-vm", "mine"), ("switches-vm", "mine", "running")):
        deeds.do(host, words)
    assert invariants.foreign(host) == []
    handle = next(iter(host.book.foreign))
    host.switch(handle, PowerState.OFF)
    (wrong,) = invariants.foreign(host)
    assert wrong.startswith("(a) the VM mine, which is none of vboxlab's, has changed: power")


def test_a_host_is_the_same_in_another_process(host: Host) -> None:
    host.keep()
    again = load(host.file)
    assert again.machines == host.machines
    assert again.places() == host.places()
    assert again.new_handle() == host.new_handle()


@pytest.mark.parametrize(("code", "said", "found"), [
    (0, "", []),
    (70, "KeyError: 'one'", ["(f) it ended with exit code 70: KeyError: 'one'"]),
    (4, "Traceback (most recent call last):\nValueError", ["(f) a traceback was shown, with exit code 4: ValueError"]),
    ("hung", "", ["(f) it hangs"]),
    (137, "", ["(f) it ended with exit code 137: it said nothing"]),
])  # fmt: skip
def test_what_counts_as_a_bug(code: int | str, said: str, found: list[str]) -> None:
    assert invariants.bugs(Outcome(code, "", said)) == found
    assert invariants.bugs(Outcome(137, "", "", KILL)) == []


def test_a_sequence_is_shrunk_to_what_fails() -> None:
    steps = [Step(("up", "first")), *[Step(("status", str(n))) for n in range(9)], Step(("down",), Trouble(KILL, 40))]

    def fails(candidate: Sequence[Step]) -> bool:
        return Step(("status", "4")) in candidate and any(s.trouble and s.trouble.at > 4 for s in candidate)

    assert shrunk(steps, fails) == [Step(("status", "4")), Step(("down",), Trouble(KILL, 5))]


def test_a_sequence_is_written_as_a_test_and_read_again() -> None:
    steps = [Step(("up", "first"), Trouble(POWER, 7, "torn"), "y"), Step(("user", "works", "duo/one"))]
    assert loaded(dumped(steps)) == steps
    text = as_test(steps, "something")
    found: list[Step] = []
    names = {"Step": Step, "Trouble": Trouble, "Replay": object}
    exec(compile(text, "test", "exec"), names)
    names["test_something"](lambda *given: found.extend(given))
    assert found == steps


def test_the_same_seed_gives_the_same_steps(host: Host, tmp_path: Path) -> None:
    first, second, other = (
        [str(generator.next(host, tmp_path)) for _ in range(20)]
        for generator in (Generator(7), Generator(7), Generator(8))
    )
    assert first == second
    assert first != other


def test_a_campaign_goes_on_where_it_stopped(tmp_path: Path) -> None:
    results = Results(tmp_path / "results")
    assert results.done()[0] == set()
    covered = Coverage()
    covered.count(Step(("up", "first")), KILL, "up")
    results.add(1, Result([Step(("up", "first"))]), covered, [])
    results.add(2, Result([Step(("up", "first"))], ["(b) lost"]), covered, [])
    with results.file.open("a") as stream:
        stream.write('{"seed": 3, "outc')
    seeds, counted, wrong = results.done()
    assert (seeds, wrong) == ({1, 2}, [2])
    assert counted.pairs()["verb x trouble"]["up", KILL] == 2
    results.add(3, Result([Step(("up", "first"))]), covered, [])
    assert results.done()[0] == {1, 2, 3}
