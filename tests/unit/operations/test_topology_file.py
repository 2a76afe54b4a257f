"""A lab that was brought up from a file which no name finds is known by its own name afterwards."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.lab_world import LabWorld
from tests.unit.operations.doors import RecordingDoor
from vboxlab.errors import UsageError
from vboxlab.lab.copies import parse_copies
from vboxlab.lab.overview import overview
from vboxlab.operations.request import Which
from vboxlab.operations.session import Session
from vboxlab.operations.targets import Target, find_target, only_target
from vboxlab.operations.up import UpRequest, up_copies
from vboxlab.topology.library import Library

TEXT = """\
lab: small
base: debian12
networks: {lan: {subnet: 10.1.0.0/24}}
machines:
  one: {hostname: one, base: debian12, adapters: [{network: lan, address: 10.1.0.1/24}]}
  two: {hostname: two, adapters: [{network: lan, address: dhcp}]}
"""


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> LabWorld:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "mine.yaml").write_text(TEXT, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    return LabWorld(tmp_path / "home")


def session(world: LabWorld) -> Session:
    return Session(world.context, Library(world.context.settings), RecordingDoor())


def bring_up(world: LabWorld, topology: str) -> RecordingDoor:
    door = RecordingDoor()
    here = Session(world.context, Library(world.context.settings), door)
    which = Which(roll=parse_copies("zoe"))
    request = UpRequest(topology=topology, which=which, force=True, jobs=1, patience=0, yes=True)
    (result,) = up_copies(here, request)
    assert result.outcome == "done", result
    return door


def machines(target: Target) -> list[str]:
    return [*target.needed.topology.machines]


def test_it_is_found_by_the_labs_name_and_without_any(world: LabWorld, tmp_path: Path) -> None:
    door = bring_up(world, "elsewhere/mine.yaml")
    assert door.notes == ["1 warning: `vboxlab validate elsewhere/mine.yaml`"], "the lease that nobody gives"
    for name in ("small", "mine", None):
        found = only_target(session(world), name, copy="zoe")
        assert (str(found.lab), machines(found), found.base_of("one")) == ("small/zoe", ["one", "two"], "debian12")
    here = session(world)
    (row,) = overview(world.home, world.driver.machines(), lambda name: here.library.topology(Path(name)))
    assert (row.topology, row.drift) == ("mine", ())
    (tmp_path / "elsewhere" / "mine.yaml").unlink()
    gone = find_target(session(world), "small", copy="zoe")
    assert gone.blueprint is None
    assert isinstance(gone.problem, UsageError)
    assert f"{tmp_path}/elsewhere/mine.yaml: there is no such topology file" in gone.problem.brief


def test_another_topology_of_its_name_does_not_stand_for_it(world: LabWorld, tmp_path: Path) -> None:
    bring_up(world, "elsewhere/mine.yaml")
    (tmp_path / "topologies").mkdir()
    (tmp_path / "topologies" / "mine.yaml").write_text(TEXT.replace("  two:", "  other:"), encoding="utf-8")
    assert machines(only_target(session(world), None)) == ["one", "two"]
    assert machines(only_target(session(world), "mine", copy="zoe")) == ["one", "other"], "a topology's name is its own"
    bring_up(world, "mine")
    assert not world.context.directory(only_target(session(world), None).lab).topology.exists()
    assert machines(only_target(session(world), "small", copy="zoe")) == ["one", "other"]


def test_a_file_that_says_another_lab_is_not_its(world: LabWorld, tmp_path: Path) -> None:
    bring_up(world, "elsewhere/mine.yaml")
    (tmp_path / "elsewhere" / "mine.yaml").write_text(TEXT.replace("small", "large"), encoding="utf-8")
    assert find_target(session(world), "small", copy="zoe").blueprint is None
