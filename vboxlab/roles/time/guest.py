"""The time zone. The clock itself comes from the virtual machine's hardware clock, which follows the host's."""

from __future__ import annotations

import shlex
from collections.abc import Iterable

from vboxlab.guest.place import Place
from vboxlab.guest.resources import Command, Package, Resource
from vboxlab.guest.roles import GuestRole
from vboxlab.roles.time.role import TimeRole

LOCALTIME = "/etc/localtime"
ZONES = "/usr/share/zoneinfo/"


class TimeInGuest(GuestRole[TimeRole]):
    """The time of a machine."""

    def resources(self, role: TimeRole, place: Place) -> Iterable[Resource]:
        """Return the resources that set a machine's time zone, as `timedatectl set-timezone` does (localtime(5))."""
        del place
        yield Package("tzdata")
        zone = f"{ZONES}{role.zone}"
        yield Command(
            f"time zone {role.zone}",
            run=("ln", "-sfn", zone, LOCALTIME),
            unless=("test", LOCALTIME, "-ef", zone),
        )

    def typed(self, command: Command) -> str | None:
        """Return what sets the time zone."""
        match command.run:
            case ("ln", "-sfn", zone, link) if link == LOCALTIME and zone.startswith(ZONES):
                return f"timedatectl set-timezone {shlex.quote(zone.removeprefix(ZONES))}"
            case _:
                return None


IN_GUEST = TimeInGuest()
