"""A class on VirtualBox, not booted: two web servers a copy made, snapshotted, reset and destroyed, against bare calls.

The bare calls are those of the API that the same needs, in one process, one after the other, with nothing checked.
Run it where VirtualBox is, or with
`python tests/virtualbox/harness.py --command -- python -m benchmarks.virtualbox_class`.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.unit.base_on_disk import put_base
from tests.virtualbox.conftest import environment
from tests.virtualbox.world import VirtualBoxWorld
from vboxlab.hypervisor.virtualbox import readiness
from vboxlab.hypervisor.virtualbox.worker.lookup import VM_PREFIX
from vboxlab.hypervisor.virtualbox.worker.told import verbatim

GOAL, GOAL_OF_FEW, LARGE = 1.3, 2.0, 60  # times the bare calls; so many machines are not few
TOPOLOGY = """\
lab: bench
base: debian12
networks: {sw-dmz: {kind: internal, subnet: 192.168.200.0/24}}
machines:
  srv-web: {hostname: srv-web, adapters: [{network: sw-dmz, address: 192.168.200.51/24}]}
  srv-web-bis: {hostname: srv-web-bis, adapters: [{network: sw-dmz, address: 192.168.200.52/24}]}
"""
MACHINES = 2  # of a copy
STEPS = ("create", "snapshot", "reset", "destroy")


@contextmanager
def world_with_base(folder: Path) -> Iterator[tuple[VirtualBoxWorld, Path]]:
    """Give a fresh VirtualBox and a home with a base whose disk is empty."""
    world = VirtualBoxWorld(folder)
    world.enter()
    home = folder / "vboxlab"
    put_base(home)
    (disk,) = home.rglob("disk.qcow2")
    disk.unlink()
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", disk, "64M"], check=True)
    (folder / "bench.yaml").write_text(TOPOLOGY)
    try:
        yield world, home
    finally:
        world.close()


def vboxlab(home: Path, *arguments: str) -> float:
    """Run the command and return the seconds that it took."""
    begun = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-m", "vboxlab", *arguments],
        env=environment(home),
        text=True,
        capture_output=True,
        check=False,
    )
    if done.returncode != 0:
        sys.exit(done.stdout + done.stderr)
    return time.monotonic() - begun


def with_vboxlab(folder: Path, copies: int) -> list[float]:
    """Return the seconds of each step."""
    with world_with_base(folder) as (_world, home):
        topology = str(folder / "bench.yaml")
        vboxlab(home, "up", topology, "--until", "created", "--copy", "warm")  # makes the image
        vboxlab(home, "destroy", "bench", "--copy", "warm", "--yes")
        which = ("--copies", f"1-{copies}")
        return [
            vboxlab(home, "up", topology, "--until", "created", *which),
            vboxlab(home, "snapshot", "take", "begin", "--all"),
            vboxlab(home, "reset", topology, *which, "--to", "begin", "--yes", "--no-up"),
            vboxlab(home, "destroy", "bench", *which, "--yes"),
        ]


class BareCalls:
    """VirtualBox's API, called as directly as can be."""

    def __init__(self) -> None:
        installation = readiness.find_installation()
        if installation is None:
            sys.exit("VirtualBox is not installed")
        os.environ["VBOX_PROGRAM_PATH"], os.environ["VBOX_SDK_PATH"] = map(
            str, (installation.program, installation.sdk)
        )
        from vboxlab.hypervisor.virtualbox.worker.connection import Connection

        self.connection = Connection()
        self.vbox, self.constants = self.connection.vbox, self.connection.constants

    def create(self, name: str, snapshot: Any, number: int) -> Any:
        """Make a linked clone with two adapters, one forward and one mark."""
        constants = self.constants
        machine = self.vbox.createMachine("", name, constants.PlatformArchitecture_x86, ["/bench"], "", "", "", "", "")
        link = [constants.CloneOptions_Link]
        self.connection.wait(
            snapshot.machine.cloneTo(machine, constants.CloneMode_MachineState, link), verbatim("cloning")
        )
        machine.memorySize = 512
        internal, management = machine.getNetworkAdapter(0), machine.getNetworkAdapter(7)
        for adapter in (internal, management):
            adapter.enabled = True
        internal.attachmentType, internal.internalNetwork = constants.NetworkAttachmentType_Internal, f"net-{number}"
        management.attachmentType = constants.NetworkAttachmentType_NAT
        management.NATEngine.network = "10.0.9.0/24"
        management.NATEngine.addRedirect("ssh", constants.NATProtocol_TCP, "127.0.0.1", 20200 + number, "", 22)
        machine.setExtraData("bench", name)
        machine.saveSettings()
        self.vbox.registerMachine(machine)
        return machine

    @contextmanager
    def _locked(self, machine: Any) -> Iterator[Any]:
        session = self.connection.session()
        machine.lockMachine(session, self.constants.LockType_Write)
        yield session.machine
        session.unlockMachine()

    def take(self, machine: Any) -> None:
        """Take the snapshot."""
        with self._locked(machine) as own:
            self.connection.wait(own.takeSnapshot("begin", "", True)[0], verbatim("taking"))

    def restore(self, machine: Any) -> None:
        """Go back to the snapshot."""
        with self._locked(machine) as own:
            self.connection.wait(own.restoreSnapshot(own.findSnapshot("begin")), verbatim("restoring"))

    def delete(self, machine: Any) -> None:
        """Remove the machine with its disks."""
        media = machine.unregister(self.constants.CleanupMode_DetachAllReturnHardDisksOnly)
        self.connection.wait(machine.deleteConfig(media), verbatim("deleting"))


