"""Kernel modules: each in a file of its own that is read at boot (modules-load.d(5)), and loaded now."""

from __future__ import annotations

from collections.abc import Iterable

from vboxlab.guest.place import Place
from vboxlab.guest.resources import Command, File, Resource
from vboxlab.guest.roles import GuestRole
from vboxlab.roles.modules.role import ModulesRole

FOLDER = "/etc/modules-load.d"
SECONDS = 60
# What is built into the kernel and has no parameters is not below /sys. Name as the kernel has it, and as it is given.
_IS_THERE = '[ -d "/sys/module/$1" ] || case $(modinfo "$2" 2>/dev/null) in *"(builtin)"*) ;; *) false ;; esac'


class ModulesInGuest(GuestRole[ModulesRole]):
    """Kernel modules of a machine."""

    def resources(self, role: ModulesRole, place: Place) -> Iterable[Resource]:
        """Return what loads the modules. The kernel has `_` where names have `-` (modprobe(8))."""
        del place
        for name in role.names:
            yield File(f"{FOLDER}/{name}.conf", f"{name}\n", as_written=True)
            loaded = ("sh", "-c", _IS_THERE, "sh", name.replace("-", "_"), name)
            yield Command(f"module {name}", ("modprobe", name), loaded, as_written=True, timeout=SECONDS)


IN_GUEST = ModulesInGuest()
