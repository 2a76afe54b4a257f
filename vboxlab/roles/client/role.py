"""The parameters of a client: none."""

from __future__ import annotations

from typing import ClassVar, Literal

from vboxlab.topology.roles import Role


class ClientRole(Role):
    """A client with what is needed to look at the lab from outside."""

    role: Literal["client"]

    list_order: ClassVar[int] = 5
