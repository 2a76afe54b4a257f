"""Packages: all of a machine go into one run of apt-get."""

from __future__ import annotations

from collections.abc import Iterable

from vboxlab.guest.place import Place
from vboxlab.guest.resources import Package, Resource
from vboxlab.guest.roles import GuestRole
from vboxlab.roles.packages.role import PackagesRole


class PackagesInGuest(GuestRole[PackagesRole]):
    """Packages of a machine."""

    def resources(self, role: PackagesRole, place: Place) -> Iterable[Resource]:
        """Return the packages."""
        del place
        return [Package(name) for name in role.names]


IN_GUEST = PackagesInGuest()
