"""The parameters of users and groups of a machine."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Literal

from pydantic import Field

from vboxlab.topology.roles import Parameters, Role


class GroupEntry(Parameters):
    """A group of a machine."""

    name: str
    system: bool = Field(default=False, description="whether its number is one of the system's")


class UserEntry(Parameters):
    """A user of a machine, with a group of the same name."""

    name: str
    groups: tuple[str, ...] = Field(default=(), description="groups that the user is in besides the own one")
    shell: str | None = Field(default=None, description="default: /bin/bash, of a system user /usr/sbin/nologin")
    home: str | None = Field(default=None, description="default: /home/NAME, of a system user none")
    system: bool = Field(default=False, description="whether it is a program's user: no home, no login")
    keys: tuple[str, ...] = Field(default=(), description="public SSH keys that may log in as the user")
    password: str | None = Field(default=None, description="name of the lab's secret that is the password")


class UsersRole(Role):
    """A machine with users and groups of its own."""

    role: Literal["users"]
    groups: tuple[GroupEntry, ...] = ()
    users: tuple[UserEntry, ...] = ()

    list_order: ClassVar[int] = 23
    is_drawn: ClassVar[bool] = False
    may_repeat: ClassVar[bool] = True

    def secrets_used(self) -> Mapping[str, str]:
        """Return the users' passwords."""
        return {f"users.{index}.password": user.password for index, user in enumerate(self.users) if user.password}
