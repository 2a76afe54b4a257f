"""What is right and wrong with this computer for running labs: each finding with what to do about it.

Nothing is changed and nothing needs to be installed. What costs a process (VirtualBox's worker) is only done where
VirtualBox is found.
"""

from __future__ import annotations

import os
import platform
import shlex
import shutil
import sys
import traceback
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Literal

from vboxlab.errors import VboxlabError
from vboxlab.hypervisor import host_only
from vboxlab.hypervisor.virtualbox import kvm, readiness
from vboxlab.hypervisor.virtualbox.repairs import find_repair
from vboxlab.hypervisor.virtualbox.sentences.telling import say
from vboxlab.hypervisor.virtualbox.worker.calls import AskFacts
from vboxlab.hypervisor.virtualbox.worker.facts import Facts, Interface
from vboxlab.language import N_, _
from vboxlab.lazily import dataclass
from vboxlab.settings import Settings

Verdict = Literal["ok", "note", "warning", "problem"]
CPUINFO = Path("/proc/cpuinfo")
MOST_SKIPPED, MOST_OF_A_WORD = 5, 60  # of a file's words that are shown
NO_ADVICE = N_("run the command that fails and read its message; please report it if this one says no more")
DISK_PER_MACHINE = 1024  # MiB that a linked clone with its snapshots may grow to in the practical
DISK_FOR_BASE = 2048  # MiB for a base with its package layers


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at."""

    check: str  # marked for translation: whoever shows it translates it
    verdict: Verdict
    text: str
    fix: str = ""


@dataclass(frozen=True)
class Needs:
    """What the largest topology needs at once."""

    topology: str
    machines: int
    memory: int  # MiB
    disks: int = 0  # MiB that disks besides the machines' first may take


def examine(settings: Settings, needs: Needs | None) -> list[Finding]:
    """Look at everything and return the findings, VirtualBox's first."""
    parts: dict[str, Callable[[], Iterator[Finding]]] = {
        "VirtualBox": lambda: _virtualbox(settings),
        "QEMU": _qemu,
        N_("driver"): lambda: _choice(settings),
        N_("processor"): _processor,
        N_("user"): lambda: _user(settings),
        N_("room"): lambda: _room(settings, needs),
    }
    return [finding for check, look in parts.items() for finding in whatever_it_meets(check, look)]


def whatever_it_meets(check: str, look: Callable[[], Iterator[Finding]]) -> Iterator[Finding]:
    """Look at one part of the host; a look that fails is a finding like others, and the rest is looked at all the same.

    Whoever runs `doctor` has trouble already, so that a file or an answer that nobody thought of must not end it.
    """
    try:
        yield from look()
    except VboxlabError as error:
        yield Finding(check, "problem", "; ".join([error.brief, *error.details]), error.resolution or _(NO_ADVICE))
    except Exception as error:  # noqa: BLE001 -- see above
        at = traceback.extract_tb(error.__traceback__)[-1]
        text = _("it could not be looked at: {problem} ({place})").format(
            problem=f"{type(error).__name__}: {error}", place=f"{Path(at.filename).name}:{at.lineno}"
        )
        yield Finding(check, "problem", text, _(NO_ADVICE))


def _virtualbox(settings: Settings) -> Iterator[Finding]:
    installation = readiness.find_installation()
    if installation is None:
        fix = _("{advice}; without it QEMU is used").format(advice=_(readiness.INSTALL_HINT))
        yield Finding("VirtualBox", "warning", _("it is not installed"), fix)
        return
    yield Finding("VirtualBox", "ok", _("installed in {program}").format(program=installation.program))
    broken = find_repair()
    if broken is None:
        yield from _binding(settings)
    else:
        yield Finding(N_("list of machines"), "problem", "; ".join(broken.found), broken.advice)
    problem = readiness.kernel_driver_problem()
    if problem:
        yield Finding(N_("kernel driver"), "warning", _("guests cannot run in VirtualBox"), problem)
    elif platform.system() == "Linux":
        yield Finding(N_("kernel driver"), "ok", _("loaded"))
    other = readiness.other_hypervisor()
    if other:
        advice = kvm.advice(readiness.installed_version(installation))
        yield Finding(
            N_("other hypervisor"),
            "warning",
            _("{program} is in use and may hold the processor").format(program=other),
            advice,
        )
    elif kvm.PARAMETER.exists():
        version = readiness.installed_version(installation)
        trouble = kvm.trouble(version)
        if trouble:
            yield Finding(N_("other hypervisor"), "warning", trouble, kvm.advice(version))


