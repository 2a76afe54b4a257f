"""The web server: Apache with one page that names it."""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import IPv4Address

from vboxlab.guest.facts import Facts
from vboxlab.guest.findings import Finding
from vboxlab.guest.pages import page_served
from vboxlab.guest.place import Place
from vboxlab.guest.resources import File, Package, Resource, Service
from vboxlab.guest.roles import GuestRole
from vboxlab.roles.web.role import WebRole
from vboxlab.roles.web.slips import PAGE, slips
from vboxlab.roles.web.words import EXPECTED, FOUND


class WebInGuest(GuestRole[WebRole]):
    """A web server."""

    found = FOUND
    expected = EXPECTED
    understood = frozenset({PAGE})

    def resources(self, role: WebRole, place: Place) -> Iterable[Resource]:
        """Return the resources of an Apache web server."""
        del place
        yield Package("apache2")
        yield File(PAGE, role.page if role.page.endswith("\n") else role.page + "\n")
        yield Service("apache2")
        yield page_served(IPv4Address("127.0.0.1"), unit="apache2", containing=role.page.strip())

    def slips(self, role: WebRole, place: Place, facts: Facts) -> Iterable[Finding]:
        """Return what is wrong with the page."""
        return slips(role, place, facts)


IN_GUEST = WebInGuest()
