"""Making and removing machines, reporting them, and changing what they are."""

from __future__ import annotations

import errno
from collections import defaultdict
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from vboxlab.errors import DriverError, MachineConflict, VboxlabError
from vboxlab.files import write_durably
from vboxlab.hypervisor.driver import Progress
from vboxlab.hypervisor.qemu.client import Process
from vboxlab.hypervisor.qemu.definition import (
    DEFINITION_FILE,
    DISK_FILE,
    Definition,
    DefinitionUnreadable,
    Hardware,
    disk_path,
    encode,
    new_id,
)
from vboxlab.hypervisor.qemu.garbage import BeingMade, sweep_leftovers, sweep_shared
from vboxlab.hypervisor.qemu.images import Image, run_on_disk
from vboxlab.hypervisor.qemu.layout import CHANGE_LOCK, held
from vboxlab.hypervisor.qemu.networks import check_kinds
from vboxlab.hypervisor.qemu.power import Power, last_power_change, power_state
from vboxlab.hypervisor.qemu.workspace import Workspace
from vboxlab.language import _
from vboxlab.planning.observed import AdapterState, MachineSpec, ObservedMachine, PowerState
from vboxlab.topology.model import SLOTS


class Machines:
    """All machines of one home."""

    def __init__(self, workspace: Workspace, power: Power) -> None:
        self._work = workspace
        self._power = power

    def all(self) -> Sequence[ObservedMachine]:
        """Report every machine."""
        found = list(self._work.definitions.all())
        states = self._power.statuses([machine_id for machine_id, _definition in found])
        images = {image.name: image for image in self._work.images.all()}
        reports = []
        for (machine_id, definition), status in zip(found, states, strict=True):
            if isinstance(definition, DefinitionUnreadable):
                reports.append(_inaccessible(machine_id, definition))
            else:
                reports.append(self._report(definition, status, images.get(definition.image)))
        self._revive_switches([d for (_machine_id, d), status in zip(found, states, strict=True) if status is not None])
        return reports

    def one(self, machine_id: str) -> ObservedMachine:
        """Report one machine."""
        try:
            definition = self._work.definitions.load(machine_id)
        except DefinitionUnreadable as error:
            return _inaccessible(machine_id, error)
        status = self._power.status(machine_id)
        return self._report(definition, status, self._work.images.find(definition.image))

    def create(self, spec: MachineSpec, progress: Progress) -> ObservedMachine:
        """Make a machine. See Driver.create."""
        image = self._work.images.get(spec.image)
        check_adapters(spec.adapters)
        hardware = Hardware(spec.cpus, spec.memory, spec.adapters, dict(spec.marks))
        definition = Definition(new_id(), spec.name, spec.image, hardware).with_adapters(spec.adapters)
        progress(_("making {machine}").format(machine=spec.name), None)
        self._work.layout.prepare()
        with self._work.layout.exclusive():
            self._check_name(spec.name)
            sweep_leftovers(self._work.layout)
            being_made = BeingMade(self._work.layout.machines, definition.id)
        with being_made:
            try:
                self._fill(being_made.directory, definition, image)
            except OSError as error:
                full = error.errno in (errno.ENOSPC, errno.EDQUOT)
                raise DriverError(
                    _("{machine} cannot be made: {error}").format(machine=spec.name, error=error),
                    resolution=_("the host's disk is full: free some space") if full else None,
                ) from error
            with self._work.layout.exclusive():
                self._check_name(spec.name)
                being_made.finish(self._work.layout.machine(definition.id))
        return self._report(definition, None, image)

    def _fill(self, directory: Path, definition: Definition, image: Image) -> None:
        disk = directory / DISK_FILE
        with held(directory / CHANGE_LOCK):  # there from the start on: see Workspace.idle
            run_on_disk(disk, "create", "-q", "-f", "qcow2", "-b", str(image.disk), "-F", image.format)
            write_durably(directory / DEFINITION_FILE, encode(definition))

    def _check_name(self, name: str) -> None:
        for _machine_id, definition in self._work.definitions.all():
            if isinstance(definition, DefinitionUnreadable):
                if definition.machine in (name, ""):  # it may be the very machine, with somebody's work on its disk
                    raise MachineConflict(
                        _("{machine} may exist already: {problem}").format(machine=name, problem=definition.brief),
                        details=definition.details,
                        resolution=_("put that file right from a backup, or move its folder away: {folder}").format(
                            folder=definition.folder
                        ),
                    )
            elif definition.name == name:
                ours = _("a VM named {machine} exists already (lab {lab})")
                brief = ours if definition.lab else _("a VM named {machine} exists already (not vboxlab's)")
                raise MachineConflict(brief.format(machine=name, lab=definition.lab))

    def delete(self, machine_id: str) -> None:
        """Remove a machine. See Driver.delete."""
        definition = self._work.owned(machine_id)
        self._power.end(definition, "hard", 0)
        with self._work.changing(machine_id), self._work.layout.exclusive():
            self._work.definitions.retire(machine_id)
            sweep_shared(self._work, definition.lab)
        self._work.switches.unplug(definition)
        for path in (self._work.layout.monitor(machine_id), self._work.layout.status(machine_id)):
            path.unlink(missing_ok=True)

    def set_marks(self, machine_id: str, marks: Mapping[str, str | None]) -> None:
        """Set and remove marks. See Driver.set_marks."""
        definition = self._work.owned(machine_id)
        merged = {**definition.hardware.marks, **marks}
        kept = {key: value for key, value in merged.items() if value is not None}
        changed = replace(definition, hardware=replace(definition.hardware, marks=kept))
        if changed.lab != definition.lab and self._work.is_running(machine_id):
            raise DriverError(
                _("{machine} runs: it cannot change its lab").format(machine=definition.name),
                resolution=_("power it off first"),
            )
        self._work.definitions.save(changed)

    def set_hardware(self, machine_id: str, cpus: int, memory: int) -> None:
        """Set processors and memory. See Driver.set_hardware."""
        definition = self._work.owned(machine_id)
        self.check_off(definition, _("its processors and memory cannot be changed"))
        definition = self._work.settle(definition)
        hardware = replace(definition.hardware, cpus=cpus, memory=memory)
        self._work.definitions.save(replace(definition, hardware=hardware))

    def check_stopped(self, definition: Definition, consequence: str) -> None:
        """Raise DriverError while the machine runs; a saved state is as good as none."""
        with Process(self._work.pid_file(definition.id)) as process:
            runs = process.alive
        if runs:
            brief = _("{machine} runs: {consequence}").format(machine=definition.name, consequence=consequence)
            raise DriverError(brief, resolution=_("power it off first"))

    def check_off(self, definition: Definition, consequence: str) -> None:
        """Raise DriverError unless the machine is off."""
        self.check_stopped(definition, consequence)
        if definition.saved:
            text = _("{machine} has a saved state: {consequence}")
            brief = text.format(machine=definition.name, consequence=consequence)
            raise DriverError(brief, resolution=_("power it off first"))

    def clones(self) -> Mapping[str, Sequence[str]]:
        """Return the names of the machines made from each image."""
        found: dict[str, list[str]] = defaultdict(list)
        for _machine_id, definition in self._work.definitions.all():
            if isinstance(definition, Definition):
                found[definition.image].append(definition.name)
        return found

    def _report(self, definition: Definition, status: str | None, image: Image | None) -> ObservedMachine:
        power, problem = power_state(status, definition)
        missing = self._what_is_missing(definition, image)
        if missing and status is None:
            power, problem = PowerState.INACCESSIBLE, missing
        return ObservedMachine(
            handle=definition.id,
            name=definition.name,
            power=power,
            cpus=definition.hardware.cpus,
            memory=definition.hardware.memory,
            image=definition.image,
            adapters=definition.hardware.adapters,
            marks=dict(definition.hardware.marks),
            snapshots=definition.snapshot_states(),
            current_snapshot=definition.snapshot_id(definition.current),
            problem=problem,
            untouched=power is PowerState.OFF and definition.untouched,
            last_power_change=last_power_change(status, definition),
            disks=tuple(disk.state for disk in definition.hardware.disks),
            dvd=definition.hardware.dvd,
        )

    def _what_is_missing(self, definition: Definition, image: Image | None) -> str:
        if image is None:
            return _("its image {image!r} is gone").format(image=definition.image)
        disk = disk_path(self._work.layout, definition.id)
        gone = next((path for path in (disk, image.disk, *self._work.disks(definition)) if not path.exists()), None)
        return _("the disk {path} is missing").format(path=gone) if gone else ""

    def _revive_switches(self, running: Sequence[Definition | DefinitionUnreadable]) -> None:
        """Start the switch of a running lab again when somebody has killed it: machines find it by themselves."""
        definitions = [definition for definition in running if isinstance(definition, Definition)]
        for lab in {definition.lab for definition in definitions if definition.has_internal_network}:
            if not self._work.switches.is_on_duty(lab):
                with suppress(VboxlabError):
                    self._work.switches.ensure(lab)


def check_adapters(adapters: Sequence[AdapterState]) -> None:
    """Raise DriverError for adapters that no machine can have."""
    slots = [adapter.slot for adapter in adapters]
    wrong = [slot for slot in slots if slot not in SLOTS]
    if wrong or len(set(slots)) != len(slots):
        raise DriverError(_("adapter slots must be different and 1 to 8, not {slots}").format(slots=slots))
    check_kinds(tuple(adapters))


def _inaccessible(machine_id: str, error: DefinitionUnreadable) -> ObservedMachine:
    name = error.machine or machine_id
    return ObservedMachine(machine_id, name, PowerState.INACCESSIBLE, 0, 0, "", (), problem=str(error))
