"""Stopping and removing labs, and the lock that keeps two commands apart."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.unit.lab_world import LAB, LabWorld
from vboxlab.errors import DriverError, LabBusy, LabError
from vboxlab.events import Note
from vboxlab.hypervisor.memory import Crash
from vboxlab.lab.directory import LabDirectory
from vboxlab.lab.down import destroy, down
from vboxlab.topology.addressing import LabName

HOLDER = """
import sys
from pathlib import Path
from vboxlab.events import discard
from vboxlab.lab.directory import LabDirectory
from vboxlab.topology.addressing import LabName
with LabDirectory(Path(sys.argv[1]), LabName("ha")).locked(discard, patience=0):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def world(tmp_path: Path) -> LabWorld:
    made = LabWorld(tmp_path / "home")
    made.up(until="created")
    return made


def start_all(world: LabWorld) -> None:
    for machine in world.machines().values():
        world.driver.start(machine.handle)


def test_down_powers_all_off_and_pulls_the_plug_of_the_deaf(world: LabWorld) -> None:
    start_all(world)
    world.store.deaf.add("dns")
    assert down(world.context, LAB, timeout=1, hard=False, jobs=3) == 5
    assert set(world.powers().values()) == {"off"}
    assert down(world.context, LAB, timeout=1, hard=False, jobs=3) == 0


def test_down_goes_on_when_one_machine_resists(world: LabWorld) -> None:
    start_all(world)
    world.store.fail("power_off", error=DriverError("the session is locked"))
    with pytest.raises(LabError) as caught:
        down(world.context, LAB, timeout=1, hard=True, jobs=1)
    (left,) = (name for name, power in world.powers().items() if power == "running")  # they were made side by side
    assert caught.value.brief == f"lab ha: power off failed on {left}"
    assert caught.value.details == (f"{left}: the session is locked",)
    assert sorted(world.powers().values()) == ["off"] * 4 + ["running"]


def test_destroy_removes_the_lab_and_nothing_else(world: LabWorld) -> None:
    start_all(world)
    foreign = world.store.add_foreign("debian-of-somebody")
    other = LabName("ha", "alice")
    world.up(lab=other, until="created")
    directory = LabDirectory(world.home, LAB)
    (directory.secrets).mkdir(parents=True)
    (directory.secrets / "authkeys").write_text("secret")
    directory.known_hosts.write_text("")
    assert destroy(world.context, LAB, jobs=2) == 5
    assert world.machines() == {}
    assert len(world.machines(other)) == 5
    assert world.store.machines[foreign.handle] == foreign
    assert not directory.secrets.exists()
    assert not directory.known_hosts.exists()
    assert destroy(world.context, LAB, jobs=2) == 0


@pytest.mark.parametrize("nth", range(1, 6))
def test_destroy_killed_at_any_machine_is_finished_by_the_next(world: LabWorld, nth: int) -> None:
    world.store.crash_after("delete", nth)
    with pytest.raises(Crash):
        destroy(world.context, LAB, jobs=1)
    left = len(world.machines())
    assert left <= 5 - nth
    assert destroy(world.new_context(), LAB, jobs=1) == left
    assert world.store.machines == {}


def test_a_lock_held_by_another_process_is_named(tmp_path: Path) -> None:
    seen: list[object] = []
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        directory = LabDirectory(tmp_path, LAB)
        with pytest.raises(LabBusy) as caught, directory.locked(seen.append, patience=0.3):
            pass
        assert caught.value.brief.startswith("lab ha is in use by `vboxlab ")
        assert f"(pid {holder.pid}, user " in caught.value.brief
        (note,) = seen
        assert isinstance(note, Note)
        assert note.text.endswith("waiting for up to 0 s")
        holder.kill()
        holder.wait()
    with directory.locked(seen.append, patience=0):
        pass
