"""What the rest of vboxlab sees of bases: their names, how to log in, and the images made from them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Protocol

from vboxlab.base.archives import PackageArchives
from vboxlab.base.delta import PackageDelta
from vboxlab.errors import BaseError
from vboxlab.hypervisor.driver import Driver, Progress, no_progress
from vboxlab.language import _
from vboxlab.lazily import dataclass

# Beside bases and layers: what is being made, recorded or removed, by whoever holds the lock of this home's bases.
NEW, ADDING, GONE = ".new", ".adding", ".gone"


Wanted = tuple[tuple[str, ...], tuple[str, ...]]  # packages of a layer, and those that later stages want beyond them


@dataclass(frozen=True)
class Login:
    """How to log in to a fresh clone of a base. Secrets are paths to files, never values."""

    user: str  # "" where nobody can log in
    key_file: Path | None = None
    password_file: Path | None = None  # used where the key is refused
    root_password_file: Path | None = None  # for su, where the user has no right to sudo


@dataclass(frozen=True)
class Base:
    """A base that machines can be cloned from."""

    name: str
    login: Login
    image: str  # name of the image within the driver
    prepared: bool  # built by us: management address and our key are inside already
    digest: str
    size: int = 0
    stock: bool = False  # knows nothing of vboxlab: a clone is first reached over adapter 1, with DHCP
    current: bool = True  # else its recipe or key has changed since it was built: good for the machines that it has
    packages: frozenset[str] = frozenset()  # that every image of it has, as far as is known

    def lacking(self, packages: Iterable[str]) -> tuple[str, ...]:
        """Return those of the packages that the base does not come with."""
        return tuple(package for package in packages if package not in self.packages)

    def need_current(self) -> None:
        """Raise BaseError unless new machines may be made of the base."""
        if not self.current:
            raise BaseError(
                _("base {name} is out of date").format(name=self.name),
                details=[
                    _("its recipe or the key of this home changed since; machines that it has already go on working")
                ],
                resolution=_("vboxlab base build {name}").format(name=self.name),
            )

    def need_login(self, machine: str) -> None:
        """Raise BaseError unless the guest of a machine made of it can be logged in to."""
        if not self.login.user:
            raise BaseError(
                _("{machine}: base {name} was added without a login, so its machines cannot be configured").format(
                    machine=machine, name=self.name
                ),
                resolution=_(
                    "write `configured: false` on the machine, or remove the base and add it again with --user"
                ),
            )


class Bases(Protocol):
    """The bases of this host."""

    def get(self, name: str) -> Base:
        """Return a base, one that is out of date where there is no current one.

        Raises BaseError with the bases that exist and the command that makes it.
        """

    def can_build(self, name: str) -> bool:
        """Tell whether a base is missing, or out of date, and can be built here."""

    def build(self, name: str, progress: Progress = no_progress, *, layers: Sequence[Wanted] = ()) -> Base:
        """Build a base unless it is there and up to date, and return it.

        These layers are made beside its disk, from the tree that it is made from. Raises BaseError.
        """

    def need_image(self, driver: Driver, base: Base) -> None:
        """Raise BaseError where no image of the base can be had: it was added to another driver, or its VM is gone."""

    def ensure_image(
        self,
        driver: Driver,
        base: Base,
        packages: tuple[str, ...],
        later: tuple[str, ...] = (),
        progress: Progress = no_progress,
        *,
        offered: tuple[str, ...] = (),
    ) -> str:
        """Return the name of a driver image of the base with these packages installed, making it when missing.

        `later` are packages that later stages will want: made ready to install fast and offline, without being
        installed. `offered` are packages that somebody will install by hand, with `apt install` and maybe without a
        mirror: the image has their archives, in a repository of its own. No image is made of a base that is out of date
        (BaseError). Where no layer can be made for a base, the base's own image is returned (guests then use apt).
        """

    def package_delta(
        self, base: Base, before: tuple[str, ...], after: tuple[str, ...], progress: Progress = no_progress
    ) -> PackageDelta | None:
        """Return what brings a machine from the packages `before` to those of `after` without apt, None if nothing."""

    def packages_of(self, image: str) -> tuple[str, ...]:
        """Return the packages with which a driver's image was made of a base: none for a base's own, or an unknown one.

        A machine keeps the image that it was made of, whatever its topology wants by now.
        """

    def package_archives(
        self, base: Base, status: bytes, packages: tuple[str, ...], progress: Progress = no_progress
    ) -> PackageArchives | None:
        """Return the archives that bring packages to a guest, whose package database (/var/lib/dpkg/status) this is.

        None where this host cannot fetch them for a guest. Raises BaseError when it can, and they are not to be had.
        """
