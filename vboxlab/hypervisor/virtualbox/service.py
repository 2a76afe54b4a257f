"""VirtualBox's service (VBoxSVC) as processes of this host: looked at, never ended."""

from __future__ import annotations

import getpass
from collections.abc import Iterator
from contextlib import suppress

from vboxlab.hypervisor.virtualbox.readiness import SERVICES
from vboxlab.hypervisor.virtualbox.worker import registry
from vboxlab.language import _
from vboxlab.lazily import dataclass

VM_PROCESSES = ("VBoxHeadless", "VirtualBoxVM")


@dataclass(frozen=True)
class Service:
    """One process of it, and what the system says that it does (psutil's word for its status)."""

    pid: int
    status: str

    @property
    def is_stopped(self) -> bool:
        """Tell whether it was stopped by somebody: it does not answer before it is let go on."""
        return self.status == "stopped"

    def __str__(self) -> str:
        return _("process {pid} (VBoxSVC), {status}").format(pid=self.pid, status=self.status)


def running_services() -> Iterator[Service]:
    """Yield the services of this user that keep the same settings, or may."""
    import psutil

    user = getpass.getuser()
    for process in psutil.process_iter(["name", "username", "status"]):
        if process.info["name"] not in SERVICES or not _same_user(process.info["username"], user):
            continue
        with suppress(psutil.NoSuchProcess):
            try:
                folder = registry.home(process.environ())
            except psutil.AccessDenied:
                folder = registry.home()
            if folder == registry.home():
                yield Service(process.pid, str(process.info["status"]))


def vm_process(handle: str) -> int | None:
    """Return the process that runs a VM, by its UUID: VirtualBox starts it with that among its words."""
    import psutil

    for process in psutil.process_iter(["name", "cmdline"]):
        words = process.info["cmdline"] or ()  # None: of another user's
        if str(process.info["name"]).removesuffix(".exe") in VM_PROCESSES and handle in words:
            return int(process.pid)
    return None


def _same_user(owner: str | None, user: str) -> bool:
    return owner is None or owner.rpartition("\\")[2] == user