def _binding(settings: Settings) -> Iterator[Finding]:
    from vboxlab.hypervisor.virtualbox.driver import VirtualBoxDriver

    python = str(settings.vbox_python) if settings.vbox_python else None
    said: list[str] = []
    driver = VirtualBoxDriver(settings.home, python=python, patience=2.0, say=said.append)
    try:
        greeting = driver.client.greeting
        for text in said:
            yield Finding(N_("binding"), "note", text)
        text = _("VirtualBox {version} through {binding}, Python {python} ({interpreter})").format(
            version=greeting.version, binding=greeting.binding, python=greeting.python, interpreter=greeting.interpreter
        )
        yield Finding("binding", "ok", text)
        if greeting.warning is not None:
            yield Finding(N_("version"), "warning", say(greeting.warning), _("use a supported one if something fails"))
        yield from _inside(driver.client.call(AskFacts()))
    except VboxlabError as error:
        text = "; ".join([error.brief, *error.details])
        yield Finding("binding", "problem", text, error.resolution or _(readiness.BINDING_HINT))
    finally:
        driver.close()


def _inside(facts: Facts) -> Iterator[Finding]:
    """Look at what VirtualBox itself says of this host."""
    folder = Path(facts.machine_folder)
    yield Finding(N_("machine folder"), "ok", _("{folder} ({free} MiB free)").format(folder=folder, free=_free(folder)))
    for path in facts.inaccessible:
        fix = _("remove it in VirtualBox's window, or restore its file (a .vbox-prev lies beside it)")
        yield Finding(
            N_("unreadable VM"), "note", _("{path} cannot be read; vboxlab ignores it").format(path=path), fix
        )
    for name in facts.damaged:
        text = _("{machine} has marks of vboxlab that cannot be read; it is left alone").format(machine=name)
        fix = _("`VBoxManage setextradata {machine} vboxlab/marks` takes them off, if nothing of it is needed").format(
            machine=shlex.quote(name)
        )
        yield Finding(N_("damaged marks"), "warning", text, fix)
    if platform.system() != "Windows":
        yield from _host_only(facts.host_only)


def _host_only(interfaces: Sequence[Interface]) -> Iterator[Finding]:
    """Compare the host-only interfaces that are set up with the ranges that VirtualBox allows."""
    check = N_("host-only network")
    try:
        allowed = host_only.read_allowed()
    except OSError as error:
        text = _("{file} cannot be read: {reason}").format(file=host_only.FILE, reason=error.strerror or error)
        yield Finding(check, "note", text, _("look at its rights"))
        return
    if allowed.skipped:
        words = [word[:MOST_OF_A_WORD].encode("unicode_escape").decode("ascii") for word in allowed.skipped]
        text = _("{file} has words that VirtualBox skips (LINE: WORD): {words}").format(
            file=host_only.FILE, words="; ".join(words[:MOST_SKIPPED])
        )
        yield Finding(check, "warning", text, _("write networks with blanks between: `* 192.168.0.0/16 10.0.0.0/8`"))
    for interface in interfaces:
        name = f"{interface.name} ({interface.address})"
        network = host_only.network_of(interface.address, interface.mask)
        if network is None or allowed.permits(network):
            no_address = _("{network} has no IPv4 address").format(network=interface.name)
            yield Finding(check, "ok", name if network else no_address)
        else:
            fix = _("add the range to {file}, or use another").format(file=host_only.FILE)
            yield Finding(check, "warning", _("{name} is outside the allowed ranges").format(name=name), fix)


def _qemu() -> Iterator[Finding]:
    try:
        from vboxlab.hypervisor.qemu import readiness as qemu
    except ImportError:
        yield Finding("QEMU", "note", _("its driver needs Linux or macOS"))
        return
    problem = qemu.usable()
    if problem:
        yield Finding("QEMU", "warning", _("it is not installed, so there is no fallback for VirtualBox"), problem)
        return
    slow = qemu.why_no_kvm(qemu.BINARY)
    if slow:
        fix = _("nothing to do where no hardware virtualisation can be had: guests boot in a quarter of a minute")
        yield Finding(
            "QEMU", "note", _("installed; guests run in software emulation: {reason}").format(reason=slow), fix
        )
    else:
        yield Finding("QEMU", "ok", _("installed; guests run on KVM"))


