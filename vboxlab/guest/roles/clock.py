"""The time zone. The clock itself comes from the virtual machine's hardware clock, which follows the host's."""

from __future__ import annotations

from collections.abc import Iterable

from vboxlab.guest.resources import Command, Package, Resource
from vboxlab.guest.roles.place import Place
from vboxlab.topology.roles import TimeRole


def clock(role: TimeRole, _place: Place) -> Iterable[Resource]:
    """Return the resources that set a machine's time zone, as `timedatectl set-timezone` does (localtime(5))."""
    yield Package("tzdata")
    zone = f"/usr/share/zoneinfo/{role.zone}"
    yield Command(
        f"time zone {role.zone}",
        run=("ln", "-sfn", zone, "/etc/localtime"),
        unless=("test", "/etc/localtime", "-ef", zone),
    )
