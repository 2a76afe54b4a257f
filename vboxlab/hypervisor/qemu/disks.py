"""Disks besides a machine's first, and its drive.

A disk of a machine's own is one more qcow2 file in its directory, which its snapshots hold as they hold the first one;
one that machines share is a raw file of their lab's, which no snapshot can hold. Which files are a machine's is written
before the first of them is made: one that a killed call left is known, and removed.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from vboxlab.errors import DriverError, MachineConflict, host_error
from vboxlab.files import make_private_folder, opened_privately
from vboxlab.hypervisor.discs import check_disc
from vboxlab.hypervisor.driver import Progress
from vboxlab.hypervisor.qemu.definition import Definition, Disk
from vboxlab.hypervisor.qemu.images import run_on_disk
from vboxlab.hypervisor.qemu.machines import Machines
from vboxlab.hypervisor.qemu.workspace import Workspace
from vboxlab.language import _
from vboxlab.planning.disks import clashes, lacking
from vboxlab.planning.observed import DiskState
from vboxlab.topology.addressing import LabName


class Disks:
    """Disks of all machines of one home."""

    def __init__(self, workspace: Workspace, machines: Machines) -> None:
        self._work = workspace
        self._machines = machines

    def add(self, machine_id: str, disks: Sequence[DiskState], progress: Progress) -> None:
        """Give a machine the disks that it lacks. See Driver.add_disks."""
        definition = self._work.owned(machine_id)
        self._machines.check_off(definition, _("no disk can be added"))
        definition = self._work.settle(definition)
        wanted, found = tuple(disks), tuple(disk.state for disk in definition.hardware.disks)
        self._check(definition, clashes(wanted, found))
        new = [
            Disk(each.name, each.size, "" if each.shared else f"{each.name}-{secrets.token_hex(3)}.qcow2")
            for each in lacking(wanted, found)
        ]
        if not new:
            return
        progress(_("making disks of {machine}").format(machine=definition.name), None)
        making = replace(definition, making=tuple(disk.file for disk in new if not disk.shared))
        self._work.definitions.save(making)
        try:
            for disk in new:
                self._make(definition, disk)
        except OSError as error:
            self._work.settle(making)
            raise host_error(error) or error from None
        except DriverError:
            self._work.settle(making)
            raise
        hardware = replace(definition.hardware, disks=(*definition.hardware.disks, *new))
        self._work.definitions.save(replace(definition, hardware=hardware, making=(), untouched=False))

    def _make(self, definition: Definition, disk: Disk) -> None:
        if not disk.shared:
            path = self._work.layout.machine(definition.id) / disk.file
            run_on_disk(path, "create", "-q", "-f", "qcow2", size=f"{disk.size}M")
            return
        assert definition.lab is not None  # noqa: S101 -- only machines of a lab's are changed
        path = self._work.layout.shared_disk(definition.lab, disk.name)
        with self._work.layout.exclusive():
            self._check(definition, self._otherwise(definition.lab, disk, path))
            make_private_folder(path.parent)
            with open(path, "ab", opener=opened_privately) as stream:
                stream.truncate(disk.size << 20)

    def _otherwise(self, lab: LabName, disk: Disk, path: Path) -> list[str]:
        """Return how the disk that the lab has is otherwise; one of its size that is there is taken as it is."""
        found = [
            other.state
            for _machine_id, definition in self._work.definitions.all()
            if isinstance(definition, Definition) and definition.lab == lab
            for other in definition.hardware.disks
            if other.shared and other.name == disk.name
        ]
        if not found and path.exists() and path.stat().st_size:
            found = [DiskState(disk.name, path.stat().st_size >> 20, shared=True)]
        return clashes((disk.state,), tuple(found))

    @staticmethod
    def _check(definition: Definition, problems: Sequence[str]) -> None:
        if problems:
            brief = _("{machine}: {problem}").format(machine=definition.name, problem=problems[0])
            raise MachineConflict(brief, resolution=_("a disk that holds work is never changed"))

    def set_dvd(self, machine_id: str, image: str) -> None:
        """Put a disc image into a machine's drive. See Driver.set_dvd."""
        definition = self._work.owned(machine_id)
        self._machines.check_off(definition, _("what is in its drive cannot be changed"))
        check_disc(definition.name, image)
        definition = self._work.settle(definition)
        self._work.definitions.save(replace(definition, hardware=replace(definition.hardware, dvd=image)))
