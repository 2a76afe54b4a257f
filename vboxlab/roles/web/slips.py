"""Slips of the web server: the page that names it."""

from __future__ import annotations

from collections.abc import Iterator

from vboxlab.guest.facts import Facts
from vboxlab.guest.findings import Finding, in_file
from vboxlab.guest.place import Place
from vboxlab.roles.web.role import WebRole

PAGE = "/var/www/html/index.html"
DEBIAN_PAGE = "Apache2 Debian Default Page"
SHOWN = 60  # characters of a page that is not as it should be


def slips(role: WebRole, place: Place, facts: Facts) -> Iterator[Finding]:
    """Yield what is wrong with the page: it is missing, Debian's, another server's, or says something else."""
    machine, expected = place.machine.name, role.page.strip()
    file = facts.files.get(PAGE)
    if file is None:
        yield in_file("page-missing", machine, PAGE, None, expected=expected)
    elif DEBIAN_PAGE in file.content:
        yield in_file("page-default", machine, PAGE, None, expected=expected)
    elif expected not in file.content:
        found = " ".join(file.content.split())
        other = _owner(found, place)
        if other is not None:
            yield in_file("page-of-other", machine, PAGE, 1, other=other, expected=expected)
        else:
            short = found[:SHOWN] + ("…" if len(found) > SHOWN else "")
            yield in_file("page-differs", machine, PAGE, 1, found=short or "-", expected=expected)


def _owner(page: str, place: Place) -> str | None:
    """Return the machine that a page belongs to: clones keep the page of the machine that they were made from."""
    for machine, role in place.other_roles:
        if isinstance(role, WebRole) and machine.name != place.machine.name and role.page.strip() in page:
            return machine.name
    return None
