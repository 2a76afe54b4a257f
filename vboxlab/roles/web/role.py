"""The parameters of a web server, and what it offers."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from vboxlab.topology.roles import Port, Role

if TYPE_CHECKING:
    from vboxlab.guest.roles import GuestRole
    from vboxlab.topology.problems import Problem
    from vboxlab.topology.subject import Subject


class WebRole(Role):
    """An Apache web server whose index page names it."""

    role: Literal["web"]
    page: str = Field(description="content of /var/www/html/index.html, one line that names the server")

    list_order: ClassVar[int] = 1

    def ports_listened(self) -> frozenset[Port]:
        """Return the port of HTTP."""
        return frozenset({Port("tcp", 80)})

    def told_by(self) -> str:
        """Return its page."""
        return self.page

    @classmethod
    def problems(cls, subject: Subject) -> Iterable[Problem]:
        """Return what is wrong with the web servers of a topology."""
        from vboxlab.roles.web.rules import same_pages

        return same_pages(subject)

    @classmethod
    def in_guest(cls) -> GuestRole[WebRole]:
        """Return what a web server is in its guest."""
        from vboxlab.roles.web.guest import WebInGuest

        return WebInGuest()
