"""The guest's side of the installed roles, and what the roles of a machine come to together."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

from vboxlab.guest.naming import naming
from vboxlab.guest.network import network
from vboxlab.guest.place import Place
from vboxlab.guest.resources import Resource, merge
from vboxlab.guest.roles import GuestRole
from vboxlab.language import _
from vboxlab.topology.model import Machine, Topology
from vboxlab.topology.role_registry import InstalledRole, installed_roles
from vboxlab.topology.roles import Role


@cache
def guest_roles() -> Mapping[str, GuestRole[Any]]:
    """Return the guest's side of all installed roles by name. Raises RoleUnusable where there is none."""
    return {name: _loaded(role) for name, role in installed_roles().items()}


def _loaded(role: InstalledRole) -> GuestRole[Any]:
    module = role.module("guest")
    if module is None:
        raise role.unusable(_("there is no guest.py beside its role.py; expected one with `IN_GUEST`"))
    found = getattr(module, "IN_GUEST", None)
    if not isinstance(found, GuestRole):
        text = _("IN_GUEST of {module} is {value!r}; expected a vboxlab.guest.roles.GuestRole")
        raise role.unusable(text.format(module=module.__name__, value=found))
    return found


def in_guest(role: Role) -> GuestRole[Any]:
    """Return the guest's side of a role."""
    return guest_roles()[role.role]


def resources_for(topology: Topology, machine: Machine, stage: str | None) -> tuple[Resource, ...]:
    """Return everything that must be true in a machine's guest at a stage (None: only what holds in every stage).

    Host name, names and network come first, then the roles in order; a later role has the last word on a key.
    Of a machine that is not configured nothing is known.
    """
    if not machine.configured:
        return ()
    place = Place(topology, machine, stage)
    resources: list[Resource] = [*naming(place), *network(place)]
    for role in place.roles:
        resources.extend(in_guest(role).resources(role, place))
    return merge(resources)
