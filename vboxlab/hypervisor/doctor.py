"""What is right and wrong with this computer for running labs: each finding with what to do about it.

Nothing is changed and nothing needs to be installed. What costs a process (VirtualBox's worker) is only done where
VirtualBox is found.
"""

from __future__ import annotations

import ipaddress
import os
import platform
import shutil
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from vboxlab.errors import VboxlabError
from vboxlab.hypervisor.virtualbox import readiness
from vboxlab.hypervisor.virtualbox.failures import STOP_KVM
from vboxlab.settings import Settings

Verdict = Literal["ok", "note", "warning", "problem"]
CPUINFO = Path("/proc/cpuinfo")
# Host-only networks outside these ranges are refused by VirtualBox on Linux and macOS unless the file allows more
# (VirtualBox manual, "Host-Only Networking").
HOST_ONLY_FILE = Path("/etc/vbox/networks.conf")
HOST_ONLY_DEFAULT = "192.168.56.0/21"
DISK_PER_MACHINE = 1024  # MiB that a linked clone with its snapshots may grow to in the practical
DISK_FOR_BASE = 2048  # MiB for a base with its package layers


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at."""

    check: str
    verdict: Verdict
    text: str
    fix: str = ""


@dataclass(frozen=True)
class Needs:
    """What the largest topology needs at once."""

    topology: str
    machines: int
    memory: int  # MiB


def examine(settings: Settings, needs: Needs | None) -> list[Finding]:
    """Look at everything and return the findings, VirtualBox's first."""
    found = list(_virtualbox(settings))
    found += _qemu()
    found.append(_choice(settings))
    found += _processor()
    found += _user(settings)
    found += _room(settings, needs)
    return found


def _virtualbox(settings: Settings) -> Iterator[Finding]:
    installation = readiness.find_installation()
    if installation is None:
        fix = readiness.INSTALL_HINT + "; without it QEMU is used"
        yield Finding("VirtualBox", "warning", "it is not installed", fix)
        return
    yield Finding("VirtualBox", "ok", f"installed in {installation.program}")
    yield from _binding(settings)
    problem = readiness.kernel_driver_problem()
    if problem:
        yield Finding("kernel driver", "warning", "guests cannot run in VirtualBox", problem)
    elif platform.system() == "Linux":
        yield Finding("kernel driver", "ok", "loaded")
    other = readiness.other_hypervisor()
    if other:
        yield Finding("other hypervisor", "warning", f"{other} is in use and may hold the processor", STOP_KVM)


def _binding(settings: Settings) -> Iterator[Finding]:
    from vboxlab.hypervisor.virtualbox.driver import VirtualBoxDriver

    python = str(settings.vbox_python) if settings.vbox_python else None
    driver = VirtualBoxDriver(settings.home, python=python, patience=2.0)
    try:
        greeting = driver.client.greeting
        text = f"VirtualBox {greeting['version']} through {greeting['binding']}, Python {greeting['python']}"
        yield Finding("binding", "ok", f"{text} ({greeting['interpreter']})")
        if greeting["warning"]:
            yield Finding("version", "warning", greeting["warning"], "use a supported one if something fails")
        yield from _inside(driver.client.call("facts"))
    except VboxlabError as error:
        text = "; ".join([error.brief, *error.details])
        yield Finding("binding", "problem", text, error.resolution or readiness.BINDING_HINT)
    finally:
        driver.close()


def _inside(facts: Mapping[str, Any]) -> Iterator[Finding]:
    """Look at what VirtualBox itself says of this host."""
    folder = Path(facts["machine_folder"])
    yield Finding("machine folder", "ok", f"{folder} ({_free(folder)} MiB free)")
    for path in facts["inaccessible"]:
        fix = "remove it in VirtualBox's window, or restore its file (a .vbox-prev lies beside it)"
        yield Finding("unreadable VM", "note", f"{path} cannot be read; vboxlab ignores it", fix)
    allowed = allowed_ranges(HOST_ONLY_FILE)
    for network in facts["host_only"]:
        address = f"{network['name']} ({network['address']})"
        if any(ipaddress.ip_address(network["address"]) in each for each in allowed):
            yield Finding("host-only network", "ok", address)
        else:
            fix = f"add the range to {HOST_ONLY_FILE}, or use another"
            yield Finding("host-only network", "warning", f"{address} is outside the allowed ranges", fix)


