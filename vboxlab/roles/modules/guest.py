"""Kernel modules: each in a file of its own that is read at boot (modules-load.d(5)), and loaded now."""

from __future__ import annotations

from collections.abc import Iterable

from vboxlab.guest.place import Place
from vboxlab.guest.resources import Command, File, Resource
from vboxlab.guest.roles import GuestRole
from vboxlab.roles.modules.role import ModulesRole

FOLDER = "/etc/modules-load.d"
SECONDS = 60


class ModulesInGuest(GuestRole[ModulesRole]):
    """Kernel modules of a machine."""

    def resources(self, role: ModulesRole, place: Place) -> Iterable[Resource]:
        """Return what loads the modules. The kernel has `_` where names have `-` (modprobe(8))."""
        del place
        for name in role.names:
            yield File(f"{FOLDER}/{name}.conf", f"{name}\n", as_written=True)
            loaded = ("test", "-d", f"/sys/module/{name.replace('-', '_')}")
            yield Command(f"module {name}", ("modprobe", name), loaded, as_written=True, timeout=SECONDS)


IN_GUEST = ModulesInGuest()
