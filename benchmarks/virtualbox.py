"""Thirty machines cloned, wired with two NICs and snapshotted: vboxlab's driver against a VBoxManage script, one run.

Run it where VirtualBox is, or with `python tests/virtualbox/harness.py --command -- python -m benchmarks.virtualbox`.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

from tests.contract.worlds import IMAGE, Specs
from tests.virtualbox.world import VirtualBoxWorld
from vboxlab.hypervisor.driver import Driver
from vboxlab.hypervisor.virtualbox.worker.images import SNAPSHOT
from vboxlab.hypervisor.virtualbox.worker.lookup import VM_PREFIX
from vboxlab.planning.observed import MachineSpec

MACHINES = 30
GOAL = 8.0


def with_vboxlab(driver: Driver, specs: list[MachineSpec], jobs: int) -> float:
    """Return the seconds that the driver needs, called from so many threads."""

    def build(spec: MachineSpec) -> None:
        driver.take_snapshot(driver.create(spec).handle, "base")

    begun = time.monotonic()
    with ThreadPoolExecutor(jobs) as pool:
        list(pool.map(build, specs))
    return time.monotonic() - begun


def with_script(manage: str, specs: list[MachineSpec]) -> float:
    """Return the seconds that the same takes with VBoxManage, one command after the other as a script does it."""

    def run(*arguments: str) -> None:
        subprocess.run([manage, *arguments], check=True, capture_output=True)

    begun = time.monotonic()
    for spec in specs:
        internal, management = spec.adapters
        (forward,) = management.attachment.forwards
        rule = f"ssh,tcp,127.0.0.1,{forward.host_port},,{forward.guest_port}"
        run(
            "clonevm", VM_PREFIX + IMAGE, "--snapshot", SNAPSHOT, "--options", "link", "--name", spec.name, "--register"
        )
        run(
            "modifyvm", spec.name, "--memory", str(spec.memory),
            "--nic1", "intnet", "--intnet1", internal.attachment.name, "--macaddress1", internal.mac,
            "--nic8", "nat", "--natnet8", management.attachment.subnet, "--natpf8", rule,
        )  # fmt: skip
        run("snapshot", spec.name, "take", "base")
    return time.monotonic() - begun


def measure(jobs: int, manage: str, folder: Path) -> tuple[float, float]:
    """Return the seconds of one round, vboxlab's and the script's, each on a fresh VirtualBox whose service runs."""
    seconds = []
    for name in ("vboxlab", "script"):
        world = VirtualBoxWorld(folder / name)
        world.prepare()
        driver = world.open()
        driver.machines()
        specs = [Specs()(f"m{number}") for number in range(MACHINES)]
        try:
            seconds.append(with_vboxlab(driver, specs, jobs) if name == "vboxlab" else with_script(manage, specs))
            made = [machine.name for machine in driver.machines()]
            if sorted(made) != sorted(spec.name for spec in specs):
                raise SystemExit(f"{name} made {made}")
        finally:
            with suppress(OSError):
                world.close()
    return seconds[0], seconds[1]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--jobs", type=int, default=4)
    parser.add_argument("--manage", default="VBoxManage", help="the VBoxManage program of the script")
    options = parser.parse_args()
    rounds = []
    for number in range(options.rounds):
        with tempfile.TemporaryDirectory() as folder:
            ours, script = measure(options.jobs, options.manage, Path(folder))
        print(f"round {number + 1}: vboxlab {ours:.2f} s, VBoxManage script {script:.2f} s, {script / ours:.1f}x")
        rounds.append((ours, script))
    ours, script = (statistics.median(column) for column in zip(*rounds, strict=True))
    ratio = script / ours
    verdict = "reached" if ratio >= GOAL else "not reached"
    print(f"median of {options.rounds}: {ours:.2f} s against {script:.2f} s: {ratio:.1f}x (goal {GOAL:.0f}x {verdict})")


if __name__ == "__main__":
    main()
