"""Roles: what a guest is configured to be. One small file per role; each turns parameters into typed resources.

A new role is a class in vboxlab.topology.roles, a file here, and a line in ROLES.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from vboxlab.guest.resources import Resource, merge
from vboxlab.guest.roles.client import client
from vboxlab.guest.roles.clock import clock
from vboxlab.guest.roles.dns import dns
from vboxlab.guest.roles.heartbeat import heartbeat
from vboxlab.guest.roles.lvs import lvs
from vboxlab.guest.roles.naming import naming
from vboxlab.guest.roles.network import network
from vboxlab.guest.roles.place import Place
from vboxlab.guest.roles.router import router
from vboxlab.guest.roles.ssh_server import ssh_server
from vboxlab.guest.roles.web import web
from vboxlab.topology.model import Machine, Topology

RoleFunction = Callable[[Any, Place], Iterable[Resource]]

ROLES: dict[str, RoleFunction] = {
    "client": client,
    "dns": dns,
    "heartbeat": heartbeat,
    "lvs": lvs,
    "router": router,
    "ssh_server": ssh_server,
    "time": clock,
    "web": web,
}


def resources_for(topology: Topology, machine: Machine, stage: str | None) -> tuple[Resource, ...]:
    """Return everything that must be true in a machine's guest at a stage (None: only what holds in every stage).

    Host name, names and network come first, then the roles in order; a later role has the last word on a key.
    """
    place = Place(topology, machine, stage)
    resources: list[Resource] = [*naming(place), *network(place)]
    for role in place.roles:
        resources.extend(ROLES[role.role](role, place))
    return merge(resources)
