"""VirtualBox's refusals as errors of vboxlab: one table of kinds, one of result codes, one of status names.

Result codes are those of the VirtualBox SDK reference ("IVirtualBox", result codes); status names are VBox/err.h's.
Neither is ever translated by VirtualBox, unlike its messages.
"""

from __future__ import annotations

from collections.abc import Sequence

from vboxlab.errors import (
    BaseError,
    CapabilityMissing,
    DriverError,
    DriverUnavailable,
    MachineConflict,
    MachineNotFound,
    SnapshotAmbiguous,
    SnapshotNotFound,
)
from vboxlab.hypervisor.virtualbox import kvm
from vboxlab.hypervisor.virtualbox.sentences.telling import say
from vboxlab.hypervisor.virtualbox.worker.protocol import Failure
from vboxlab.hypervisor.virtualbox.worker.told import words_in
from vboxlab.language import N_, _

DRIVER_MISSING = N_(
    "VirtualBox's kernel driver is not loaded: `sudo modprobe vboxdrv`, "
    "or install virtualbox-dkms and the kernel's headers"
)
FOREIGN_NETWORK = N_(
    "the internal network of that name belongs to another user of this host: use a copy of the lab, "
    "whose networks have names of their own"
)
MEND_MEDIA = N_(
    "put a missing file back, or make the disk normal (VirtualBox's window, Media) or detach it, and add the base anew "
    "from a new snapshot"
)


class Unreadable(BaseError):
    """VirtualBox cannot read a disk file, which another program may convert."""


KINDS: dict[str, tuple[type[DriverError | BaseError], str | None]] = {
    "protocol": (DriverError, N_("run the command again: vboxlab was changed while it ran")),
    "not-found": (MachineNotFound, N_("look at the lab again with `vboxlab status`")),
    "inaccessible": (
        DriverError,
        N_("restore its settings from the .vbox-prev file beside them, or remove it in VirtualBox's window"),
    ),
    "not-ours": (MachineConflict, N_("vboxlab only changes machines that carry its marks")),
    "conflict": (MachineConflict, N_("rename or remove that VM, or work on a copy of the lab")),
    "disk-otherwise": (MachineConflict, N_("a disk that holds work is never changed")),
    "folder-exists": (MachineConflict, N_("move that folder away, or remove it when nothing in it is needed")),
    "no-snapshot": (SnapshotNotFound, N_("`vboxlab snapshot list` shows those that exist")),
    "several-snapshots": (
        SnapshotAmbiguous,
        N_("name the one that is meant by its id, or delete the others: `vboxlab snapshot delete ID`"),
    ),
    "snapshot-exists": (MachineConflict, N_("choose another name or remove that snapshot first")),
    "running": (DriverError, N_("power it off first: `vboxlab down`")),
    "off": (CapabilityMissing, N_("start it first")),
    "no-adapter": (DriverError, None),
    "no-image": (BaseError, N_("`vboxlab base list` shows the bases that exist; `vboxlab base build` makes one")),
    "image-exists": (BaseError, N_("choose another name, or remove that base first: `vboxlab base remove NAME`")),
    "no-vm": (MachineNotFound, N_("give --vm the name or UUID of a VM of this user, as VirtualBox's window shows it")),
    "ambiguous": (MachineConflict, N_("give --vm the UUID of the one that is meant")),
    "ours": (MachineConflict, N_("clone it in VirtualBox's window (a full clone) and add the clone")),
    "no-base-snapshot": (DriverError, N_("power it off and try again, or name a snapshot with --snapshot")),
    "base-media": (BaseError, MEND_MEDIA),
    "appliance": (BaseError, N_("export the machine alone: File, Export Appliance in VirtualBox's window")),
    "unreadable": (Unreadable, None),
    "image-in-use": (BaseError, N_("destroy the labs of these machines first")),
    "machine-in-use": (
        MachineConflict,
        N_("keep what is needed of these VMs as full clones (VirtualBox's window, Clone), and remove them first"),
    ),
    "not-stray": (MachineConflict, N_("look again with `vboxlab gc`")),
    "locked": (
        DriverError,
        N_("close the machine's settings window or wait for the program that holds it; ending that program frees it"),
    ),
    "busy": (DriverError, N_("wait until the other vboxlab is done")),
    "changed": (DriverError, N_("look at it (`vboxlab status`), and run the command again if that is still wanted")),
    "stale": (
        DriverError,
        N_("VirtualBox remembers a program that was killed: close all its windows, wait ten seconds and try again"),
    ),
    "lost": (
        DriverError,
        N_("close all windows of VirtualBox, wait ten seconds and try again: it then reads its list of machines anew"),
    ),
    "registry": (
        DriverError,
        N_("close all windows of VirtualBox; `vboxlab doctor --repair` then shows the copy, asks, and puts it back"),
    ),
    "registry-gone": (
        DriverError,
        N_("put that file there from a backup, or move it away and add the machines anew in VirtualBox's window"),
    ),
    "port-taken": (DriverError, N_("end that program, or destroy and make the machine again to get another port")),
    "screen": (DriverError, N_("try again in a few seconds")),
    "version": (DriverUnavailable, N_("install a supported VirtualBox")),
    "binding": (DriverUnavailable, N_("`vboxlab doctor` says which interpreters were tried and what to install")),
    "dead": (DriverError, N_("run the command again; if it happens again, `vboxlab doctor` helps")),
    "ended": (DriverError, N_("VBox.log in the machine's Logs folder says why the VM's process ended; try again")),
    "host": (DriverError, N_("check free space and permissions")),
}