def _choice(settings: Settings) -> Iterator[Finding]:
    from vboxlab.hypervisor.registry import why_no_qemu, why_no_virtualbox

    if settings.driver != "auto":
        yield Finding("driver", "ok", _("{driver}, as the settings say").format(driver=settings.driver))
        return
    no_virtualbox, no_qemu = why_no_virtualbox(), why_no_qemu()
    if not no_virtualbox:
        yield Finding("driver", "ok", "virtualbox")
        return
    if not no_qemu:
        yield Finding("driver", "ok", _("qemu, because VirtualBox cannot run guests here"))
        return
    fix = _("install VirtualBox, or QEMU (on Debian and Ubuntu `apt install qemu-system-x86 qemu-utils`)")
    yield Finding("driver", "problem", _("no hypervisor can run guests here"), fix)


def _processor() -> Iterator[Finding]:
    if not CPUINFO.is_file():
        return
    lines = CPUINFO.read_text(encoding="ascii", errors="replace").splitlines()
    flags = {word for line in lines if line.startswith("flags") for word in line.partition(":")[2].split()}
    if flags & {"vmx", "svm"}:
        yield Finding("processor", "ok", _("it offers hardware virtualisation"))
    else:
        fix = _("switch on VT-x or AMD-V in the firmware settings, or nested virtualisation when this is itself a VM")
        yield Finding("processor", "warning", _("it offers no hardware virtualisation (no vmx or svm flag)"), fix)


def _user(settings: Settings) -> Iterator[Finding]:
    if sys.platform == "win32":
        return
    if os.geteuid() == 0 and os.environ.get("SUDO_USER"):
        fix = _("run vboxlab as {user}, without sudo").format(user=os.environ["SUDO_USER"])
        text = _("this is sudo: VirtualBox's machines are each user's own, and root's are not yours")
        yield Finding("user", "warning", text, fix)
    if not settings.home.exists():
        return
    found = settings.home.stat()
    if found.st_uid != os.geteuid():
        fix = _("run vboxlab as that user, or set VBOXLAB_HOME")
        yield Finding(
            "user",
            "problem",
            _("{home} belongs to another user (uid {uid})").format(home=settings.home, uid=found.st_uid),
            fix,
        )
    elif found.st_mode & 0o077:
        fix = _("chmod 700 it where its file system knows rights, else set VBOXLAB_HOME to a folder on one that does")
        yield Finding(
            "user", "warning", _("other users of this computer can look into {home}").format(home=settings.home), fix
        )


def _room(settings: Settings, needs: Needs | None) -> Iterator[Finding]:
    python = ".".join(map(str, sys.version_info[:3]))
    system = f"{platform.system()} {platform.release()}"
    yield Finding("Python", "ok", _("{python} on {system}").format(python=python, system=system))
    if needs is None:
        return
    free = free_memory()
    text = _("{free} MiB free, {topology} needs {needed}").format(
        free=free, topology=needs.topology, needed=needs.memory
    )
    if free < needs.memory:
        yield Finding(N_("memory"), "warning", text, _("close programs, or give the machines less `memory`"))
    else:
        yield Finding("memory", "ok", text)
    disk, wanted = _free(settings.home), needs.machines * DISK_PER_MACHINE + DISK_FOR_BASE + needs.disks
    text = _("{free} MiB free below {home}, {topology} may need {wanted}").format(
        free=disk, home=settings.home, topology=needs.topology, wanted=wanted
    )
    if disk < wanted:
        yield Finding(N_("disk"), "warning", text, _("make room, or set VBOXLAB_HOME to a larger disk"))
    else:
        yield Finding("disk", "ok", text)


def free_memory() -> int:
    """Return the memory that new programs can have, in MiB."""
    import psutil

    return int(psutil.virtual_memory().available) >> 20


def _free(path: Path) -> int:
    """Return the free space (MiB) where a folder is, or will be."""
    path = path.absolute()
    while not path.exists() and path != path.parent:
        path = path.parent
    return shutil.disk_usage(path).free >> 20
