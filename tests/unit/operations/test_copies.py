"""Operations on several copies: one look at the host, and another where somebody worked on a copy since."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

import pytest

from tests.unit.lab_world import ROOT, LabWorld
from tests.unit.operations.doors import RecordingDoor
from vboxlab.events import discard
from vboxlab.lab.copies import parse_copies
from vboxlab.lab.down import destroy
from vboxlab.lab.listing import TICK, Listing
from vboxlab.operations.copies import Chosen, choose, each
from vboxlab.operations.request import LabRequest, Which
from vboxlab.operations.session import Session
from vboxlab.planning.observed import MARK_COPY
from vboxlab.topology.addressing import LabName
from vboxlab.topology.library import Library

ANN, BOB = LabName("ha", "ann"), LabName("ha", "bob")


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> LabWorld:
    monkeypatch.chdir(ROOT)
    made = LabWorld(tmp_path / "home")
    for lab in (ANN, BOB):
        with made.context.directory(lab).locked(discard, patience=0):
            made.up(lab=lab, until="created")
    time.sleep(2 * TICK)
    return made


def chosen_of(world: LabWorld) -> tuple[Session, list[Chosen]]:
    """Choose both copies, which looks at the host."""
    context = replace(world.context, listing=Listing(world.driver))
    session = Session(context, Library(context.settings), RecordingDoor())
    request = LabRequest(which=Which(roll=parse_copies("ann,bob")))
    world.store.calls.clear()
    return session, choose(session, "failover", request)


def destroyed(session: Session, chosen: list[Chosen]) -> None:
    results = each(session, chosen, lambda own, entry, jobs: destroy(own.context, entry.lab, jobs=jobs), jobs=2,
                   patience=0)  # fmt: skip
    assert [result.outcome for result in results] == ["done", "done"]


def looks(world: LabWorld) -> int:
    return sum(name == "machines" for name, _subject in world.store.calls)


def test_all_copies_share_one_look(world: LabWorld) -> None:
    session, chosen = chosen_of(world)
    destroyed(session, chosen)
    assert looks(world) == 1
    assert world.driver.machines() == []


def test_what_was_made_since_that_look_is_seen(world: LabWorld) -> None:
    session, chosen = chosen_of(world)
    with world.context.directory(BOB).locked(discard, patience=0):  # another vboxlab makes a machine and ends
        spare = next(iter(world.machines(BOB).values()))
        late = replace(spare, handle="late", name="bob-late", marks={**spare.marks, "machine": "late"})
        world.store.machines[late.handle] = late
    assert late.marks[MARK_COPY] == "bob"
    destroyed(session, chosen)
    assert world.driver.machines() == []
    assert looks(world) >= 2


def test_what_somebody_made_who_was_killed_is_seen(world: LabWorld) -> None:
    session, chosen = chosen_of(world)
    spare = next(iter(world.machines(BOB).values()))
    late = replace(spare, handle="late", name="bob-late", marks={**spare.marks, "machine": "late"})
    world.store.machines[late.handle] = late
    (world.context.directory(BOB).path / "holder.json").write_text("{}")
    destroyed(session, chosen)
    assert world.driver.machines() == []
