"""Snapshots: states within the machine's own qcow2 disks, which know nothing of each other and can go in any order.

The tree that people see, and what a snapshot brings back besides the disk, are in machine.json. The order of the two
writes makes every call safe against kill -9: a state that no snapshot stands for is garbage; a restore is promised in
machine.json first and then carried out (see Workspace.settle).
"""

from __future__ import annotations

import secrets
import time
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from vboxlab.errors import CapabilityMissing, DriverError, MachineConflict
from vboxlab.hypervisor.qemu.client import Process
from vboxlab.hypervisor.qemu.command import DISK_NODE, disk_node
from vboxlab.hypervisor.qemu.definition import Definition, Hardware, Snapshot
from vboxlab.hypervisor.qemu.images import run_on_disk
from vboxlab.hypervisor.qemu.machines import Machines
from vboxlab.hypervisor.qemu.refusals import MonitorRefused
from vboxlab.hypervisor.qemu.workspace import Workspace
from vboxlab.language import _
from vboxlab.planning.snapshots import need_snapshot
from vboxlab.waiting import Deadline

LIVE_SECONDS = 300.0


class Snapshots:
    """Snapshots of all machines of one home."""

    def __init__(self, workspace: Workspace, machines: Machines) -> None:
        self._work = workspace
        self._machines = machines

    def take(self, machine_id: str, name: str, live: bool, description: str) -> None:
        """Take a snapshot. See Driver.take_snapshot."""
        definition = self._work.owned(machine_id)
        if not name:
            raise DriverError(_("a snapshot needs a name"))
        if definition.snapshot(name) is not None:
            raise MachineConflict(
                _("{machine} has a snapshot {snapshot!r} already").format(machine=definition.name, snapshot=name)
            )
        with Process(self._work.pid_file(machine_id)) as process:
            live = live and process.alive
        if not live:
            self._machines.check_off(
                definition, _("the snapshot {snapshot!r} cannot be taken without its memory").format(snapshot=name)
            )
            definition = self._work.settle(definition)
        tag = f"s{secrets.token_hex(8)}"
        if live:
            self._check_held(definition, name)
            self._save_live(self._work.layout.monitor(machine_id), tag, definition.hardware)
        else:
            self._hold(definition, tag)
        taken_at = datetime.now(UTC).isoformat(timespec="seconds")
        snapshot = Snapshot(name, tag, definition.current, taken_at, live, description, definition.hardware)
        changed = replace(definition, snapshots=(*definition.snapshots, snapshot), current=name, untouched=not live)
        self._work.definitions.save(changed)

    def _hold(self, definition: Definition, tag: str) -> None:
        """Hold all disks under a tag, or none."""
        folder = self._work.layout.machine(definition.id)
        held: list[str] = []
        try:
            for file in definition.hardware.files:
                run_on_disk(folder / file, "snapshot", "-q", "-c", tag)
                held.append(file)
        except DriverError:
            for file in held:
                with suppress(DriverError):  # what stays is garbage
                    run_on_disk(folder / file, "snapshot", "-q", "-d", tag)
            raise

    @staticmethod
    def _check_held(definition: Definition, name: str) -> None:
        """Raise CapabilityMissing for a live snapshot that QEMU could not resume: it takes all disks or none (7.2)."""
        shared = ", ".join(disk.name for disk in definition.hardware.disks if disk.shared)
        if shared:
            text = _("{machine} runs and shares the disk {disk}: QEMU cannot take the live snapshot {snapshot!r}")
            raise CapabilityMissing(
                text.format(machine=definition.name, disk=shared, snapshot=name), resolution=_("power it off first")
            )

    def _save_live(self, monitor: Path, tag: str, hardware: Hardware) -> None:
        """Save memory and disks of a running machine, which goes on running (QMP snapshot-save)."""
        execute = self._work.monitors.execute
        own = [disk_node(index) for index, disk in enumerate(hardware.disks) if not disk.shared]
        job = {"job-id": tag, "tag": tag, "vmstate": DISK_NODE, "devices": [DISK_NODE, *own]}
        execute(monitor, ("snapshot-save", job))
        deadline = Deadline.after(LIVE_SECONDS)
        while True:
            jobs = execute(monitor, ("query-jobs", {}), timeout=LIVE_SECONDS)
            mine = next((found for found in jobs if found["id"] == tag), None)
            if mine is None or mine["status"] == "concluded":
                break
            if deadline.expired:
                raise DriverError(
                    _("the live snapshot was not taken within {seconds:.0f} s").format(seconds=LIVE_SECONDS)
                )
            time.sleep(0.02)
        if mine is not None:
            with suppress(MonitorRefused):
                execute(monitor, ("job-dismiss", {"id": tag}))
            if mine.get("error"):
                raise DriverError(_("QEMU could not take the live snapshot"), details=[mine["error"]])

    def restore(self, machine_id: str, name: str) -> None:
        """Bring a machine back to a snapshot. See Driver.restore_snapshot."""
        definition = self._work.owned(machine_id)
        snapshot = self._find(definition, name)
        self._machines.check_stopped(
            definition, _("the snapshot {snapshot!r} cannot be restored").format(snapshot=name)
        )
        restored = replace(
            definition,
            hardware=snapshot.hardware,
            current=snapshot.name,
            saved=snapshot.tag if snapshot.live else None,
            revert=snapshot.tag,
            untouched=not snapshot.live,
        )
        self._work.definitions.save(restored)
        try:
            self._work.settle(restored)
        except DriverError:
            self._work.definitions.save(definition)
            raise

    def delete(self, machine_id: str, name: str) -> None:
        """Remove a snapshot. See Driver.delete_snapshot."""
        definition = self._work.owned(machine_id)
        snapshot = self._find(definition, name)
        self._machines.check_stopped(definition, _("the snapshot {snapshot!r} cannot be deleted").format(snapshot=name))
        definition = self._work.settle(definition)
        kept = tuple(
            replace(other, parent=snapshot.parent) if other.parent == snapshot.name else other
            for other in definition.snapshots
            if other is not snapshot
        )
        current = snapshot.parent if definition.current == snapshot.name else definition.current
        untouched = definition.untouched and definition.current != snapshot.name
        self._work.definitions.save(replace(definition, snapshots=kept, current=current, untouched=untouched))
        if definition.saved != snapshot.tag:
            for file in snapshot.hardware.files:
                run_on_disk(self._work.layout.machine(machine_id) / file, "snapshot", "-q", "-d", snapshot.tag)

    @staticmethod
    def _find(definition: Definition, name: str) -> Snapshot:
        found = need_snapshot(definition.name, definition.snapshot_states(), name)
        return next(snapshot for snapshot in definition.snapshots if snapshot.tag == found.id)
