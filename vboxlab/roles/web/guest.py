"""The web server: Apache with one page that names it."""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import IPv4Address

from vboxlab.guest.facts import Facts
from vboxlab.guest.findings import Finding
from vboxlab.guest.pages import page_served
from vboxlab.guest.place import Place
from vboxlab.guest.resources import Command, File, Package, Resource, Service
from vboxlab.guest.roles import GuestRole
from vboxlab.roles.web.role import WebRole
from vboxlab.roles.web.slips import PAGE, slips
from vboxlab.roles.web.words import EXPECTED, FOUND

UPLOADS = "/var/www/html/uploads"
CONFIGURATION = "/etc/apache2/conf"


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
        if role.uploads:
            yield from _uploads()
        yield Service("apache2")
        yield page_served(IPv4Address("127.0.0.1"), unit="apache2", containing=role.page.strip())

    def slips(self, role: WebRole, place: Place, facts: Facts) -> Iterable[Finding]:
        """Return what is wrong with the page."""
        return slips(role, place, facts)


IN_GUEST = WebInGuest()


def _uploads() -> Iterable[Resource]:
    """Return what lets clients write below /uploads/ (mod_dav(8) of Apache 2.4; its lock file is set by Debian)."""
    module = "/etc/apache2/mods-enabled/dav_fs.load"
    yield Command("dav_fs enabled", ("a2enmod", "-q", "dav_fs"), ("test", "-e", module))
    made = ("install", "-d", "-o", "www-data", "-g", "www-data", UPLOADS)
    yield Command("uploads folder", made, ("test", "-d", UPLOADS))
    yield File(f"{CONFIGURATION}-available/uploads.conf", "<Location /uploads/>\n    DAV On\n</Location>\n")
    enabled = f"{CONFIGURATION}-enabled/uploads.conf"
    enable = "a2enconf -q uploads && systemctl try-restart apache2"
    yield Command("uploads enabled", ("sh", "-c", enable), ("test", "-e", enabled))
