"""The QEMU driver: the contract of vboxlab.hypervisor.driver, handed to the parts that keep it."""

from __future__ import annotations

import re
import sys
from collections.abc import Collection, Mapping, Sequence
from functools import cached_property
from pathlib import Path

from vboxlab.errors import CapabilityMissing
from vboxlab.hypervisor.diskfiles.kinds import KINDS
from vboxlab.hypervisor.driver import Capabilities, Description, ImageInfo, Progress, Stray, Work, no_progress
from vboxlab.hypervisor.qemu.adapters import Adapters
from vboxlab.hypervisor.qemu.disks import Disks
from vboxlab.hypervisor.qemu.garbage import collect
from vboxlab.hypervisor.qemu.machines import Machines
from vboxlab.hypervisor.qemu.networks import NETWORK_KINDS, HostPort
from vboxlab.hypervisor.qemu.power import Power
from vboxlab.hypervisor.qemu.readiness import Readiness, find_readiness
from vboxlab.hypervisor.qemu.snapshots import Snapshots
from vboxlab.hypervisor.qemu.strays import find_strays, remove_stray
from vboxlab.hypervisor.qemu.work import work_of
from vboxlab.hypervisor.qemu.workspace import CONSOLE_FILE, Workspace
from vboxlab.language import _
from vboxlab.planning.observed import (
    AdapterState,
    Attachment,
    DiskState,
    Impairment,
    MachineSpec,
    ObservedMachine,
    PowerOffHow,
)
from vboxlab.topology.addressing import LabName

CONSOLE_TAIL_BYTES = 65536
# Colours, cursor movements and the like (ECMA-48 control sequences).
CONTROL_SEQUENCE = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|[@-Z\\-_])")


