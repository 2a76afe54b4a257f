"""The parameters of a machine's time."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, ClassVar, Literal

from vboxlab.topology.roles import Role

if TYPE_CHECKING:
    from vboxlab.guest.roles import GuestRole
    from vboxlab.topology.problems import Problem
    from vboxlab.topology.subject import Subject


class TimeRole(Role):
    """A machine whose clock and time zone agree with the others'."""

    role: Literal["time"]
    zone: str = "Europe/Paris"

    list_order: ClassVar[int] = 7
    is_drawn: ClassVar[bool] = False

    @classmethod
    def problems(cls, subject: Subject) -> Iterable[Problem]:
        """Return what is wrong with the time zones of a topology."""
        from vboxlab.roles.time.rules import time_zones

        return time_zones(subject)

    @classmethod
    def in_guest(cls) -> GuestRole[TimeRole]:
        """Return what time is in a guest."""
        from vboxlab.roles.time.guest import TimeInGuest

        return TimeInGuest()
