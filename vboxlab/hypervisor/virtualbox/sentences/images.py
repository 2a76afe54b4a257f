"""What happened to images, and what machines get of the disks and drives of the VM that they are clones of."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from vboxlab.language import N_, _


def _drive_emptied(place: str, path: str, drive: str) -> str:
    if drive == "Floppy":
        sentence = _("{place}: {path}: machines have an empty floppy drive")
    else:
        sentence = _("{place}: {path}: machines have an empty DVD drive")
    return sentence.format(place=place, path=path)


def _drive_emptied_since(place: str, path: str, drive: str, why: str) -> str:
    if drive == "Floppy":
        sentence = _("{place}: {path}: machines have an empty floppy drive ({why})")
    else:
        sentence = _("{place}: {path}: machines have an empty DVD drive ({why})")
    return sentence.format(place=place, path=path, why=why)


OF_IMAGES: Mapping[str, str | Callable[..., str]] = {
    "no-image": N_("VirtualBox has no image {image}"),
    "image-unreadable": N_("{machine} cannot be read: {why}"),
    "image-exists": N_("an image {image} exists already"),
    "image-is-vm": N_("it is the VM {vm}"),
    "image-in-use": N_("the image {image} is in use"),
    "image-in-use-by-disks": N_("disks that no machine uses depend on the image {image}"),
    "disk-unreadable": N_("VirtualBox cannot read it"),
    # A VM of the user's.
    "no-vm": N_("VirtualBox has no VM {vm}"),
    "vms-near": N_("near it: {vms}"),
    "vms-known": N_("VMs: {vms}"),
    "vms-none": N_("VMs: none"),
    "several-vms": N_("{count} VMs are named {name}"),
    "ours-as-image": N_("{vm} is vboxlab's own: it is the image {image}"),
    "ours-in-lab": N_("{vm} is vboxlab's own: it is a machine of lab {lab}"),
    "snapshots-off": N_("snapshots taken while it was off: {snapshots}"),
    "snapshots-off-none": N_("snapshots taken while it was off: none"),
    "many-snapshots": N_("{machine} has {count} snapshots {snapshot}"),
    "snapshot-was-live": N_(
        "the snapshot {snapshot} of {machine} was taken while it ran: clones would be half-running"
    ),
    "no-snapshot-and-not-off": N_("{machine} has no snapshot, and is not off ({state})"),
    "appliance-machines": N_("{file} holds {count} machines; a base is exactly one"),
    # Its disks and drives.
    "vm-no-base": N_("the VM {vm} cannot be a base"),
    "base-of-no-use": N_("no machine can be made of the base {image}, which is the VM {vm}"),
    "port": N_("{controller} port {port}"),
    "port-and-device": N_("{controller} port {port} device {device}"),
    "no-disk": N_("it has no hard disk: there is nothing to clone"),
    "disk-linked": N_("{place}: {path}: every machine writes to a differencing disk of its own"),
    "disk-left-out": N_("{place}: {path}: left out: {why}"),
    "disk-refused": N_("{place}: {path}: {why}"),
    "disk-gone-or-damaged": N_("it cannot be read: its file is gone or damaged"),
    "disk-of-host": N_("it is a disk of this computer itself"),
    "disk-shared": N_("it is {kind}: no snapshot holds it, and every machine would write to that very file"),
    "disk-immutable": N_("it is {kind}: machines would lose what they wrote to it whenever they start"),
    "disk-kind-unknown": N_("it is {kind}: vboxlab does not know that kind"),
    "drive-emptied": _drive_emptied,
    "drive-emptied-since": _drive_emptied_since,
    "drive-of-host": N_("this is a drive of this computer itself"),
    "file-gone": N_("the file is gone"),
}