CODES = {
    0x80BB0001: N_("it was removed meanwhile: run the command again"),
    0x80BB0002: N_("bring the machine to another state first (most changes need it powered off)"),
    0x80BB0003: N_("the VM process failed: VBox.log in the machine's Logs folder says why"),
    0x80BB0004: N_("a file or folder stands in the way or cannot be reached: look at its path, rights and free space"),
    0x80BB0005: N_("the host refused: check free space, rights and the log"),
    0x80BB0007: N_("another program works on the machine: close its settings window or wait"),
    0x80BB0008: N_("the host refused: networks and devices of the host need VirtualBox's kernel modules and rights"),
    0x80BB0009: N_("this VirtualBox lacks that: the Extension Pack or a newer version may bring it"),
    0x80BB000A: N_("a settings file is damaged: restore it from the .vbox-prev file beside it"),
    0x80BB000B: N_("the machine's session is in another state: run the command again"),
    0x80BB000C: N_("the object is in use: power off or remove what uses it first"),
    0x80070005: N_("this user may not do that: run vboxlab as the user who made the machines, in the group vboxusers"),
    0x80070057: N_(
        "something of that name or id is registered already: remove the leftover in VirtualBox's media manager"
    ),
}

STATUSES = {
    "VERR_SUP_DRIVERLESS": DRIVER_MISSING,
    "VERR_VM_DRIVER_NOT_INSTALLED": DRIVER_MISSING,
    "VERR_VM_DRIVER_NOT_ACCESSIBLE": N_(
        "this user may not use /dev/vboxdrv: add it to the group vboxusers and log in again"
    ),
    "VERR_VM_DRIVER_VERSION_MISMATCH": N_(
        "the kernel driver is of another VirtualBox: `sudo modprobe -r vboxdrv`, then reload it"
    ),
    "VERR_VMX_NO_VMX": N_("this processor has no VT-x, or it is hidden"),
    "VERR_SVM_NO_SVM": N_("this processor has no AMD-V, or it is hidden"),
    "VERR_VMX_MSR_ALL_VMX_DISABLED": N_("switch on VT-x in the computer's firmware settings"),
    "VERR_SVM_DISABLED": N_("switch on AMD-V (SVM) in the computer's firmware settings"),
    "VERR_NEM_NOT_AVAILABLE": N_("the processor's virtualisation is off or held by another hypervisor"),
    "VERR_INTNET_INCOMPATIBLE": FOREIGN_NETWORK,
    "VERR_PERMISSION_DENIED": FOREIGN_NETWORK,
    "VERR_INTNET_FLT_IF_NOT_FOUND": N_(
        "the host has no such network interface: `vboxlab doctor` lists those that exist"
    ),
    "VERR_ALREADY_EXISTS": N_("a leftover stands in the way: remove it, or run the command again"),
    "VERR_DISK_FULL": N_("the host's disk is full: make room"),
    "VERR_NO_MEMORY": N_("the host has too little free memory: stop other machines or give this one less"),
}

# What names KVM as the cause: the advice goes by version.
OF_KVM = {
    "VERR_VMX_IN_VMX_ROOT_MODE": N_("another hypervisor holds the processor's VT-x"),
    "VERR_SVM_IN_USE": N_("another hypervisor holds the processor's AMD-V"),
    "VERR_SVM_HOST_SVME_NOT_ENABLED": N_("KVM is loaded and has not switched the processor's AMD-V on"),
}


def to_error(
    failure: Failure, subject: str = "", version: str = "", more: Sequence[str] = ()
) -> DriverError | BaseError:
    """Return the error of vboxlab for a failure of the worker; `subject` names the machine or file it is about.

    `version` is VirtualBox's, as it tells it ("": unknown), `more` what else is evidence.
    """
    brief = say(failure.told)
    details = [*map(say, failure.details), *more]
    resolution = _status_advice([word for told in (failure.told, *failure.details) for word in words_in(told)], version)
    if failure.kind == "start":
        return DriverError(
            _("{machine} does not start").format(machine=subject) if subject else _("the machine does not start"),
            details=[brief, *details],
            resolution=resolution or _(CODES[0x80BB0003]),
        )
    if failure.kind in KINDS:
        error, advice = KINDS[failure.kind]
        return error(brief, details=details, resolution=resolution or (advice and _(advice)))
    if failure.result_code is None:
        return DriverError(brief, details=details, resolution=resolution)
    if subject:
        brief = _("{subject}: {problem}").format(subject=subject, problem=brief)
    code = _("VirtualBox result code {code:#010x}").format(code=failure.result_code)
    advice = CODES.get(failure.result_code)
    return DriverError(brief, details=[*details, code], resolution=resolution or (advice and _(advice)))


def _status_advice(texts: Sequence[str], version: str) -> str | None:
    named = next((name for name in (*STATUSES, *OF_KVM) for text in texts if name in text), None)
    if named is None:
        return None
    if named in STATUSES:
        return _(STATUSES[named])
    return _("{problem}: {advice}").format(problem=_(OF_KVM[named]), advice=kvm.advice(version))
