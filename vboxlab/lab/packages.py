"""How packages reach a guest that lacks some: a delta of the layer that it was made of, else archives of this host.

Only on a host that can make neither the guest's own apt looks for a mirror, which most guests of a lab cannot reach.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress

from vboxlab.base.archives import PackageArchives, install_script
from vboxlab.base.delta import STATUS, PackageDelta, apply_delta_script
from vboxlab.base.model import Base, Bases
from vboxlab.errors import BaseError
from vboxlab.guest.configurator import ReadyPackages, Way
from vboxlab.guest.executor import Executor
from vboxlab.language import _
from vboxlab.lazily import dataclass

STATUS_SECONDS = 60.0


@dataclass(frozen=True)
class DeltaOfBase:
    """A base's package delta in the form that the configurator takes."""

    delta: PackageDelta

    @property
    def packages(self) -> tuple[str, ...]:
        """Return the packages that the delta brings."""
        return self.delta.packages

    def script(self) -> str:
        """Return the script that unpacks it in a guest."""
        return apply_delta_script(self.delta)

    def data(self) -> bytes:
        """Return the archive."""
        return self.delta.archive.read_bytes()


@dataclass(frozen=True)
class FetchedArchives:
    """Archives of packages in the form that the configurator takes."""

    archives: PackageArchives

    @property
    def packages(self) -> tuple[str, ...]:
        """Return the packages that were asked for."""
        return self.archives.packages

    def script(self) -> str:
        """Return the script that installs them in a guest."""
        return install_script(self.archives)

    def data(self) -> bytes:
        """Return the tar of them."""
        return self.archives.content


@dataclass(frozen=True)
class Supply:
    """The ways by which one guest gets packages: `installed` are those of the image that its machine was made of."""

    bases: Bases
    base: Base
    executor: Executor
    installed: tuple[str, ...]
    wanted: tuple[str, ...]

    def ways(self) -> tuple[Way, ...]:
        """Return the ways, the quicker one first."""
        return (self._delta, self._archives)

    def _delta(self, _missing: Sequence[str]) -> ReadyPackages | None:
        with suppress(BaseError):  # what is in its way is in that of the archives, or not in theirs
            delta = self.bases.package_delta(self.base, self.installed, self.wanted)
            return None if delta is None else DeltaOfBase(delta)
        return None

    def _archives(self, missing: Sequence[str]) -> ReadyPackages | None:
        """Return the archives. Raises BaseError: where this host gets nothing, its guests get nothing either."""
        status = self.executor.run(f"cat /{STATUS}", timeout=STATUS_SECONDS)
        if status.exit_code != 0:
            return None
        try:
            found = self.bases.package_archives(self.base, status.stdout.encode(), tuple(missing))
        except BaseError as error:
            text = _("{machine}: this computer cannot fetch for it: {packages}")
            advice = _(
                "let this computer reach a Debian mirror (`vboxlab doctor` asks it), or correct the packages' names"
            )
            raise BaseError(
                text.format(machine=self.executor.machine, packages=", ".join(missing)),
                details=[error.brief, *error.details],
                resolution=error.resolution or advice,
            ) from error
        return None if found is None else FetchedArchives(found)
