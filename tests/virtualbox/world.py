"""A VirtualBox of one's own: settings, machine folder and service apart from all others of this host."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from xml.sax.saxutils import quoteattr

import psutil
from tenacity import retry, retry_if_exception, stop_after_attempt, wait_fixed

from tests.campaign.real import media
from tests.contract.worlds import World, files_below, raw_content
from vboxlab.hypervisor.driver import Driver
from vboxlab.hypervisor.virtualbox import readiness
from vboxlab.hypervisor.virtualbox.driver import VirtualBoxDriver
from vboxlab.hypervisor.virtualbox.launch import ENGINE_VARIABLE
from vboxlab.hypervisor.virtualbox.worker import registry
from vboxlab.planning.observed import ObservedMachine

SETTINGS = """<?xml version="1.0"?>
<VirtualBox xmlns="http://www.virtualbox.org/" version="1.12-linux">
  <Global><SystemProperties defaultMachineFolder={folder}/></Global>
</VirtualBox>
"""
SERVICE = "VBoxSVC"
PROCESSES = (SERVICE, "VBoxXPCOMIPCD", "VBoxHeadless")


# What VBoxManage says when the service ends just then (5 s after its last client): it has done nothing yet.
SERVICE_ENDING = ("Failed to create the VirtualBox object", "NS_BASE_STREAM_WOULD_BLOCK", "0x80470007")


# VirtualBox's own assertion (7.2.22, E_ACCESSDENIED), seen when a state was saved: the session of the machine ends, and
# its settings are still being written. The state may be saved all the same.
SAVED_WITH_A_WORD = "Machine::i_saveStorageControllers"


def _is_ending(error: BaseException) -> bool:
    return isinstance(error, subprocess.CalledProcessError) and any(word in error.stderr for word in SERVICE_ENDING)


@retry(retry=retry_if_exception(_is_ending), stop=stop_after_attempt(3), wait=wait_fixed(1), reraise=True)
def _ran(argv: Sequence[str]) -> str:
    done = subprocess.run(argv, check=False, text=True, capture_output=True)
    if done.returncode != 0:
        error = subprocess.CalledProcessError(done.returncode, argv, done.stdout, done.stderr)
        error.add_note(done.stderr)  # nobody would see it
        raise error
    return done.stdout


class VirtualBoxWorld(World):
    """A fresh VirtualBox, with the interpreter as execution engine where the kernel driver is missing."""

    def __init__(self, home: Path) -> None:
        super().__init__(home)
        self.socket = f"vboxlab-{os.getpid()}-{time.monotonic_ns()}"
        self.settings = home / "settings"
        self.folder = home / "machines"
        self._before: dict[str, str | None] = {}

    def prepare(self) -> None:
        """Make the settings, and the image; no client is left, whose service would remember those that were killed."""
        self.enter()
        super().prepare()
        self.opened.pop().close()

    def enter(self) -> None:
        """Let this process and those that it starts see this VirtualBox."""
        self.settings.mkdir(parents=True, exist_ok=True)
        xml = SETTINGS.format(folder=quoteattr(str(self.folder)))
        (self.settings / "VirtualBox.xml").write_text(xml, encoding="utf-8")
        variables = {"VBOX_USER_HOME": str(self.settings), "VBOX_IPC_SOCKETID": self.socket}
        if readiness.kernel_driver_problem():
            variables[ENGINE_VARIABLE] = "interpreter"
        for name, value in variables.items():
            self._before[name] = os.environ.get(name)
            os.environ[name] = value

    def driver_of(self, home: Path) -> Driver:
        return VirtualBoxDriver(home, patience=10.0)

    def places_of(self, _home: Path) -> list[Path]:
        return list(self.folder.rglob("*.vdi"))

    def open_virtualbox(self) -> VirtualBoxDriver:
        """Return a driver as a new process would have it, with all that only this driver has."""
        driver = self.open()
        assert isinstance(driver, VirtualBoxDriver)
        return driver

    @property
    def runs_internal(self) -> bool:
        return not readiness.kernel_driver_problem()

    def add_foreign(self, name: str) -> str:
        """Register a VM that is nobody's."""
        output = self.manage("createvm", "--name", name, "--ostype", "Debian_64", "--register")
        handle = next(line.split()[1] for line in output.splitlines() if line.startswith("UUID:"))
        if not self.runs_internal:
            self.manage("modifyvm", handle, "--vm-execution-engine", "interpreter")
        return handle

    def content_of(self, image: str) -> bytes | None:
        (disk,) = (path for path in self.folder.rglob(f"{image}.vdi") if path.parent.name != "Import")
        return raw_content(disk, "vdi")

    def traces(self) -> set[str]:
        """Return the files below the home but the service's own, and the disks that VirtualBox knows."""
        own = (f"{self.settings.name}/", "virtualbox/presence")
        files = {name for name in super().traces() if not name.startswith(own)}
        return files | {line for line in self.manage("list", "hdds").splitlines() if line.startswith("Location:")}

    def add_disk(self, handle: str, kind: str) -> Path:
        info = self.manage("showvminfo", handle, "--machinereadable")
        if "storagecontrollername0" not in info:
            self.manage("storagectl", handle, "--name", "SATA", "--add", "sata")
        taken = [line for line in info.splitlines() if line.startswith('"SATA-') and "-ImageUUID-" in line]
        disk = self.home / f"{handle}-{len(taken)}.vdi"
        variant = ("--variant", "Fixed") if kind == "Shareable" else ()
        self.manage("createmedium", "disk", "--filename", str(disk), "--size", "8", *variant)
        self.manage("modifymedium", "disk", str(disk), "--type", kind.lower())
        self.manage(
            "storageattach", handle, "--storagectl", "SATA", "--port", str(len(taken)), "--device", "0",
            "--type", "hdd", "--medium", str(disk),
        )  # fmt: skip
        return disk

    def write_on(self, machine: ObservedMachine, disk: str, marker: str) -> None:
        media.write(self._chain(machine, disk)[0], marker)

    def found_on(self, machine: ObservedMachine, disk: str) -> set[str]:
        return set().union(*map(media.read, self._chain(machine, disk)))

    def _chain(self, machine: ObservedMachine, disk: str) -> list[Path]:
        """Return the files of a machine's disk, the one that is written to first."""
        root = re.compile(rf"{disk}(-[0-9a-f]{{6}})?\.vdi")
        found: list[Path] = []
        for path in media.chains(self.settings)[machine.handle].now:
            found.append(path)
            if root.fullmatch(path.name):
                return found
            if path.parent.name != "Snapshots":
                found = []
        raise AssertionError(f"{machine.name} has no disk {disk}")

    def put_stray(self, machine: ObservedMachine, name: str) -> Path:
        parts = [part for part in (machine.marks.get("lab"), machine.marks.get("copy")) if part]
        disk = self.folder.joinpath("vboxlab", *parts, f"{machine.name}.vm", name)
        self.manage("createmedium", "disk", "--filename", str(disk), "--size", "8")
        return disk

    def machine_traces(self) -> list[str]:
        return files_below(self.folder)

    def manage(self, *arguments: str) -> str:
        """Run VBoxManage as somebody else would, and return what it says."""
        installation = readiness.find_installation()
        assert installation is not None
        return _ran([str(installation.manage), *arguments])

    def start_by_hand(self, handle: str) -> None:
        self.manage("startvm", handle, "--type", "headless")

    def save_by_hand(self, handle: str) -> None:
        """Save a machine's state, also where VirtualBox says that it failed and has saved it."""
        try:
            self.manage("controlvm", handle, "savestate")
        except subprocess.CalledProcessError as error:
            if SAVED_WITH_A_WORD not in error.stderr:
                raise
            deadline = time.monotonic() + 10
            while (state := self._state_of(handle)) != "saved":
                if time.monotonic() > deadline:
                    error.add_note(f"afterwards it is {state}")
                    raise
                time.sleep(0.2)

    def _state_of(self, handle: str) -> str:
        lines = self.manage("showvminfo", handle, "--machinereadable").splitlines()
        return next(line.split('"')[1] for line in lines if line.startswith("VMState="))

    def stop_by_hand(self, handle: str) -> None:
        self.manage("controlvm", handle, "poweroff")
        deadline = time.monotonic() + 10
        while self.pids("VBoxHeadless") and time.monotonic() < deadline:
            time.sleep(0.05)

    takes_by_hand = True

    def take_by_hand(self, handle: str, name: str) -> None:
        self.manage("snapshot", handle, "take", name)

    def pids(self, *names: str) -> list[int]:
        """Return the processes of this VirtualBox that have one of these names."""
        return [pid for pid, name in self._processes() if name in (names or PROCESSES)]

    def _processes(self) -> Iterator[tuple[int, str]]:
        mark = f"VBOX_IPC_SOCKETID={self.socket}".encode()
        for folder in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):
                name = (folder / "comm").read_text().strip()
                if name in PROCESSES and mark in (folder / "environ").read_bytes().split(b"\0"):
                    yield int(folder.name), name

    def service(self) -> Sequence[int]:
        return self.pids(SERVICE)

    def kill_service(self) -> None:
        """Kill -9 VBoxSVC, but not while it replaces its list of machines: that one must be put back by a person."""
        for pid in self.pids(SERVICE):
            with suppress(ProcessLookupError, psutil.NoSuchProcess):
                for _ in range(1000):
                    if self._stopped_with_its_list(pid):
                        break
                    os.kill(pid, signal.SIGCONT)
                    time.sleep(0.002)
                os.kill(pid, signal.SIGKILL)

    def _stopped_with_its_list(self, pid: int) -> bool:
        process = psutil.Process(pid)
        os.kill(pid, signal.SIGSTOP)
        while process.status() not in (psutil.STATUS_STOPPED, psutil.STATUS_ZOMBIE):
            time.sleep(0.0005)
        return registry.find_loss(self.settings) is None

    def close(self) -> None:
        super().close()
        for pid in self.pids():
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        for name, value in self._before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
