"""Hosts on which the contract suite runs: one class per driver, with what the suite must be able to do to the host."""

from __future__ import annotations

import json
import os
import pickle
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import psutil
import pytest

from vboxlab.errors import VboxlabError
from vboxlab.hypervisor.driver import Driver
from vboxlab.hypervisor.memory import Crash, MemoryDriver, store_of
from vboxlab.hypervisor.qemu.driver import QemuDriver
from vboxlab.hypervisor.qemu.layout import Layout
from vboxlab.hypervisor.virtualbox.worker.media import Medium
from vboxlab.planning.observed import AdapterState, Attachment, Forward, MachineSpec, ObservedMachine, PowerState
from vboxlab.waiting import Deadline, wait_until

IMAGE = "tiny"
LAB = {"lab": "contract", "user": "tester"}
VICTIM = "tests.contract.victim"  # the module whose processes are killed
# A boot sector that ignores everything: cli; hlt; jmp back to hlt.
DEAF_GUEST = (b"\xfa\xf4\xeb\xfd").ljust(510, b"\0") + b"\x55\xaa" + bytes(1 << 20)


class World(ABC):
    """A host with one image named IMAGE, whose clones run a guest that ignores the power button."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.opened: list[Driver] = []

    @abstractmethod
    def driver_of(self, home: Path) -> Driver:
        """Return a driver as a new process would have it."""

    def open(self) -> Driver:
        """Return a driver as a new process would have it, closed with the world."""
        self.opened.append(self.driver_of(self.home))
        return self.opened[-1]

    def prepare(self) -> None:
        """Import the image."""
        self.open().import_image(IMAGE, self.disk("tiny"))

    def disk(self, name: str) -> Path:
        """Make a small disk file that can be imported, in the form that the driver prefers."""
        path = self.home / f"{name}.img"
        path.write_bytes(DEAF_GUEST)
        return path

    def content_of(self, image: str) -> bytes | None:
        """Return what is on an image's disk, None where a driver keeps none."""
        del image
        return None

    def traces(self) -> set[str]:
        """Return what an import could leave behind: files below the home, but those that locks are held with."""
        found = (path.relative_to(self.home) for path in self.home.rglob("*") if not path.name.endswith("lock"))
        return {path.as_posix() for path in found}

    def places_of(self, _home: Path) -> list[Path]:
        """Return what a driver of that home keeps elsewhere, and is private."""
        return []

    def await_orphans(self) -> None:  # noqa: B027 -- a host where there are none has nothing to do
        """Return once nothing that a killed process had started is at work any more."""

    def service(self) -> Sequence[int]:
        """Return the processes that all drivers of this host depend on, and that may die by themselves."""
        return []

    @contextmanager
    def unless_the_service_dies(self) -> Iterator[None]:
        """Skip the test where a block fails during which the service died: nobody had killed it."""
        service = self.service()
        try:
            yield
        except (AssertionError, VboxlabError):
            if self.service() != service:
                pytest.skip("VirtualBox's own service died of it, as it does once in some hundred machines (7.2)")
            raise

    @property
    def runs_internal(self) -> bool:
        """Tell whether machines with adapters on internal networks can be started here."""
        return True

    @abstractmethod
    def add_foreign(self, name: str) -> str:
        """Put a VM on the host that has no marks of ours, and return its handle."""

    def start_by_hand(self, handle: str) -> None:
        """Start a machine as somebody else would, past the drivers that are open."""
        self.open().start(handle)

    def stop_by_hand(self, handle: str) -> None:
        """Pull a machine's plug as somebody else would, past the drivers that are open."""
        self.open().power_off(handle, "hard")

    takes_by_hand = False  # somebody else can take a snapshot of a machine of ours

    def take_by_hand(self, handle: str, name: str) -> None:
        """Take a snapshot as somebody else would, of whatever name."""
        raise NotImplementedError

    def add_disk(self, handle: str, kind: str) -> Path:
        """Give a VM that is none of ours one more disk, of a kind in VirtualBox's words, and return its path."""
        raise NotImplementedError(f"{handle} can have no {kind} disk: no VM but ours here")

    def lose_disk(self, path: Path) -> None:
        """Let a disk's file be gone."""
        path.unlink()

    @abstractmethod
    def write_on(self, machine: ObservedMachine, disk: str, marker: str) -> None:
        """Write a marker (m0 to m7) on a disk of a machine that is off, as its guest would."""

    @abstractmethod
    def found_on(self, machine: ObservedMachine, disk: str) -> set[str]:
        """Return the markers that the guest of a machine that is off would find on a disk."""

    def disc(self) -> Path:
        """Make a disc image."""
        path = self.home / "tools.iso"
        path.write_bytes(bytes(2048 * 200))
        return path

    @abstractmethod
    def put_stray(self, machine: ObservedMachine, name: str) -> Path:
        """Put a disk of somebody's beside a machine's own, and return its path."""

    @abstractmethod
    def machine_traces(self) -> list[str]:
        """Return what there is of machines on the host, whole and not."""

    @contextmanager
    def occupied_port(self) -> Iterator[int]:
        """Listen at a free port of 127.0.0.1 as some other program would."""
        with socket.socket() as listener:
            listener.bind(("127.0.0.1", 0))
            listener.listen(1)
            yield listener.getsockname()[1]

    def kill_during(self, call: str, after: float, *arguments: Any, **options: Any) -> bool:
        """Let another process make a call and kill -9 it so many seconds later; tell whether the call had returned."""
        job = pickle.dumps((type(self), self.home, call, arguments, options))
        with subprocess.Popen(
            [sys.executable, "-m", VICTIM, str(self.home)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        ) as victim:
            assert victim.stdin is not None
            assert victim.stdout is not None
            victim.stdin.write(len(job).to_bytes(8, "big") + job)
            victim.stdin.flush()
            assert victim.stdout.readline() == b"ready\n"
            victim.stdin.write(b"!")
            victim.stdin.flush()
            time.sleep(after)
            victim.send_signal(signal.SIGKILL)
            return b"returned" in victim.stdout.read()

    def close(self) -> None:
        """Remove everything from the host."""
        for driver in self.opened:
            driver.close()


class MemoryWorld(World):
    """The memory driver's host: a store."""

    def driver_of(self, home: Path) -> Driver:
        return MemoryDriver(store_of(home))

    def open(self) -> Driver:
        store_of(self.home).deaf.update(f"m{number}" for number in range(100))
        return super().open()

    def add_foreign(self, name: str) -> str:
        return store_of(self.home).add_foreign(name).handle

    def start_by_hand(self, handle: str) -> None:
        store_of(self.home).switch(handle, PowerState.RUNNING)

    def stop_by_hand(self, handle: str) -> None:
        store_of(self.home).switch(handle, PowerState.OFF)

    takes_by_hand = True

    def take_by_hand(self, handle: str, name: str) -> None:
        store_of(self.home).take(handle, name)

    def add_disk(self, handle: str, kind: str) -> Path:
        media = store_of(self.home).media
        port = len(media[handle])
        path = Path("/memory", handle, f"{kind}-{port}.vdi")
        media[handle] = (*media[handle], Medium("SATA", port, 0, "HardDisk", str(path), kind))
        return path

    def lose_disk(self, path: Path) -> None:
        media = store_of(self.home).media
        for handle, own in media.items():
            media[handle] = tuple(replace(each, present=each.present and each.path != str(path)) for each in own)

    def write_on(self, machine: ObservedMachine, disk: str, marker: str) -> None:
        contents, key = self._contents(machine, disk)
        contents[key] = f"{contents[key]} {marker}"

    def found_on(self, machine: ObservedMachine, disk: str) -> set[str]:
        contents, key = self._contents(machine, disk)
        return set(contents[key].split())

    def _contents(self, machine: ObservedMachine, disk: str) -> tuple[dict[tuple[str, str], str], tuple[str, str]]:
        store = store_of(self.home)
        (now,) = (each for each in store.machines[machine.handle].disks if each.name == disk)
        return (store.shared, (str(machine.lab), disk)) if now.shared else (store.contents, (machine.handle, disk))

    def put_stray(self, machine: ObservedMachine, name: str) -> Path:
        return store_of(self.home).put_stray(machine, name).path

    def machine_traces(self) -> list[str]:
        store = store_of(self.home)
        return [*store.machines, *(str(entry) for entry in (*store.leftovers, *store.strays))]

    @contextmanager
    def occupied_port(self) -> Iterator[int]:
        store_of(self.home).taken_ports.add(2222)
        yield 2222
        store_of(self.home).taken_ports.discard(2222)

    def kill_during(self, call: str, after: float, *arguments: Any, **options: Any) -> bool:
        store = store_of(self.home)
        late = after >= 1
        (store.crash_after if late else store.crash_during)(call)
        with suppress(Crash):
            getattr(self.driver_of(self.home), call)(*arguments, **options)
        return late


class QemuWorld(World):
    """A home of the QEMU driver."""

    def driver_of(self, home: Path) -> Driver:
        return QemuDriver(home)

    def places_of(self, home: Path) -> list[Path]:
        return [Layout(home).runtime]

    def await_orphans(self) -> None:
        def at_work() -> bool:
            known = {path.read_text().strip() for path in (self.home / "qemu" / "machines").glob("*/pid")}
            found = ((p.pid, " ".join(p.info["cmdline"] or ())) for p in psutil.process_iter(["cmdline"]))
            # What a killed process was about to start has its words, or those of the shell that launches QEMU, until it
            # becomes qemu-img, or a QEMU that has written its pid file.
            return any(
                str(self.home) in words
                and ("qemu-img" in words or VICTIM in words or ("qemu-system" in words and str(pid) not in known))
                for pid, words in found
            )

        wait_until(
            lambda: not at_work(), Deadline.after(60), what="the end of what a killed process had started", every=0.02
        )

    def add_foreign(self, name: str) -> str:
        return self.open().create(MachineSpec(name, IMAGE, 1, 64, (), {})).handle

    def content_of(self, image: str) -> bytes | None:
        found = json.loads((self.home / "qemu" / "images" / f"{image}.json").read_text())
        return raw_content(Path(found["disk"]), found["format"])

    def write_on(self, machine: ObservedMachine, disk: str, marker: str) -> None:
        path, form = self._disk(machine, disk)
        piece = self.home / "piece"
        piece.write_bytes(f"<marker {marker}>".encode().ljust(512, b"\0"))
        at = int(marker[1:]) << 20
        command = ["qemu-io", "-f", form, "-c", f"write -s {piece} {at} 512", str(path)]
        subprocess.run(command, check=True, capture_output=True)

    def found_on(self, machine: ObservedMachine, disk: str) -> set[str]:
        return {found.decode() for found in re.findall(rb"<marker (m\d)>", raw_content(*self._disk(machine, disk)))}

    def _disk(self, machine: ObservedMachine, name: str) -> tuple[Path, str]:
        folder = self.home / "qemu" / "machines" / machine.handle
        disks = json.loads((folder / "machine.json").read_text())["hardware"]["disks"]
        (file,) = (disk["file"] for disk in disks if disk["name"] == name)
        assert machine.lab is not None
        return (folder / file, "qcow2") if file else (Layout(self.home).shared_disk(machine.lab, name), "raw")

    def put_stray(self, machine: ObservedMachine, name: str) -> Path:
        path = self.home / "qemu" / "machines" / machine.handle / name
        path.write_bytes(DEAF_GUEST)
        return path

    def machine_traces(self) -> list[str]:
        return files_below(self.home / "qemu" / "machines") + files_below(self.home / "qemu" / "kept")

    def close(self) -> None:
        runtime = self.home / "qemu" / "runtime"
        shutil.rmtree(self.home / "qemu" / "machines", ignore_errors=True)
        self.open().collect_garbage()
        super().close()
        if runtime.is_file():
            # A switch that lost its last port ends by itself, and removes its files while this does.
            shutil.rmtree(runtime.read_text(), ignore_errors=True)


def files_below(folder: Path) -> list[str]:
    """Return the files and folders below a folder."""
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


@dataclass
class Specs:
    """Machines to make: numbered, so that all differ."""

    first_port: int = 0
    count: int = 0

    def __call__(self, name: str = "", adapters: tuple[AdapterState, ...] | None = None, **marks: str) -> MachineSpec:
        """Return a machine with one internal adapter and one for management, in the lab unless marks say otherwise."""
        self.count += 1
        adapters = (internal(1, "sw-dmz"), management()) if adapters is None else adapters
        return MachineSpec(name or f"m{self.count}", IMAGE, 1, 64, adapters, {**LAB, "machine": name, **marks})


def raw_content(disk: Path, form: str) -> bytes:
    """Return what is on a disk, as qemu-img reads it."""
    with tempfile.TemporaryDirectory() as folder:
        raw = Path(folder, "disk.raw")
        subprocess.run(["qemu-img", "convert", "-f", form, "-O", "raw", disk, raw], check=True)
        return raw.read_bytes()


def mac(slot: int) -> str:
    """Return an adapter's MAC address."""
    return f"0800270000{slot:02X}"


def internal(slot: int, network: str, *, cable: bool = True) -> AdapterState:
    """Return an adapter on an internal network."""
    return AdapterState(slot, Attachment("internal", network), mac(slot), cable)


def nat(slot: int, *forwards: Forward, cable: bool = True) -> AdapterState:
    """Return an adapter on a NAT network."""
    return AdapterState(slot, Attachment("nat", "", "10.0.2.0/24", forwards), mac(slot), cable)


def management(port: int = 0) -> AdapterState:
    """Return the management adapter with a forward to the guest's SSH server."""
    return AdapterState(8, Attachment("nat", "", "10.0.9.0/24", (Forward(port or free_port(), 22),)), mac(8))


def free_port() -> int:
    """Return a port of 127.0.0.1 that nobody listens at."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def pid_of_listener(path: Path) -> int:
    """Return the process that listens at a UNIX stream socket (unix(7), SO_PEERCRED)."""
    with socket.socket(socket.AF_UNIX) as probe:
        probe.connect(os.fspath(path))
        return int.from_bytes(probe.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 4), sys.byteorder)
