"""What happened to machines, their adapters, snapshots and folders."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from vboxlab.language import N_, _
from vboxlab.listening import Endpoint


def _port_taken(protocol: str, address: str, port: int, machine: str) -> str:
    endpoint = str(Endpoint(protocol, address, port))
    return _("{endpoint}, which {machine} forwards, is taken by another program").format(
        endpoint=endpoint, machine=machine
    )


OF_MACHINES: Mapping[str, str | Callable[..., str]] = {
    "not-ours": N_("{machine} is no machine of vboxlab's: it is left alone"),
    "settings-unreadable": N_("the settings of {machine} cannot be read"),
    "no-reason-given": N_("VirtualBox does not say why"),
    "vm-exists": N_("a VM named {vm} exists already (not vboxlab's)"),
    "vm-of-lab-exists": N_("a VM named {vm} exists already (lab {lab})"),
    "just-made": N_("another vboxlab process has just made {machine}"),
    "machine-in-use": N_("{machine} is in use: disks of other VMs depend on its own"),
    # Power.
    "hardware-needs-off": N_("{machine} is not off ({state}): processors and memory cannot be changed now"),
    "ended-at-once": N_("{machine} started and ended at once"),
    "stuck-in-state": N_("{machine} is in the state {state}"),
    "does-not-power-off": N_("{machine} does not power off"),
    "does-not-run-to-pause": N_("{machine} does not run, so it cannot be paused"),
    "off-without-screen": N_("{machine} is off: its screen shows nothing"),
    "nothing-drawn": N_("{machine} has drawn nothing on its screen yet"),
    "vm-process-ended": N_("the VM's process has ended"),
    # Locks.
    "machine-locked": N_("{machine} is locked"),
    "off-but-held": N_("the machine is off but its process holds it still"),
    "held-by": N_("held by {program}"),
    "held-by-process": N_("held by {program}, process {process}"),
    "held-by-nameless": N_("held by a program that does not give its name"),
    "held-by-nameless-process": N_("held by a program that does not give its name, process {process}"),
    "held-by-unknown": N_("held by an unknown program"),
    # Disks besides the first.
    "disks-need-off": N_("{machine} is not off ({state}): its disks and its drive cannot be changed now"),
    "disk-shared-or-not": N_("disk {disk} is shared by machines there, or is not, and the other was asked for"),
    "disk-has-other-size": N_("disk {disk} has {found} MiB, expected {wanted} MiB"),
    "shared-disks-of-gone-lab": N_("the disks that removed machines shared, in {folder}"),
    # Adapters.
    "no-adapter": N_("{machine} has no adapter {slot}"),
    "adapters-need-off": N_("{machine} must be off to add or remove adapters or change their addresses"),
    "port-taken": _port_taken,
    # Snapshots.
    "no-snapshot": N_("{machine} has no snapshot {snapshot}"),
    "several-snapshots": N_("{machine}: several snapshots may be meant by {word!r}; nothing was changed"),
    "snapshot-exists": N_("{machine} has a snapshot {snapshot} already"),
    "only-live-snapshot": N_("{machine} runs: only a live snapshot can be taken"),
    "restore-needs-off": N_("{machine} runs: it must be off to restore a snapshot"),
    "removal-needs-off": N_("{machine} runs: it must be off to remove a snapshot"),
    # A call that was lost, and is not made again because of what somebody else did.
    "adapters-changed-meanwhile": N_("somebody has changed adapters of {machine} meanwhile, and it is left so"),
    "adapter-changed-meanwhile": N_("somebody has changed adapter {slot} of {machine} meanwhile, and it is left so"),
    "marks-changed-meanwhile": N_("somebody has changed marks of {machine} meanwhile, and it is left so"),
    "hardware-changed-meanwhile": N_("somebody has changed the hardware of {machine} meanwhile, and it is left so"),
    "setting-changed": N_("{setting}: {before} before, {wanted} wanted, {now} now"),
    "adapter-kind": N_("adapter {slot} kind"),
    "adapter-name": N_("adapter {slot} name"),
    "adapter-subnet": N_("adapter {slot} subnet"),
    "adapter-mac": N_("adapter {slot} mac"),
    "adapter-cable": N_("adapter {slot} cable"),
    "adapter-forward": N_("adapter {slot} forward {port}"),
    "started-meanwhile": N_("somebody has started {machine} meanwhile, and it is left running"),
    "saved-meanwhile": N_("somebody has saved the state of {machine} meanwhile, and it is left so"),
    "ended-meanwhile": N_("{machine} has ended meanwhile, and what was to be held of it is gone"),
    "used-meanwhile": N_("somebody has used {machine} meanwhile, and it is left as it is"),
    "file-changed-meanwhile": N_("{path} has changed meanwhile, and is left there"),
    # Folders, and what lies in them.
    "folder-not-ours": N_("{folder} exists already and is not vboxlab's"),
    "folder-of-vm": N_("{folder} is that of the VM {vm}"),
    "left-half-made": N_("{folder} was left half-made: it is to be cleared first"),
    "worked-on": N_("another vboxlab process works on {folder}"),
    "unfinished-machine": N_("unfinished machine {machine}"),
    "unused-disk": N_("unused disk {disk}"),
    "missing-disk": N_("entry of the missing disk {disk}"),
    "in-folder-of-gone-machine": N_("in the folder of a machine that is gone"),
    "disk-that-no-machine-uses": N_("a disk in the folder of {machine} that no machine uses"),
    "not-in-our-folder": N_("{path} is not in the folder of a machine of vboxlab's"),
    "in-use-or-gone": N_("{path} is in use, or gone"),
    "disk-depends-on-it": N_("another disk depends on {path}: remove that one first"),
}
