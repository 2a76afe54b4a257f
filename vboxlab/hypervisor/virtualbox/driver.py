"""The VirtualBox driver: the contract of vboxlab.hypervisor.driver, handed to the worker."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from functools import cached_property
from pathlib import Path

from vboxlab.errors import CapabilityMissing, DriverError
from vboxlab.hypervisor.discs import check_disc
from vboxlab.hypervisor.diskfiles.kinds import KINDS
from vboxlab.hypervisor.driver import (
    Capabilities,
    Description,
    DiskOfVm,
    ImageInfo,
    Progress,
    Stray,
    Work,
    no_progress,
)
from vboxlab.hypervisor.virtualbox import readiness
from vboxlab.hypervisor.virtualbox.adapters import NETWORK_KINDS, asked_adapter, asked_attachment
from vboxlab.hypervisor.virtualbox.client import Client
from vboxlab.hypervisor.virtualbox.images import Images
from vboxlab.hypervisor.virtualbox.launch import ENGINE_VARIABLE
from vboxlab.hypervisor.virtualbox.machines import asked_machine, checked, observed
from vboxlab.hypervisor.virtualbox.sentences.telling import say
from vboxlab.hypervisor.virtualbox.worker import calls
from vboxlab.hypervisor.virtualbox.worker.disk_calls import AddDisks, Disk, SetDvd
from vboxlab.language import _
from vboxlab.planning.observed import (
    AdapterState,
    Attachment,
    DiskState,
    Impairment,
    MachineSpec,
    ObservedMachine,
    PowerOffHow,
    PowerState,
)
from vboxlab.topology.addressing import LabName
from vboxlab.topology.disks import MODEL

CONSOLE_TAIL_BYTES = 65536


class VirtualBoxDriver:
    """Machines as VMs of this user's VirtualBox."""

    def __init__(
        self,
        home: Path,
        *,
        python: str | None = None,
        patience: float = 20.0,
        say: Callable[[str], None] = lambda _text: None,
    ) -> None:
        """Prepare; nothing is started before the first call.

        `python` is an interpreter that loads the binding, `patience` how many seconds a lock of others is waited for,
        `say` is told what was mended of machines of ours.
        """
        engine = os.environ.get(ENGINE_VARIABLE, "")
        self._client = Client(home, preferred=python, patience=patience, engine=engine, say=say)
        self._images = Images(self._client, home)

    @property
    def name(self) -> str:
        """Return the driver's name."""
        return "virtualbox"

    @property
    def version(self) -> str:
        """Return VirtualBox's version."""
        return self._client.greeting.version

    @property
    def client(self) -> Client:
        """Return the connection, for `doctor` and tests."""
        return self._client

    @cached_property
    def capabilities(self) -> Capabilities:
        """Return what VirtualBox can do on this host."""
        problem = readiness.usable()
        return Capabilities(
            boots_guests=not problem,
            accelerated=not problem,
            live_snapshots=True,
            window=readiness.can_show_windows(),
            adopts=True,
            network_kinds=NETWORK_KINDS,
            image_formats=KINDS,
            screenshots=True,
            shapes_lines=False,
            measures_work=False,
            why_unusable=problem,
        )

    def machines(self, *, early: bool = False) -> Sequence[ObservedMachine]:
        """Report every VM but images, ours in full and foreign ones without details."""
        return [observed(fields) for fields in self._client.call(calls.ListMachines(early))]

    def inspect(self, handle: str) -> ObservedMachine:
        """Report one VM in full."""
        return observed(self._client.call(calls.Inspect(handle)))

    def describe(self, handle: str) -> Description:
        """Report one VM with its disks, and the subnets of its host-only and NAT networks."""
        told = self._client.call(calls.Describe(handle))
        disks = tuple(DiskOfVm(disk.path, disk.size) for disk in told.disks)
        return Description(self.inspect(handle), disks, dict(told.subnets))

    def create(self, spec: MachineSpec, progress: Progress = no_progress) -> ObservedMachine:
        """Make a powered-off linked clone."""
        made = self._client.call(asked_machine(spec), subject=spec.name, progress=progress)
        return observed(made)

    def start(self, handle: str, *, gui: bool = False) -> None:
        """Power the machine on, or resume it."""
        if gui and not self.capabilities.window:
            raise CapabilityMissing(_("no window can be shown here"), resolution=_("start without --gui"))
        self._client.call(calls.Start(handle, gui))

    def pause(self, handle: str) -> None:
        """Let a running machine stand still."""
        self._client.call(calls.Pause(handle))

    def power_off(self, handle: str, how: PowerOffHow, *, timeout: float = 60.0) -> bool:
        """Bring the machine to OFF; return whether its guest ended by itself."""
        if how == "graceful" and self.inspect(handle).power is PowerState.PAUSED:
            with suppress(DriverError):  # a guest that VirtualBox stopped for good has only its plug left
                self.start(handle)
        return self._client.call(calls.PowerOff(handle, how, timeout))

    def delete(self, handle: str) -> None:
        """Remove the machine with its disks and snapshots."""
        self._client.call(calls.Delete(handle))

    def set_marks(self, handle: str, marks: Mapping[str, str | None]) -> None:
        """Set or remove marks, running or not."""
        self._client.call(calls.SetMarks(handle, dict(marks)))

    def set_hardware(self, handle: str, *, cpus: int, memory: int) -> None:
        """Set processors and memory (MiB) of a machine that is off."""
        self._client.call(calls.SetHardware(handle, cpus, memory))

    def add_disks(self, handle: str, disks: Sequence[DiskState], progress: Progress = no_progress) -> None:
        """Make the disks that the machine lacks."""
        asked = tuple(Disk(disk.name, disk.size, disk.shared) for disk in disks)
        self._client.call(AddDisks(handle, asked, MODEL), progress=progress)

    def set_dvd(self, handle: str, image: str) -> None:
        """Put a disc image into the machine's drive."""
        if image:
            check_disc(self.inspect(handle).name, image)
        self._client.call(SetDvd(handle, image))

    def set_adapters(self, handle: str, adapters: Sequence[AdapterState]) -> None:
        """Give the machine exactly these adapters."""
        asked = tuple(asked_adapter(adapter) for adapter in checked(adapters))
        self._client.call(calls.SetAdapters(handle, asked))

    def attach(self, handle: str, slot: int, attachment: Attachment) -> None:
        """Plug an existing adapter into another network, off or running."""
        self._client.call(calls.PlugAdapter(handle, slot, attachment=asked_attachment(attachment)))

    def set_cable(self, handle: str, slot: int, connected: bool) -> None:
        """Plug the adapter's cable in or out, off or running."""
        self._client.call(calls.PlugAdapter(handle, slot, cable=connected))

    def impair(self, handle: str, slot: int, impairment: Impairment) -> None:
        """Raise CapabilityMissing: VirtualBox's internal networks lose and delay nothing."""
        del impairment
        raise self._no_lines(handle, slot)

    def set_groups(self, handle: str, slot: int, groups: Collection[int]) -> None:
        """Raise CapabilityMissing: VirtualBox's internal networks cannot be cut."""
        del groups
        raise self._no_lines(handle, slot)

    def _no_lines(self, handle: str, slot: int) -> CapabilityMissing:
        brief = _("adapter {slot} of {machine}: VirtualBox cannot change the lines of its networks")
        return CapabilityMissing(brief.format(slot=slot, machine=self.inspect(handle).name))

    def take_snapshot(self, handle: str, name: str, *, live: bool = False, description: str = "") -> None:
        """Take a snapshot as a child of the current one."""
        self._client.call(calls.TakeSnapshot(handle, name, live, description))

    def restore_snapshot(self, handle: str, name: str) -> None:
        """Bring disks, hardware, adapters and marks back."""
        self._client.call(calls.RestoreSnapshot(handle, name))

    def delete_snapshot(self, handle: str, name: str) -> None:
        """Remove one snapshot."""
        self._client.call(calls.DeleteSnapshot(handle, name))

    def images(self) -> Sequence[ImageInfo]:
        """Report the images."""
        return self._images.all()

    def has_image(self, name: str) -> bool:
        """Tell whether there is an image of that name."""
        return self._images.has(name)

    def import_image(
        self,
        name: str,
        disk: Path,
        *,
        parent: str | None = None,
        ours: bool = False,
        progress: Progress = no_progress,
    ) -> None:
        """Make an image from a disk file."""
        self._images.create(name, disk, parent, progress, ours=ours)

    def adopt_image(self, name: str, vm: str, *, snapshot: str = "", progress: Progress = no_progress) -> str:
        """Let an existing VM be an image by reference; return what was done to it."""
        return self._images.adopt(name, vm, snapshot, progress)

    def import_appliance(self, name: str, file: Path, progress: Progress = no_progress) -> None:
        """Make an image from an OVA or OVF file."""
        self._images.import_appliance(name, file, progress)

    def remove_image(self, name: str) -> None:
        """Remove an image."""
        self._images.remove(name)

    def console_tail(self, handle: str, lines: int = 20) -> str:
        """Return the last lines of the serial console."""
        path = Path(self._client.call(calls.ConsoleLog(handle)))
        try:
            with path.open("rb") as stream:
                stream.seek(max(0, path.stat().st_size - CONSOLE_TAIL_BYTES))
                text = stream.read().decode(errors="replace")
        except FileNotFoundError:
            return ""
        return "\n".join(text.splitlines()[-lines:])

    def work(self, handle: str) -> Work | None:
        """Tell nothing: it is not measured."""
        self.inspect(handle)
        return None

    def screenshot(self, handle: str, target: Path) -> None:
        """Write a PNG of the machine's screen."""
        self._client.call(calls.Screenshot(handle, str(target.absolute())))

    def garbage(self, lab: LabName | None = None) -> Sequence[str]:
        """Say what collect_garbage would remove, changing nothing."""
        return [say(told) for told in self._client.call(calls.FindGarbage(*_lab_and_copy(lab)))]

    def collect_garbage(self, lab: LabName | None = None) -> Sequence[str]:
        """Remove what interrupted calls left, and say what it was."""
        return [say(told) for told in self._client.call(calls.CollectGarbage(*_lab_and_copy(lab)))]

    def strays(self, lab: LabName | None = None) -> Sequence[Stray]:
        """Report files in the folders of our machines that are not provably ours."""
        found = self._client.call(calls.FindStrays(*_lab_and_copy(lab)))
        return [Stray(Path(stray.path), stray.size, say(stray.why)) for stray in found]

    def remove_stray(self, path: Path) -> None:
        """Remove one of the strays."""
        self._client.call(calls.RemoveStray(str(path)))

    def close(self) -> None:
        """End the worker. Machines go on running."""
        self._client.close()


def _lab_and_copy(lab: LabName | None) -> tuple[str | None, str | None]:
    return (lab.lab, lab.copy) if lab else (None, None)
