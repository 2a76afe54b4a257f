"""The memory driver: the contract of driver.py, executable; its machines are values and run nothing.

A MemoryStore is the host: it outlives drivers, as VMs outlive a vboxlab process. Faults are injected into the store and
hit whoever calls next, so that callers can be tested against every way in which a call may go wrong.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from vboxlab.errors import BaseError, CapabilityMissing, DriverError, MachineConflict, MachineNotFound
from vboxlab.hypervisor.diskfiles.kinds import KINDS, describe
from vboxlab.hypervisor.driver import Capabilities, ImageInfo, Progress, Stray, Work, no_progress
from vboxlab.hypervisor.memory_adapters import checked, in_slot
from vboxlab.hypervisor.memory_adoption import Describing, adopt, check_media
from vboxlab.hypervisor.memory_disks import add_disks, set_dvd
from vboxlab.hypervisor.memory_store import Crash, Image, MemoryStore, store_of
from vboxlab.language import C_, N_, _
from vboxlab.planning.adapters import devices
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
from vboxlab.planning.snapshots import need_snapshot
from vboxlab.topology.addressing import LabName

__all__ = ["Crash", "MemoryDriver", "MemoryStore", "store_of"]

NETWORK_KINDS = frozenset({"internal", "nat", "host-only", "bridged", "nat-network"})
CAPABILITIES = Capabilities(
    boots_guests=False,
    accelerated=False,
    live_snapshots=True,
    window=True,
    adopts=True,
    network_kinds=NETWORK_KINDS,
    image_formats=KINDS,
    screenshots=False,
    shapes_lines=True,
    measures_work=True,
    why_unusable=N_("the memory driver's machines run nothing"),
)


class MemoryDriver(Describing):
    """A driver of the machines in a store."""

    def __init__(self, store: MemoryStore | None = None, capabilities: Capabilities = CAPABILITIES) -> None:
        self.store = store if store is not None else MemoryStore()
        self._capabilities = capabilities

    @property
    def name(self) -> str:
        """Return the driver's name."""
        return "memory"

    @property
    def version(self) -> str:
        """Return the version of what there is not."""
        return "1"

    @property
    def capabilities(self) -> Capabilities:
        """Return what this driver can do."""
        return replace(self._capabilities, why_unusable=_(self._capabilities.why_unusable))

    def machines(self, *, early: bool = False) -> Sequence[ObservedMachine]:  # noqa: ARG002 -- it looks in no time
        """Report every VM of the store, ours and foreign."""
        with self.store.call("machines", ""):
            return list(self.store.machines.values())

    def inspect(self, handle: str) -> ObservedMachine:
        """Report one VM."""
        with self.store.call("inspect", handle):
            return self._find(handle)

    def create(self, spec: MachineSpec, progress: Progress = no_progress) -> ObservedMachine:
        """Make a powered-off machine."""
        made = ObservedMachine(
            handle=self.store.new_handle(),
            name=spec.name,
            power=PowerState.OFF,
            cpus=spec.cpus,
            memory=spec.memory,
            image=spec.image,
            adapters=self._checked(spec.adapters),
            marks=dict(spec.marks),
            last_power_change="off",
        )
        with self.store.call("create", spec.name, made.lab):
            self._get_image(spec.image)
            for other in self.store.machines.values():
                if other.name == spec.name:
                    ours = _("a VM named {machine} exists already (lab {lab})")
                    brief = ours if other.lab else _("a VM named {machine} exists already (not vboxlab's)")
                    raise MachineConflict(brief.format(machine=spec.name, lab=other.lab))
            progress(_("making {machine}").format(machine=spec.name), 100)
            self.store.leftovers.clear()
            self.store.machines[made.handle] = made
        return made

    def start(self, handle: str, *, gui: bool = False) -> None:
        """Let the machine be running."""
        with self._changing("start", handle, ours=False) as machine:
            if gui and not self._capabilities.window:
                raise CapabilityMissing(_("this driver shows no windows"))
            if machine.power is PowerState.INACCESSIBLE:
                raise DriverError(_("{machine} cannot start").format(machine=machine.name), details=[machine.problem])
            if machine.power is not PowerState.RUNNING:
                self.store.check_ports(machine, machine.adapters)
            self.store.switch(handle, PowerState.RUNNING)

    def pause(self, handle: str) -> None:
        """Let the machine be paused."""
        with self._changing("pause", handle) as machine:
            if machine.power not in (PowerState.RUNNING, PowerState.PAUSED):
                raise DriverError(_("{machine} does not run, so it cannot be paused").format(machine=machine.name))
            self.store.switch(handle, PowerState.PAUSED)

    def power_off(self, handle: str, how: PowerOffHow, *, timeout: float = 60.0) -> bool:
        """Let the machine be off; a deaf guest has to be forced, and its timeout passes at once."""
        del timeout
        with self._changing("power_off", handle) as machine:
            if machine.power is PowerState.SAVED:
                self.store.discarded.append(machine.name)
            by_itself = machine.power is PowerState.OFF or (
                how == "graceful" and machine.power is not PowerState.SAVED and machine.name not in self.store.deaf
            )
            self.store.switch(handle, PowerState.OFF)
        return by_itself

    def delete(self, handle: str) -> None:
        """Remove the machine with its snapshots."""
        with self._changing("delete", handle) as machine:
            self.store.remove(machine)

    def set_marks(self, handle: str, marks: Mapping[str, str | None]) -> None:
        """Set or remove marks."""
        with self._changing("set_marks", handle) as machine:
            merged = {**machine.marks, **marks}
            self._put(machine, marks={key: value for key, value in merged.items() if value is not None})

    def set_hardware(self, handle: str, *, cpus: int, memory: int) -> None:
        """Set processors and memory in MiB."""
        with self._changing("set_hardware", handle) as machine:
            self._check_off(machine)
            self._put(machine, cpus=cpus, memory=memory)

    def add_disks(self, handle: str, disks: Sequence[DiskState], progress: Progress = no_progress) -> None:
        """Give the machine the disks that it lacks."""
        with self._changing("add_disks", handle) as machine:
            self._check_off(machine)
            progress(_("making disks of {machine}").format(machine=machine.name), 100)
            add_disks(self.store, machine, disks)

    def set_dvd(self, handle: str, image: str) -> None:
        """Put a disc image into the machine's drive."""
        with self._changing("set_dvd", handle) as machine:
            self._check_off(machine)
            set_dvd(self.store, machine, image)

    def set_adapters(self, handle: str, adapters: Sequence[AdapterState]) -> None:
        """Give the machine exactly these adapters."""
        wanted = self._checked(adapters)
        with self._changing("set_adapters", handle) as machine:
            if machine.power is not PowerState.OFF and devices(wanted) != devices(machine.adapters):
                brief = _("{machine} is not off: adapters can only be re-plugged").format(machine=machine.name)
                raise DriverError(brief)
            self._replug(machine, wanted)

    def attach(self, handle: str, slot: int, attachment: Attachment) -> None:
        """Plug an existing adapter into another network."""
        with self._changing("attach", handle) as machine:
            self._replug(machine, self._with_adapter(machine, replace(in_slot(machine, slot), attachment=attachment)))

    def set_cable(self, handle: str, slot: int, connected: bool) -> None:
        """Plug the adapter's cable in or out."""
        with self._changing("set_cable", handle) as machine:
            self._replug(machine, self._with_adapter(machine, replace(in_slot(machine, slot), cable=connected)))

    def impair(self, handle: str, slot: int, impairment: Impairment) -> None:
        """Remember how bad the line of an adapter is."""
        with self._changing("impair", handle) as machine:
            self._check_line(machine, slot, ends=impairment == Impairment())
            self.store.impairments[handle, slot] = impairment

    def set_groups(self, handle: str, slot: int, groups: Collection[int]) -> None:
        """Remember which groups an adapter is in."""
        with self._changing("set_groups", handle) as machine:
            self._check_line(machine, slot, ends=not groups)
            self.store.groups[handle, slot] = frozenset(groups)

    def _check_line(self, machine: ObservedMachine, slot: int, *, ends: bool) -> None:
        plugged = in_slot(machine, slot).attachment.kind
        if not self._capabilities.shapes_lines or (plugged != "internal" and not ends):
            brief = _("adapter {slot} of {machine} is on no internal network: its line cannot be changed")
            raise CapabilityMissing(brief.format(slot=slot, machine=machine.name))

    def take_snapshot(self, handle: str, name: str, *, live: bool = False, description: str = "") -> None:
        """Hold the machine as it is under a name."""
        with self._changing("take_snapshot", handle) as machine:
            if machine.has_snapshot(name):
                brief = _("{machine} has a snapshot {snapshot!r} already").format(machine=machine.name, snapshot=name)
                raise MachineConflict(brief)
            running = machine.power in (PowerState.RUNNING, PowerState.PAUSED)
            if not (running and live):
                self._check_off(machine)
            self.store.take(handle, name, description)

    def restore_snapshot(self, handle: str, name: str) -> None:
        """Bring back what a snapshot holds."""
        with self._changing("restore_snapshot", handle) as machine:
            snapshot = need_snapshot(machine.name, machine.snapshots, name)
            if machine.power not in (PowerState.OFF, PowerState.SAVED):
                raise DriverError(_("{machine} runs: power it off first").format(machine=machine.name))
            self.store.bring_back(machine, snapshot)

    def delete_snapshot(self, handle: str, name: str) -> None:
        """Remove one snapshot; its children get its parent."""
        with self._changing("delete_snapshot", handle) as machine:
            snapshot = need_snapshot(machine.name, machine.snapshots, name)
            if machine.power not in (PowerState.OFF, PowerState.SAVED):
                raise DriverError(_("{machine} runs: power it off first").format(machine=machine.name))
            self.store.drop(machine, snapshot)

    def images(self) -> Sequence[ImageInfo]:
        """Report the images."""
        with self.store.call("images", ""):
            return [ImageInfo(name, image.size, self._clones(name)) for name, image in self._images()]

    def has_image(self, name: str) -> bool:
        """Tell whether there is an image of that name."""
        with self.store.call("has_image", name):
            return name in self.store.images

    def import_image(
        self,
        name: str,
        disk: Path,
        *,
        parent: str | None = None,
        ours: bool = False,
        progress: Progress = no_progress,
    ) -> None:
        """Remember a disk file as an image."""
        with self.store.call("import_image", name):
            if name in self.store.images:
                return
            if not disk.is_file():
                raise BaseError(_("image {image!r}: there is no disk file {disk}").format(image=name, disk=disk))
            if parent is not None:
                self._get_image(parent)
            if not ours:
                describe(disk)
            progress(_("registering {image}").format(image=name), 100)
            self.store.images[name] = Image(disk if ours else None, parent, disk.stat().st_size)

    def adopt_image(self, name: str, vm: str, *, snapshot: str = "", progress: Progress = no_progress) -> str:
        """Let a foreign VM be an image by reference."""
        with self.store.call("adopt_image", name):
            said = adopt(self.store, name, vm, snapshot)
            progress(_("registering {image}").format(image=name), 100)
            return said

    def import_appliance(self, name: str, file: Path, progress: Progress = no_progress) -> None:
        """Raise CapabilityMissing: appliances are VirtualBox's."""
        del progress
        raise CapabilityMissing(
            _("{file} cannot become the base {base}: the memory driver imports no appliances").format(
                file=file, base=name
            ),
            resolution=_("an OVA is a tar file: unpack it and give its disk with --disk"),
        )

    def remove_image(self, name: str) -> None:
        """Forget an image."""
        with self.store.call("remove_image", name):
            if name not in self.store.images:
                raise self._no_image(name)
            layers = [other for other, image in self.store.images.items() if image.parent == name]
            dependants = [_("machine {machine}").format(machine=clone) for clone in self._clones(name)]
            dependants += [_("image {image}").format(image=layer) for layer in layers]
            if dependants:
                raise BaseError(_("image {image!r} is in use").format(image=name), details=dependants)
            del self.store.images[name]

    def console_tail(self, handle: str, lines: int = 20) -> str:
        """Return the last lines of what a test wrote on the machine's console."""
        return "\n".join(self.store.consoles.get(self._find(handle).name, "").splitlines()[-lines:])

    def work(self, handle: str) -> Work | None:
        """Return what a test said of the machine's work, else that there was none."""
        return self.store.work_of(self._find(handle))

    def screenshot(self, handle: str, target: Path) -> None:
        """Raise CapabilityMissing."""
        brief = _("{machine} has no screen to write to {target}")
        raise CapabilityMissing(brief.format(machine=self._find(handle).name, target=target))

    def garbage(self, lab: LabName | None = None) -> Sequence[str]:
        """Say what crashed calls left."""
        with self.store.call("garbage", str(lab or "")):
            return [text for text, _owner in self._left(lab)]

    def _left(self, lab: LabName | None) -> list[tuple[str, LabName | None]]:
        return [(text, owner) for text, owner in self.store.leftovers if lab is None or owner in (lab, None)]

    def collect_garbage(self, lab: LabName | None = None) -> Sequence[str]:
        """Remove what crashed calls left."""
        with self.store.call("collect_garbage", str(lab or "")):
            found = self._left(lab)
            self.store.leftovers = [leftover for leftover in self.store.leftovers if leftover not in found]
            return [text for text, _owner in found]

    def strays(self, lab: LabName | None = None) -> Sequence[Stray]:
        """Report what a test put into the folders of machines."""
        with self.store.call("strays", str(lab or "")):
            return [stray for stray, owner in self.store.strays if lab in (None, owner)]

    def remove_stray(self, path: Path) -> None:
        """Forget one of them."""
        with self.store.call("remove_stray", str(path)):
            left = [(stray, owner) for stray, owner in self.store.strays if stray.path != path]
            if len(left) == len(self.store.strays):
                raise MachineConflict(_("{path} is no stray").format(path=path))
            self.store.strays = left

    def close(self) -> None:
        """Let go of nothing: there is nothing to hold."""

    def _find(self, handle: str) -> ObservedMachine:
        machine = self.store.machines.get(handle)
        if machine is None:
            raise MachineNotFound(_("there is no machine {machine!r}").format(machine=handle))
        return machine

    def _owned(self, handle: str) -> ObservedMachine:
        machine = self._find(handle)
        if machine.lab is None:
            raise MachineConflict(_("{machine} does not belong to a lab of vboxlab").format(machine=machine.name))
        return machine

    @contextmanager
    def _changing(self, call: str, handle: str, *, ours: bool = True) -> Iterator[ObservedMachine]:
        """Let a call change a machine as it is once the call has begun: its user may have changed it since."""
        find = self._owned if ours else self._find
        machine = find(handle)
        with self.store.call(call, machine.name, machine.lab):
            yield find(handle)

    def _put(self, machine: ObservedMachine, **changes: object) -> None:
        self.store.machines[machine.handle] = replace(machine, **changes)  # type: ignore[arg-type]

    def _images(self) -> list[tuple[str, Image]]:
        return sorted(self.store.images.items())

    def _get_image(self, name: str) -> Image:
        image = self.store.images.get(name)
        if image is not None and image.vm in self.store.machines:
            check_media(self.store, name, image)
        elif image is None or image.vm or not image.exists:
            raise self._no_image(name)
        return image

    def _no_image(self, name: str) -> BaseError:
        names = ", ".join(self.store.images) or C_("image", "none")
        return BaseError(
            _("there is no image {image!r}").format(image=name),
            details=[_("images that exist: {images}").format(images=names)],
        )

    def _clones(self, image: str) -> tuple[str, ...]:
        return tuple(sorted(machine.name for machine in self.store.machines.values() if machine.image == image))

    def _checked(self, adapters: Sequence[AdapterState]) -> tuple[AdapterState, ...]:
        return checked(adapters, self._capabilities.network_kinds)

    def _with_adapter(self, machine: ObservedMachine, new: AdapterState) -> tuple[AdapterState, ...]:
        return self._checked([*(adapter for adapter in machine.adapters if adapter.slot != new.slot), new])

    def _replug(self, machine: ObservedMachine, adapters: tuple[AdapterState, ...]) -> None:
        if machine.power in (PowerState.RUNNING, PowerState.PAUSED):
            self.store.check_ports(machine, adapters)
        self._put(machine, adapters=adapters)

    @staticmethod
    def _check_off(machine: ObservedMachine) -> None:
        if machine.power is not PowerState.OFF:
            brief, power = _("{machine} is {power}: power it off first"), C_("machine", machine.power.value)
            raise DriverError(brief.format(machine=machine.name, power=power))
