"""Services: enabled and started, or put out of use, where they stand among the files and commands of a machine."""

from __future__ import annotations

from collections.abc import Iterable

from vboxlab.guest.place import Place
from vboxlab.guest.resources import Resource, Service
from vboxlab.guest.roles import GuestRole
from vboxlab.roles.services.role import ServicesRole


class ServicesInGuest(GuestRole[ServicesRole]):
    """Services of a machine."""

    def resources(self, role: ServicesRole, place: Place) -> Iterable[Resource]:
        """Return the services."""
        del place
        return [
            Service(each.name, enabled=each.enabled, running=each.running, as_written=True) for each in role.services
        ]


IN_GUEST = ServicesInGuest()
