"""The client: what is needed to look at the lab from outside."""

from __future__ import annotations

from collections.abc import Iterable

from vboxlab.guest.resources import Package, Resource
from vboxlab.guest.roles.place import Place
from vboxlab.topology.roles import ClientRole


def client(_role: ClientRole, _place: Place) -> Iterable[Resource]:
    """Return the resources of a client."""
    yield Package("curl")
    yield Package("iputils-ping")
