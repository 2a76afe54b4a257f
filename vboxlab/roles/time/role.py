"""The parameters of a machine's time."""

from __future__ import annotations

from typing import ClassVar, Literal

from vboxlab.topology.roles import Role


class TimeRole(Role):
    """A machine whose clock and time zone agree with the others'."""

    role: Literal["time"]
    zone: str = "Europe/Paris"

    list_order: ClassVar[int] = 7
    is_drawn: ClassVar[bool] = False
