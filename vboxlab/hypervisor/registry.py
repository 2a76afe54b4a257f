"""Which driver works on this host: the only place that knows all of them, each imported only when it is wanted."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from vboxlab.errors import DriverUnavailable, UsageError
from vboxlab.home import claim_home
from vboxlab.language import _
from vboxlab.lazily import dataclass

if TYPE_CHECKING:
    from vboxlab.hypervisor.driver import Driver
    from vboxlab.settings import Settings

Say = Callable[[str], None]
DRIVER_NAMES = ("auto", "virtualbox", "qemu", "memory")


@dataclass(frozen=True)
class OpenedDriver:
    """A driver, and why it is this one ("" when it was asked for by name). Close the driver after use."""

    driver: Driver
    note: str = ""


def say_nothing(_text: str) -> None:
    """Let what a driver has to say go."""


def open_driver(settings: Settings, preferred: str | None = None, say: Say = say_nothing) -> OpenedDriver:
    """Open the preferred driver, else the one of the settings; `auto` takes VirtualBox where it is usable, else QEMU.

    `say` is told what a driver mended of what is ours before it could begin.
    Raises DriverUnavailable saying what is missing and how to get it, UsageError for a name that no driver has,
    SettingsInvalid when the home cannot be this user's own.
    """
    claim_home(settings.home)
    name = preferred or settings.driver
    if name == "memory":
        from vboxlab.hypervisor.memory import MemoryDriver, store_of

        return OpenedDriver(MemoryDriver(store_of(settings.home)))
    if name == "virtualbox":
        problem = why_no_virtualbox(guests=False)
        if problem:
            raise DriverUnavailable(
                _("VirtualBox cannot be used"), details=[problem], resolution=_("`vboxlab doctor` helps")
            )
        return OpenedDriver(_open_virtualbox(settings, say))
    if name == "qemu":
        problem = why_no_qemu()
        if problem:
            raise DriverUnavailable(_("QEMU cannot be used"), details=[problem], resolution=_("`vboxlab doctor` helps"))
        return OpenedDriver(_open_qemu(settings))
    if name != "auto":
        raise UsageError(
            _("there is no driver {driver!r}").format(driver=name),
            details=[_("drivers: {drivers}").format(drivers=", ".join(DRIVER_NAMES))],
        )
    return _open_usable(settings, say)


def begun(name: str, home: Path, *, python: Path | None, patience: float) -> AbstractContextManager[None]:
    """Return a block around a verb in which the driver's first call need not wait so long, where that can be.

    `name` is as for open_driver; the others are as in the settings. What is amiss is told by open_driver alone.
    """
    if name != "virtualbox" and (name != "auto" or why_no_virtualbox()):
        return nullcontext()
    from vboxlab.hypervisor.virtualbox import launch

    return launch.begun(home, preferred=str(python) if python else None, patience=patience)


def why_no_virtualbox(*, guests: bool = True) -> str:
    """Return "" when VirtualBox can run guests here, else why not.

    Without `guests` it is enough that VirtualBox can be driven: machines are made, wired and snapshotted without its
    kernel driver, and a start says what is missing.
    """
    try:
        readiness = import_module("vboxlab.hypervisor.virtualbox.readiness")
    except ImportError:
        return _("this vboxlab has no VirtualBox driver")
    return str(readiness.usable() if guests else readiness.installed())


def why_no_qemu() -> str:
    """Return "" when QEMU is installed here, else why it cannot be used."""
    try:
        from vboxlab.hypervisor.qemu import readiness
    except ImportError:
        return _("the QEMU driver needs UNIX sockets and POSIX locks, which this operating system lacks")
    return readiness.usable()


def _open_usable(settings: Settings, say: Say) -> OpenedDriver:
    no_virtualbox = why_no_virtualbox()
    if not no_virtualbox:
        return OpenedDriver(_open_virtualbox(settings, say), _("VirtualBox is usable here"))
    no_qemu = why_no_qemu()
    if no_qemu:
        raise DriverUnavailable(
            _("no hypervisor can be used here"),
            details=[
                _("{subject}: {problem}").format(subject="VirtualBox", problem=no_virtualbox),
                _("{subject}: {problem}").format(subject="QEMU", problem=no_qemu),
            ],
            resolution=_("install one of them; `vboxlab doctor` says how"),
        )
    return OpenedDriver(
        _open_qemu(settings), _("QEMU, because VirtualBox cannot be used: {reason}").format(reason=no_virtualbox)
    )


def others_in_use(settings: Settings, chosen: Driver) -> tuple[Driver, ...]:
    """Open the drivers besides the chosen one whose machines may depend on files of this home.

    VirtualBox copies what it makes images of; QEMU's disks go on depending on the files.
    """
    if chosen.name == "qemu" or not (settings.home / "qemu" / "machines").is_dir():
        return ()
    return (_open_qemu(settings),)


def _open_virtualbox(settings: Settings, say: Say) -> Driver:
    from vboxlab.hypervisor.virtualbox.driver import VirtualBoxDriver

    python = str(settings.vbox_python) if settings.vbox_python else None
    return VirtualBoxDriver(settings.home, python=python, patience=settings.lock_patience, say=say)


def _open_qemu(settings: Settings) -> Driver:
    from vboxlab.hypervisor.qemu.driver import QemuDriver

    return QemuDriver(settings.home)
