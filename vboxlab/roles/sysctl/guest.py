"""Kernel settings: in a file of their own that is read at boot (sysctl.d(5))."""

from __future__ import annotations

from collections.abc import Iterable

from vboxlab.guest.place import Place
from vboxlab.guest.resources import Resource, Sysctl
from vboxlab.guest.roles import GuestRole
from vboxlab.roles.sysctl.role import SysctlRole

FILE = "/etc/sysctl.d/90-lab.conf"


class SysctlInGuest(GuestRole[SysctlRole]):
    """Kernel settings of a machine."""

    def resources(self, role: SysctlRole, place: Place) -> Iterable[Resource]:
        """Return the settings. The kernel has a tab where several numbers are one value."""
        del place
        for name, value in role.settings.items():
            yield Sysctl(name, " ".join(value.split()), FILE, as_written=True)


IN_GUEST = SysctlInGuest()
