"""The parameters of an SSH server, and what it offers and needs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Literal

from pydantic import Field

from vboxlab.topology.roles import Port, Role


class SshServerRole(Role):
    """An SSH server that lets root in with a password, as the practical wants for `scp -p`."""

    role: Literal["ssh_server"]
    root_login: bool = True
    password_authentication: bool = True
    secret: str = Field(default="root-password", description="name of the lab's secret that is root's password")

    list_order: ClassVar[int] = 6

    def ports_listened(self) -> frozenset[Port]:
        """Return the port of SSH."""
        return frozenset({Port("tcp", 22)})

    def secrets_used(self) -> Mapping[str, str]:
        """Return root's password."""
        return {"secret": self.secret}
