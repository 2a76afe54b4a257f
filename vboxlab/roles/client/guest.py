"""The client: what is needed to look at the lab from outside."""

from __future__ import annotations

from collections.abc import Iterable

from vboxlab.guest.place import Place
from vboxlab.guest.resources import Package, Resource
from vboxlab.guest.roles import GuestRole
from vboxlab.roles.client.role import ClientRole


class ClientInGuest(GuestRole[ClientRole]):
    """A client."""

    def resources(self, role: ClientRole, place: Place) -> Iterable[Resource]:
        """Return the resources of a client."""
        del role, place
        yield Package("curl")
        yield Package("iputils-ping")


IN_GUEST = ClientInGuest()
