"""KVM beside VirtualBox on one Linux host: which of the two may switch the processor's VT-x or AMD-V on.

Up to 7.2.8 VirtualBox does so by itself, which it cannot where KVM has done it: before Linux 6.12 while KVM has guests,
since then from when KVM is loaded, unless told otherwise (VirtualBox's issues 81, 141 and 188 on GitHub). From 7.2.10
on it lets KVM do it, and fails where KVM is loaded and was told not to (issues 711 and 713); on Linux 6.12 itself it is
as before (void-packages, pull request 61332). Guests of both at once work with neither (issue 711).
"""

from __future__ import annotations

import platform
from pathlib import Path

from vboxlab.hypervisor.virtualbox.worker.versions import parse_version
from vboxlab.language import N_, _

LETS_KVM = (7, 2, 10)  # the first VirtualBox that does
HOLDS_FROM_LOADING, LIKE_BEFORE = (6, 12), (6, 12)  # of Linux
PARAMETER = Path("/sys/module/kvm/parameters/enable_virt_at_load")  # there while KVM is loaded, since Linux 6.12
UNLOAD = N_("stop its guests, and `sudo modprobe -r kvm_intel kvm_amd`")
KEEP_IT_OFF = N_(
    "stop its guests; with Linux 6.12 or later boot with kvm.enable_virt_at_load=0, or "
    "`sudo modprobe -r kvm_intel kvm_amd`"
)
LET_IT = N_(
    "stop its guests; take kvm.enable_virt_at_load=0 out of the kernel's command line and of /etc/modprobe.d and boot "
    "again, or `sudo modprobe -r kvm_intel kvm_amd`"
)


def advice(version: str, linux: str | None = None) -> str:
    """Return what to do about KVM by VirtualBox's version ("": unknown) and Linux's (default: that of this host)."""
    known = parse_version(version)
    if not known:
        return _(UNLOAD)
    return _(LET_IT) if _lets_kvm(known, linux) else _(KEEP_IT_OFF)


def _lets_kvm(version: tuple[int, ...], linux: str | None) -> bool:
    running = parse_version(platform.release() if linux is None else linux)[:2]
    return version >= LETS_KVM and running != LIKE_BEFORE


def trouble(version: str, linux: str | None = None, parameter: Path = PARAMETER) -> str:
    """Return why KVM keeps a VirtualBox of a version from running guests, though it may have none, "" if it does not.

    What it has running is not looked at.
    """
    try:
        switched_on = parameter.read_text(encoding="ascii", errors="replace").strip() == "Y"
    except OSError:
        return ""
    known = parse_version(version)
    if not known or switched_on == _lets_kvm(known, linux):
        return ""
    if switched_on:
        sentence = _("KVM is loaded and holds the processor, which VirtualBox {version} must have to itself")
    else:
        sentence = _(
            "KVM is loaded and was told not to switch the processor on for guests; VirtualBox {version} needs that"
        )
    return sentence.format(version=version)