def on_each(do: Callable[[Any], None], machines: list[Any]) -> None:
    """Do the same with all machines, one after the other."""
    for machine in machines:
        do(machine)


def with_bare_calls(folder: Path, copies: int) -> list[float]:
    """Return the seconds of each step."""
    with world_with_base(folder) as (_world, home):
        topology = str(folder / "bench.yaml")
        vboxlab(home, "up", topology, "--until", "created", "--copy", "warm")
        bare = BareCalls()
        images = [m for m in bare.connection.array(bare.vbox, "machines") if m.name.startswith(VM_PREFIX)]
        snapshot = images[0].currentSnapshot
        made: list[Any] = []
        steps: list[Callable[[], None]] = [
            lambda: made.extend(bare.create(f"m{n}", snapshot, n) for n in range(MACHINES * copies)),
            lambda: on_each(bare.take, made),
            lambda: on_each(bare.restore, made),
            lambda: on_each(bare.delete, made),
        ]
        seconds = []
        for step in steps:
            begun = time.monotonic()
            step()
            seconds.append(time.monotonic() - begun)
    return seconds


Round = tuple[list[float], list[float]]  # the seconds of each step: with vboxlab, with bare calls


def one_round(copies: int) -> Round:
    """Return the seconds of both, each on a fresh VirtualBox; this process can connect to no other one afterwards."""
    rows = []
    for measure in (with_vboxlab, with_bare_calls):
        with tempfile.TemporaryDirectory() as folder:
            rows.append(measure(Path(folder) / "world", copies))
    return rows[0], rows[1]


def round_in_process(copies: int) -> Round:
    """Return what a process of its own measured."""
    words = [sys.executable, "-m", "benchmarks.virtualbox_class", "--copies", str(copies), "--one-round"]
    ours, bare = json.loads(subprocess.run(words, check=True, stdout=subprocess.PIPE, text=True).stdout)
    return ours, bare


def tell(copies: int, rounds: list[Round]) -> None:
    """Print the medians of the rounds, and of the ratios that each round gave."""
    machines = MACHINES * copies
    for number, step in enumerate((*STEPS, "all")):
        both = [(sum(ours), sum(bare)) if step == "all" else (ours[number], bare[number]) for ours, bare in rounds]
        ours, bare = (statistics.median(column) for column in zip(*both, strict=True))
        ratio = statistics.median(ours / bare for ours, bare in both)
        goal = ""
        if step == "all":
            wanted = GOAL if machines >= LARGE else GOAL_OF_FEW
            verdict = "reached" if ratio <= wanted else "not reached"
            goal = f" ({1000 * ours / machines:.0f} ms each; goal {wanted} {verdict})"
        print(f"{machines:4} machines, {step}: {ours:.2f} s, bare calls {bare:.2f} s: {ratio:.2f}x{goal}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--copies", type=int, nargs="+", default=[5, 15, 30, 50], help="how many copies")
    parser.add_argument("--rounds", type=int, default=5, help="how often; medians are told")
    parser.add_argument("--one-round", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one_round:
        print(json.dumps(one_round(*options.copies)))
        sys.stdout.flush()
        os._exit(0)  # the normal end of a process that used the API can hang
    for copies in options.copies:
        tell(copies, [round_in_process(copies) for _ in range(options.rounds)])


if __name__ == "__main__":
    main()
