"""The parameters of a web server, and what it offers."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from vboxlab.topology.roles import Port, Role


class WebRole(Role):
    """An Apache web server whose index page names it."""

    role: Literal["web"]
    page: str = Field(description="content of /var/www/html/index.html, one line that names the server")

    uploads: bool = Field(
        default=False, description="clients may write files below /uploads/ (WebDAV), as a measure of writes does"
    )

    list_order: ClassVar[int] = 1

    def ports_listened(self) -> frozenset[Port]:
        """Return the port of HTTP."""
        return frozenset({Port("tcp", 80)})

    def told_by(self) -> str:
        """Return its page."""
        return self.page
