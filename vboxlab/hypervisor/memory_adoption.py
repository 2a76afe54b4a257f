"""How a foreign VM of the memory driver becomes an image: with VirtualBox's judgement of its media."""

from __future__ import annotations

import difflib

from vboxlab.errors import BaseError, DriverError, MachineConflict, MachineNotFound, SnapshotNotFound
from vboxlab.hypervisor.driver import Description, DiskOfVm
from vboxlab.hypervisor.memory_store import Image, MemoryStore
from vboxlab.hypervisor.virtualbox.sentences.telling import say
from vboxlab.hypervisor.virtualbox.worker.media import DISK, Judgement, judge, refusals
from vboxlab.language import C_, _
from vboxlab.planning.observed import ObservedMachine, PowerState

SNAPSHOT = "vboxlab-base"


class Describing:
    """What the memory driver tells of VMs to whoever writes a topology of them."""

    store: MemoryStore

    def describe(self, handle: str) -> Description:
        """Report one VM, its disks and the subnets of its networks."""
        with self.store.call("describe", handle):
            machine = self.store.machines.get(handle)
            if machine is None:
                raise MachineNotFound(_("there is no VM {vm}").format(vm=handle))
            media = self.store.media.get(handle, ())
            subnets = {
                adapter.slot: self.store.subnets[str(adapter.attachment)]
                for adapter in machine.adapters
                if str(adapter.attachment) in self.store.subnets
            }
            disks = tuple(DiskOfVm(medium.path) for medium in media if medium.type == DISK and medium.path)
            return Description(machine, disks, subnets)


def adopt(store: MemoryStore, name: str, vm: str, snapshot: str) -> str:
    """Let a foreign VM be an image; say what was done and what machines get of its media. See Driver.adopt_image."""
    machine = _named(store, vm)
    if machine.lab is not None:
        raise MachineConflict(_("{vm} is vboxlab's own").format(vm=vm))
    existing = store.images.get(name)
    if existing is not None and existing.vm != machine.handle:
        raise MachineConflict(_("an image {image} exists already").format(image=name))
    if snapshot and not machine.has_snapshot(snapshot):
        raise SnapshotNotFound(_("{vm} has no snapshot {snapshot}").format(vm=vm, snapshot=snapshot))
    if not machine.snapshots and machine.power is not PowerState.OFF:
        raise DriverError(_("{vm} has no snapshot, and is not off").format(vm=vm), resolution=_("power it off"))
    judgements = _judged(store, machine, _("the VM {vm} cannot be a base").format(vm=vm))
    if not machine.snapshots:
        store.take(machine.handle, SNAPSHOT)
        machine = store.machines[machine.handle]
    store.images[name] = Image(None, None, vm=machine.handle)
    current = next((state.name for state in machine.snapshots if state.id == machine.current_snapshot), SNAPSHOT)
    return "\n".join(
        [
            _("{base} is the VM {vm} as of {snapshot}").format(
                base=name, vm=machine.name, snapshot=snapshot or current
            ),
            *(say(judgement.told) for judgement in judgements),
        ]
    )


def check_media(store: MemoryStore, name: str, image: Image) -> None:
    """Raise BaseError when machines can be made of an image's VM no more."""
    machine = store.machines[image.vm]
    _judged(
        store,
        machine,
        _("no machine can be made of the base {base}, which is the VM {vm}").format(base=name, vm=machine.name),
    )


def _judged(store: MemoryStore, machine: ObservedMachine, subject: str) -> list[Judgement]:
    found = judge(store.media.get(machine.handle, ()))
    if refusals(found):
        details = [say(told) for told in refusals(found)]
        raise BaseError(subject, details=details, resolution=_("mend its disks, and add the base anew"))
    return found


def _named(store: MemoryStore, vm: str) -> ObservedMachine:
    found = [machine for machine in store.machines.values() if vm in (machine.name, machine.handle)]
    if len(found) > 1:
        raise MachineConflict(
            _("{count} VMs are named {vm}").format(count=len(found), vm=vm),
            details=[machine.handle for machine in found],
        )
    if not found:
        near = difflib.get_close_matches(vm, [machine.name for machine in store.machines.values()])
        raise MachineNotFound(
            _("there is no VM {vm}").format(vm=vm),
            details=[_("near it: {machines}").format(machines=", ".join(near) or C_("VM", "none"))],
        )
    return found[0]
