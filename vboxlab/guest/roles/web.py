"""The web server: Apache with one page that names it."""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import IPv4Address

from vboxlab.guest.resources import Await, File, Package, Resource, Service
from vboxlab.guest.roles.place import Place
from vboxlab.topology.roles import WebRole

# bash opens TCP connections itself (bash(1), "REDIRECTION"), so nothing needs to be installed to look at a page.
FETCH = (
    'exec 3<>"/dev/tcp/$1/$2" || exit 1; printf "GET / HTTP/1.0\\r\\n\\r\\n" >&3; '
    'found=$(cat <&3); [[ $found == *" 200 "* && $found == *"$3"* ]]'
)


def web(role: WebRole, _place: Place) -> Iterable[Resource]:
    """Return the resources of an Apache web server."""
    yield Package("apache2")
    yield File("/var/www/html/index.html", role.page if role.page.endswith("\n") else role.page + "\n")
    yield Service("apache2")
    yield page_served(IPv4Address("127.0.0.1"), unit="apache2", containing=role.page.strip())


def page_served(
    address: IPv4Address, *, unit: str, port: int = 80, containing: str = "", within: float = 30.0
) -> Await:
    """Return the wish that a web server, or what a unit starts it with, answers with a page that contains the text."""
    argv = ("timeout", "5", "bash", "-c", FETCH, "page", str(address), str(port), containing)
    return Await("page", argv, within, unit=unit)
