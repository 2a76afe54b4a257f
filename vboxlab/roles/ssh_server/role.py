"""The parameters of an SSH server, and what it offers and needs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from vboxlab.topology.roles import Port, Role

if TYPE_CHECKING:
    from vboxlab.guest.roles import GuestRole


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

    @classmethod
    def in_guest(cls) -> GuestRole[SshServerRole]:
        """Return what an SSH server is in its guest."""
        from vboxlab.roles.ssh_server.guest import SshServerInGuest

        return SshServerInGuest()