class QemuDriver:
    """Machines as QEMU processes, kept under home/qemu."""

    def __init__(self, home: Path) -> None:
        self._work = Workspace.of(home, lambda _layout: self._readiness)
        self._power = Power(self._work)
        self._machines = Machines(self._work, self._power)
        self._adapters = Adapters(self._work)
        self._snapshots = Snapshots(self._work, self._machines)
        self._disks = Disks(self._work, self._machines)

    @cached_property
    def _readiness(self) -> Readiness:
        return find_readiness(self._work.layout)

    @property
    def name(self) -> str:
        """Return the driver's name."""
        return "qemu"

    @property
    def version(self) -> str:
        """Return QEMU's version and how guests run."""
        return f"{self._readiness.version} ({self._readiness.accelerator})"

    @property
    def capabilities(self) -> Capabilities:
        """Return what this driver can do on this host."""
        return Capabilities(
            boots_guests=not self._readiness.problem,
            accelerated=self._readiness.accelerator == "kvm",
            live_snapshots=True,
            window=False,
            adopts=False,
            network_kinds=NETWORK_KINDS,
            image_formats=KINDS,
            screenshots=False,
            shapes_lines=True,
            measures_work=sys.platform == "linux",
            why_unusable=self._readiness.problem,
        )

    def machines(self, *, early: bool = False) -> Sequence[ObservedMachine]:  # noqa: ARG002 -- it looks in no time
        """Report every machine of this home."""
        return self._machines.all()

    def inspect(self, handle: str) -> ObservedMachine:
        """Report one machine. Raises MachineNotFound."""
        return self._machines.one(handle)

    def describe(self, handle: str) -> Description:
        """Raise CapabilityMissing: there are no VMs but ours."""
        raise CapabilityMissing(
            _("{vm} cannot be described: QEMU has no VMs but vboxlab's").format(vm=self.inspect(handle).name),
            resolution=_("choose VirtualBox with --driver virtualbox"),
        )

    def create(self, spec: MachineSpec, progress: Progress = no_progress) -> ObservedMachine:
        """Make a powered-off linked clone."""
        return self._machines.create(spec, progress)

    def start(self, handle: str, *, gui: bool = False) -> None:
        """Power the machine on, or resume it."""
        with self._work.changing(handle):
            self._power.start(handle, gui=gui)

    def pause(self, handle: str) -> None:
        """Let a running machine stand still."""
        with self._work.changing(handle):
            self._power.pause(handle)

    def power_off(self, handle: str, how: PowerOffHow, *, timeout: float = 60.0) -> bool:
        """Bring the machine to OFF."""
        return self._power.power_off(handle, how, timeout)

    def delete(self, handle: str) -> None:
        """Remove the machine with its disk and snapshots."""
        self._machines.delete(handle)

    def set_marks(self, handle: str, marks: Mapping[str, str | None]) -> None:
        """Set or remove marks."""
        with self._work.changing(handle):
            self._machines.set_marks(handle, marks)

    def set_hardware(self, handle: str, *, cpus: int, memory: int) -> None:
        """Set processors and memory in MiB."""
        with self._work.changing(handle):
            self._machines.set_hardware(handle, cpus, memory)

    def set_adapters(self, handle: str, adapters: Sequence[AdapterState]) -> None:
        """Give the machine exactly these adapters."""
        with self._work.changing(handle):
            self._adapters.set_all(handle, adapters)

    def attach(self, handle: str, slot: int, attachment: Attachment) -> None:
        """Plug an existing adapter into another network."""
        with self._work.changing(handle):
            self._adapters.attach(handle, slot, attachment)

    def set_cable(self, handle: str, slot: int, connected: bool) -> None:
        """Plug the adapter's cable in or out."""
        with self._work.changing(handle):
            self._adapters.set_cable(handle, slot, connected)

    def impair(self, handle: str, slot: int, impairment: Impairment) -> None:
        """Make the line of an adapter bad or good."""
        with self._work.changing(handle):
            self._adapters.impair(handle, slot, impairment)

    def set_groups(self, handle: str, slot: int, groups: Collection[int]) -> None:
        """Let an adapter see only those of its groups."""
        with self._work.changing(handle):
            self._adapters.set_groups(handle, slot, groups)

    def add_disks(self, handle: str, disks: Sequence[DiskState], progress: Progress = no_progress) -> None:
        """Make the disks that the machine lacks."""
        with self._work.changing(handle):
            self._disks.add(handle, disks, progress)

    def set_dvd(self, handle: str, image: str) -> None:
        """Put a disc image into the machine's drive."""
        with self._work.changing(handle):
            self._disks.set_dvd(handle, image)

    def take_snapshot(self, handle: str, name: str, *, live: bool = False, description: str = "") -> None:
        """Take a snapshot as a child of the current one."""
        with self._work.changing(handle):
            self._snapshots.take(handle, name, live, description)

    def restore_snapshot(self, handle: str, name: str) -> None:
        """Bring disk, hardware, adapters and marks back."""
        with self._work.changing(handle):
            self._snapshots.restore(handle, name)

    def delete_snapshot(self, handle: str, name: str) -> None:
        """Remove one snapshot."""
        with self._work.changing(handle):
            self._snapshots.delete(handle, name)

    def images(self) -> Sequence[ImageInfo]:
        """Report the images."""
        return self._work.images.infos(self._machines.clones())

    def has_image(self, name: str) -> bool:
        """Tell whether there is an image of that name."""
        return self._work.images.find(name) is not None

    def import_image(
        self,
        name: str,
        disk: Path,
        *,
        parent: str | None = None,
        ours: bool = False,
        progress: Progress = no_progress,
    ) -> None:
        """Make an image of a disk; a kernel beside one of ours (vmlinuz, initrd.img, cmdline) belongs to it."""
        self._work.layout.prepare()
        if ours:
            progress(_("registering {image}").format(image=name), None)
            self._work.images.refer(name, disk, parent)
        else:
            self._work.images.copy(name, disk, progress)

    def adopt_image(self, name: str, vm: str, *, snapshot: str = "", progress: Progress = no_progress) -> str:
        """Raise CapabilityMissing: there are no VMs but ours."""
        del snapshot, progress
        raise CapabilityMissing(
            _("{vm} cannot become the base {base}: QEMU has no VMs but vboxlab's").format(vm=vm, base=name),
            resolution=_("give its disk instead: vboxlab base add {base} --disk FILE").format(base=name),
        )

    def import_appliance(self, name: str, file: Path, progress: Progress = no_progress) -> None:
        """Raise CapabilityMissing: appliances are VirtualBox's."""
        del progress
        raise CapabilityMissing(
            _("{file} cannot become the base {base}: QEMU imports no appliances").format(file=file, base=name),
            resolution=_("an OVA is a tar file: unpack it and give its disk with --disk"),
        )

    def remove_image(self, name: str) -> None:
        """Remove an image; a disk of ours that it refers to stays."""
        self._work.images.remove(name, self._machines.clones().get(name, ()))

    def console_tail(self, handle: str, lines: int = 20) -> str:
        """Return the last lines of the serial console."""
        path = self._work.layout.machine(self._work.definitions.load(handle).id) / CONSOLE_FILE
        try:
            with path.open("rb") as console:
                console.seek(max(0, path.stat().st_size - CONSOLE_TAIL_BYTES))
                text = console.read().decode(errors="replace")
        except FileNotFoundError:
            return ""
        plain = [line.rstrip() for line in CONTROL_SEQUENCE.sub("", text).replace("\r", "").splitlines()]
        return "\n".join([line for line in plain if line][-lines:])

    def work(self, handle: str) -> Work | None:
        """Tell how much a running machine has worked."""
        return work_of(self._work, self._work.definitions.load(handle).id)

    def screenshot(self, handle: str, target: Path) -> None:
        """Raise CapabilityMissing: these machines have a serial console only."""
        raise CapabilityMissing(
            _("no picture of {machine} for {target}: QEMU machines have no screen").format(
                machine=self.inspect(handle).name, target=target
            ),
            resolution=_("look at the last lines of the serial console"),
        )

    def host_port(self, lab: LabName | None, network: str) -> HostPort:
        """Join an internal network of a lab from the host: a context manager that sends and receives frames."""
        return HostPort(self._work.switches, self._work.layout, lab, network)

    def garbage(self, lab: LabName | None = None) -> Sequence[str]:
        """Say what collect_garbage would remove, changing nothing."""
        return collect(self._work, lab, only_look=True)

    def collect_garbage(self, lab: LabName | None = None) -> Sequence[str]:
        """Remove what interrupted calls left, and say what it was."""
        return collect(self._work, lab)

    def strays(self, lab: LabName | None = None) -> Sequence[Stray]:
        """Report files that somebody put beside machines' disks."""
        return find_strays(self._work, lab)

    def remove_stray(self, path: Path) -> None:
        """Remove one of the strays."""
        remove_stray(self._work, path)

    def close(self) -> None:
        """Let go of connections. Machines go on running."""
        self._work.monitors.close()
