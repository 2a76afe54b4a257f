"""The failover lab on real VirtualBox, through the command line: everything but the boot."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from tests.contract.worlds import Specs
from tests.unit.lab_world import ROOT
from tests.virtualbox.conftest import Vboxlab, environment
from tests.virtualbox.test_foreign import add_teachers_vm, fingerprints
from tests.virtualbox.world import VirtualBoxWorld

MACHINES = ["client", "dns", "firewall", "srv-web", "srv-web-bis"]
UP = ("up", "failover", "--until", "created")


@pytest.fixture(params=["C.UTF-8", "C", "fr_FR.UTF-8"])
def locale(request: pytest.FixtureRequest) -> str:
    """Return each locale that must do."""
    return str(request.param)


def machines_of(status: subprocess.CompletedProcess[str]) -> dict[str, dict[str, Any]]:
    rows = json.loads(status.stdout)
    return {row["machine"]: row for row in (rows["machines"] if isinstance(rows, dict) else rows)}


@pytest.mark.usefixtures("home")
def test_a_labs_life_in_every_locale(world: VirtualBoxWorld, vboxlab: Vboxlab, locale: str) -> None:
    add_teachers_vm(world, "Pare-feu (école)")
    foreign = fingerprints(world.folder / "Pare-feu (école)")
    vboxlab(*UP, locale=locale)
    again = vboxlab(*UP, "--json", locale=locale)
    assert json.loads(again.stdout.splitlines()[-1] if again.stdout.count("\n") == 1 else again.stdout)["actions"] == 0
    found = {machine.name: machine for machine in world.open().machines() if machine.lab}
    assert sorted(found) == MACHINES
    web = found["srv-web"]
    assert [(adapter.slot, str(adapter.attachment)) for adapter in web.adapters] == [(1, "internal sw-dmz"), (8, "nat")]
    assert web.management_port is not None
    assert len({adapter.mac for machine in found.values() for adapter in machine.adapters}) == 13
    vboxlab("snapshot", "take", "apache-base", locale=locale)
    vboxlab("snapshot", "restore", "apache-base", locale=locale)
    assert sorted(machines_of(vboxlab("status", "failover", "--json", locale=locale))) == MACHINES
    vboxlab("destroy", "failover", "--yes", locale=locale)
    assert [machine.name for machine in world.open().machines()] == ["Pare-feu (école)"]
    assert fingerprints(world.folder / "Pare-feu (école)") == foreign


@pytest.mark.parametrize("moment", [0.8, 1.2, 1.5, 1.8, 2.2, 3.0])
def test_up_killed_at_any_moment_is_finished_by_the_next(
    world: VirtualBoxWorld, home: Path, vboxlab: Vboxlab, moment: float
) -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "vboxlab", *UP], cwd=ROOT, env=environment(home),
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    ) as first:  # fmt: skip
        time.sleep(moment)
        first.send_signal(signal.SIGKILL)
    vboxlab(*UP)
    driver = world.open()
    assert sorted(machine.name for machine in driver.machines()) == MACHINES
    assert list(driver.collect_garbage()) == []
    folders = sorted(path.name for path in (world.folder / "vboxlab" / "ha").iterdir())
    assert folders == sorted(f"{name}.vm" for name in MACHINES)


@pytest.mark.parametrize("moment", [1.5, 2.0, 2.5])
def test_a_service_killed_under_up_and_destroy_is_survived(
    world: VirtualBoxWorld, home: Path, vboxlab: Vboxlab, moment: float
) -> None:
    for verb in (UP, ("destroy", "failover", "--yes")):
        argv = [sys.executable, "-m", "vboxlab", *verb]
        with subprocess.Popen(
            argv, cwd=ROOT, env=environment(home), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
        ) as running:
            time.sleep(moment)
            world.kill_service()
            errors = running.communicate(timeout=100)[1]
            assert running.returncode == 0, errors.decode()
    assert list(world.open().machines()) == []


@pytest.mark.usefixtures("home")
def test_a_foreign_vm_in_the_way_of_a_new_lab_is_named_and_the_lab_gets_other_names(
    world: VirtualBoxWorld, vboxlab: Vboxlab
) -> None:
    world.add_foreign("srv-web")
    said = vboxlab(*UP).stderr
    assert "a VM named 'srv-web' exists already, which is not vboxlab's: this lab's VMs are called ha-firewall" in said
    assert {machine.name for machine in world.open().machines()} == {"srv-web", *(f"ha-{name}" for name in MACHINES)}


@pytest.mark.usefixtures("home")
def test_a_foreign_vm_in_the_way_of_a_lab_that_exists_is_named_and_nothing_is_made(
    world: VirtualBoxWorld, vboxlab: Vboxlab
) -> None:
    vboxlab(*UP)
    driver = world.open()
    driver.delete(next(machine.handle for machine in driver.machines() if machine.name == "srv-web"))
    handle = world.add_foreign("srv-web")
    refused = vboxlab(*UP, code=4)
    assert "srv-web: a VM named 'srv-web' exists already and is not vboxlab's" in refused.stderr
    assert [machine.handle for machine in driver.machines() if machine.name == "srv-web"] == [handle]


def test_two_processes_make_two_labs_of_one_base(world: VirtualBoxWorld, home: Path, vboxlab: Vboxlab) -> None:
    vboxlab(*UP, "--copy", "zero")
    commands = [[sys.executable, "-m", "vboxlab", *UP, "--copy", copy] for copy in ("one", "two")]
    running = [
        subprocess.Popen(argv, cwd=ROOT, env=environment(home), text=True, stderr=subprocess.PIPE) for argv in commands
    ]
    for process in running:
        _, errors = process.communicate(timeout=100)
        assert process.returncode == 0, errors
    made = sorted(str(machine.lab) for machine in world.open().machines())
    assert made == sorted(f"ha/{copy}" for copy in ("zero", "one", "two") for _ in MACHINES)


@pytest.mark.usefixtures("home")
def test_a_start_without_the_kernel_driver_says_so(world: VirtualBoxWorld, vboxlab: Vboxlab, spec: Specs) -> None:
    if world.runs_internal:
        pytest.skip("the kernel driver is there")
    refused = vboxlab("up", "failover", code=4)
    assert "kernel driver" in refused.stderr
