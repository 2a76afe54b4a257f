"""The parameters of the packages of a machine."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from vboxlab.topology.roles import Role


class PackagesRole(Role):
    """A machine with Debian packages, which are installed before anything else of it is configured."""

    role: Literal["packages"]
    names: tuple[str, ...] = Field(min_length=1, description="names of packages, such as nginx")

    list_order: ClassVar[int] = 20
    is_drawn: ClassVar[bool] = False
    may_repeat: ClassVar[bool] = True