def allowed_ranges(path: Path) -> list[ipaddress.IPv4Network]:
    """Return the IPv4 ranges that host-only networks may use: those of the file, "* RANGE…" lines, or the default."""
    ranges: list[ipaddress.IPv4Network] = []
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines() if path.is_file() else []
    for line in lines:
        words = line.split("#")[0].split()
        if words[:1] != ["*"]:
            continue
        for word in words[1:]:
            network = ipaddress.ip_network(word, strict=False)
            if isinstance(network, ipaddress.IPv4Network):
                ranges.append(network)
    return ranges or [ipaddress.IPv4Network(HOST_ONLY_DEFAULT, strict=False)]


def _qemu() -> Iterator[Finding]:
    try:
        from vboxlab.hypervisor.qemu import readiness as qemu
    except ImportError:
        yield Finding("QEMU", "note", "its driver needs Linux or macOS")
        return
    problem = qemu.usable()
    if problem:
        yield Finding("QEMU", "warning", "it is not installed, so there is no fallback for VirtualBox", problem)
        return
    slow = qemu.why_no_kvm(qemu.BINARY)
    if slow:
        fix = "nothing to do where no hardware virtualisation can be had: guests boot in a quarter of a minute"
        yield Finding("QEMU", "note", f"installed; guests run in software emulation: {slow}", fix)
    else:
        yield Finding("QEMU", "ok", "installed; guests run on KVM")


def _choice(settings: Settings) -> Finding:
    from vboxlab.hypervisor.registry import why_no_qemu, why_no_virtualbox

    if settings.driver != "auto":
        return Finding("driver", "ok", f"{settings.driver}, as the settings say")
    no_virtualbox, no_qemu = why_no_virtualbox(), why_no_qemu()
    if not no_virtualbox:
        return Finding("driver", "ok", "virtualbox")
    if not no_qemu:
        return Finding("driver", "ok", "qemu, because VirtualBox cannot run guests here")
    fix = "install VirtualBox, or QEMU (on Debian and Ubuntu `apt install qemu-system-x86 qemu-utils`)"
    return Finding("driver", "problem", "no hypervisor can run guests here", fix)


def _processor() -> Iterator[Finding]:
    if not CPUINFO.is_file():
        return
    flags = {word for line in CPUINFO.read_text(errors="replace").splitlines() if line.startswith("flags")
             for word in line.split(":", 1)[1].split()}  # fmt: skip
    if flags & {"vmx", "svm"}:
        yield Finding("processor", "ok", "it offers hardware virtualisation")
    else:
        fix = "switch on VT-x or AMD-V in the firmware settings, or nested virtualisation when this is itself a VM"
        yield Finding("processor", "warning", "it offers no hardware virtualisation (no vmx or svm flag)", fix)


def _user(settings: Settings) -> Iterator[Finding]:
    if os.name == "nt":
        return
    if os.geteuid() == 0 and os.environ.get("SUDO_USER"):
        fix = f"run vboxlab as {os.environ['SUDO_USER']}, without sudo"
        text = "this is sudo: VirtualBox's machines are each user's own, and root's are not yours"
        yield Finding("user", "warning", text, fix)
    if not settings.home.exists():
        return
    found = settings.home.stat()
    if found.st_uid != os.geteuid():
        fix = "run vboxlab as that user, or set VBOXLAB_HOME"
        yield Finding("user", "problem", f"{settings.home} belongs to another user (uid {found.st_uid})", fix)
    elif found.st_mode & 0o077:
        fix = "chmod 700 it where its file system knows rights, else set VBOXLAB_HOME to a folder on one that does"
        yield Finding("user", "warning", f"other users of this computer can look into {settings.home}", fix)


def _room(settings: Settings, needs: Needs | None) -> Iterator[Finding]:
    python = ".".join(map(str, sys.version_info[:3]))
    yield Finding("Python", "ok", f"{python} on {platform.system()} {platform.release()}")
    if needs is None:
        return
    free = free_memory()
    text = f"{free} MiB free, {needs.topology} needs {needs.memory}"
    if free < needs.memory:
        yield Finding("memory", "warning", text, "close programs, or give the machines less `memory`")
    else:
        yield Finding("memory", "ok", text)
    disk, wanted = _free(settings.home), needs.machines * DISK_PER_MACHINE + DISK_FOR_BASE
    text = f"{disk} MiB free below {settings.home}, {needs.topology} may need {wanted}"
    if disk < wanted:
        yield Finding("disk", "warning", text, "make room, or set VBOXLAB_HOME to a larger disk")
    else:
        yield Finding("disk", "ok", text)


def free_memory() -> int:
    """Return the memory that new programs can have, in MiB."""
    import psutil

    return int(psutil.virtual_memory().available) >> 20


def _free(path: Path) -> int:
    """Return the free space (MiB) where a folder is, or will be."""
    while not path.exists():
        path = path.parent
    return shutil.disk_usage(path).free >> 20
