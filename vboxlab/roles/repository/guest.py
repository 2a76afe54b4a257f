"""A source of packages: its key, and a file that lets apt accept from it what that key signed (sources.list(5))."""

from __future__ import annotations

from collections.abc import Iterable

from vboxlab.guest.place import Place
from vboxlab.guest.resources import APT_SOURCES, File, Resource
from vboxlab.guest.roles import GuestRole
from vboxlab.roles.repository.role import RepositoryRole

KEYS = "/etc/apt/keyrings"


class RepositoryInGuest(GuestRole[RepositoryRole]):
    """A source of packages of a machine."""

    def resources(self, role: RepositoryRole, place: Place) -> Iterable[Resource]:
        """Return the files, which are there before packages are installed."""
        del place
        key = f"{KEYS}/{role.name}.asc"
        lines = ["Types: deb", f"URIs: {role.uri}", f"Suites: {role.suite}"]
        lines += [f"Components: {' '.join(role.components)}"] if not role.suite.endswith("/") else []
        lines += [f"Signed-By: {key}"]
        yield File(key, f"{(role.key or '').strip()}\n", before_packages=True)
        yield File(f"{APT_SOURCES}{role.name}.sources", "\n".join(lines) + "\n", before_packages=True)


IN_GUEST = RepositoryInGuest()
