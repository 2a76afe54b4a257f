"""The parameters of users and groups of a machine."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Literal

from pydantic import Field, SerializerFunctionWrapHandler, model_serializer

from vboxlab.topology.roles import Parameters, Role

HIGHEST = 2**32 - 2
"""The highest number of a user or group: the one above it means none (chown(2))."""


class _Entry(Parameters):
    """What has a name, and a number where one is said."""

    name: str

    @model_serializer(mode="wrap")
    def _as_said(self, write: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Leave out numbers that are not said: digests of topologies without them are what they were."""
        written: dict[str, Any] = write(self)
        return {key: value for key, value in written.items() if value is not None or key not in ("uid", "gid")}


class GroupEntry(_Entry):
    """A group of a machine."""

    system: bool = Field(default=False, description="whether its number is one of the system's")
    gid: int | None = Field(default=None, ge=1, le=HIGHEST, description="its number; default: the next free one")


class UserEntry(_Entry):
    """A user of a machine, with a group of the same name."""

    uid: int | None = Field(
        default=None,
        ge=1,
        le=HIGHEST,
        description="its number, and that of its group where it is free; default: the next free one",
    )
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
