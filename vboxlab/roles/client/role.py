"""The parameters of a client: none."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from vboxlab.topology.roles import Role

if TYPE_CHECKING:
    from vboxlab.guest.roles import GuestRole


class ClientRole(Role):
    """A client with what is needed to look at the lab from outside."""

    role: Literal["client"]

    list_order: ClassVar[int] = 5

    @classmethod
    def in_guest(cls) -> GuestRole[ClientRole]:
        """Return what a client is in its guest."""
        from vboxlab.roles.client.guest import ClientInGuest

        return ClientInGuest()
