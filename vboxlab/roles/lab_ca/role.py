"""The parameters of a machine that trusts the lab's own certification authority: none."""

from __future__ import annotations

from typing import ClassVar, Literal

from vboxlab.topology.roles import Role


class LabCaRole(Role):
    """A machine whose programs trust certificates that the lab has made (`secrets` of the topology)."""

    role: Literal["lab_ca"]

    list_order: ClassVar[int] = 9
    is_drawn: ClassVar[bool] = False
