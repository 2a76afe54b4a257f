"""The bases of this host on disk: bases/NAME-DIGEST/ and layers/IMAGE/ below the home directory.

What stands under its final name is complete: everything is made in a directory beside it and renamed. One lock per home
makes sure that two processes never build the same thing twice.
"""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path

from vboxlab.base.added import AddedBase, AddedBases, NewBase, elsewhere, hand_over
from vboxlab.base.archives import PackageArchives
from vboxlab.base.delta import PackageDelta
from vboxlab.base.jobs import NoNamespaces
from vboxlab.base.keys import ensure_key, key_file
from vboxlab.base.layers import Layers
from vboxlab.base.mirror import find_mirror
from vboxlab.base.model import ADDING, GONE, NEW, Base, Login, Wanted
from vboxlab.base.recipe import RECIPES, Recipe, digest_of
from vboxlab.base.sharing import Shared
from vboxlab.base.stored import StoredBase, check_unused, image_name
from vboxlab.errors import BaseError, VboxlabError
from vboxlab.files import (
    PRIVATE_FILE,
    bytes_on_disk,
    flush_tree,
    make_private_folder,
    publish,
    read_json,
    write_durably,
)
from vboxlab.home import claim_home
from vboxlab.hypervisor.driver import Driver, Progress, no_progress
from vboxlab.language import C_, _
from vboxlab.settings import Settings

DEFAULT = "debian12"
UNFINISHED = (NEW, ADDING, GONE)
_RECORD = "base.json"
_RECORDS = f"[!.]*/{_RECORD}"  # of what has its final name


class BaseStore:
    """Finds, builds and removes bases and their package layers (implements vboxlab.base.model.Bases)."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.directory = settings.home / "bases"
        self.layers = Layers(settings)
        self.added = AddedBases(settings.home)
        self._lock = Shared(self._locked)

    def get(self, name: str) -> Base:
        """Return a base: the current one, else the newest, for the machines that it has. See Bases.get."""
        added = self.added.find(name)
        if added is not None:
            return self.added.base(added)
        recipe = self._recipe(name)
        found = [base for base in self.list() if base.name == name]
        if not found:
            resolution = _("vboxlab base build {name}").format(name=name)
            raise BaseError(_("base {name} is not built yet").format(name=name), resolution=resolution)
        return self._base(recipe, max(found, key=lambda base: (base.current, base.built)))

    def can_build(self, name: str) -> bool:
        """Tell whether a base is missing, or out of date, and can be built here. See Bases.can_build."""
        return name in RECIPES and not any(base.name == name and base.current for base in self.list())

    def build(
        self,
        name: str = DEFAULT,
        progress: Progress = no_progress,
        *,
        again: bool = False,
        drivers: Sequence[Driver] = (),
        layers: Sequence[Wanted] = (),
    ) -> Base:
        """Build a base unless it is there (with `again` also then) and return it.

        These layers are made beside its disk, from the tree that it is made from (see Layers.beside).
        With `again` the old one and its layers go once the new one is built. Raises BaseError when it cannot be built,
        and, with `again`, while machines of one of the drivers are clones of the old one: their disks would be lost.
        """
        recipe = self._recipe(name)
        with self.locked(progress):
            _private, public_key = ensure_key(self.settings.home)
            digest = recipe.digest(public_key)
            final = self.directory / image_name(name, digest)
            old = [base for base in self.list() if base.directory == final] if again else []
            check_unused(name, old, drivers)
            if again or not final.exists():
                self._build(recipe, digest, layers, lambda: self._drop(name, old, drivers), progress)
        return self.get(name)

    def add(self, new: NewBase, driver: Driver, progress: Progress = no_progress) -> str:
        """Add a base that was not built here, and say what was done. All or nothing.

        Raises BaseError when the name is taken, and what the driver raises.
        """
        new.check()
        with self.locked(progress):
            self._check_free(new.name, driver)
            said = hand_over(new, driver, progress)
            try:
                self.added.write(new, driver.name)
            except BaseException:
                with suppress(VboxlabError):  # what kept it from being recorded is to be told
                    driver.remove_image(new.name)
                raise
        return said

    def _check_free(self, name: str, driver: Driver) -> None:
        if name in RECIPES or name in {base.name for base in self.list()}:
            text = _("the name {name} is taken by a base that is built here")
            raise BaseError(text.format(name=name), resolution=_("choose another name"))
        added = self.added.find(name)
        if added is not None:
            text = _("there is a base {name} already: {origin}")
            resolution = _("choose another name, or `vboxlab base remove {name}` first")
            raise BaseError(text.format(name=name, origin=added.origin_told), resolution=resolution.format(name=name))
        if driver.has_image(name):
            resolution = _("choose another name, or `vboxlab base remove {name}` when nothing needs it")
            raise BaseError(
                _("{driver} has an image {name} already").format(driver=driver.name, name=name),
                details=[_("it was left by an add that was interrupted, or belongs to another VBOXLAB_HOME")],
                resolution=resolution.format(name=name),
            )

    def list(self) -> tuple[StoredBase, ...]:
        """Return the bases that were built and are on disk, the current ones first."""
        records = (self._stored(path.parent) for path in sorted(self.directory.glob(_RECORDS)))
        bases = (base for base in records if base)
        return tuple(sorted(bases, key=lambda base: (base.name, not base.current, base.built)))

    def remove(self, which: str, driver: Driver, others: Sequence[Driver] = ()) -> tuple[str, ...]:
        """Remove a base (by name: all of that name; or by its image's name) with its layers, and return what went.

        An added base is forgotten, and what was imported for it removed; a VM of the user's stays as it is. Raises
        BaseError, before anything is removed, while machines of the driver or of others depend on it (naming them).
        """
        added = self.added.find(which)
        wanted = [base for base in self.list() if which in (base.name, base.image)]
        if added is not None or (not wanted and driver.has_image(which)):
            return self._remove_added(which, added, driver)
        if not wanted:
            known = ", ".join([base.image for base in self.list()] + [base.name for base in self.added.all()])
            raise BaseError(
                _("there is no base {name}").format(name=which),
                details=[_("bases: {names}").format(names=known or C_("bases", "none"))],
                resolution=_("vboxlab base list"),
            )
        with self.locked():
            self._drop(which, wanted, (driver, *others))
        return tuple(name for base in wanted for name in (*base.layers, base.image))

    def _drop(self, which: str, bases: Sequence[StoredBase], drivers: Sequence[Driver]) -> None:
        """Remove bases with their layers and the drivers' images. Raises BaseError while machines are clones of one."""
        for driver, images in zip(drivers, check_unused(which, bases, drivers), strict=True):
            for image in images:
                driver.remove_image(image)
        for base in bases:
            self.layers.discard((*base.layers, base.image))
            self._discard(base.directory)

    def _remove_added(self, name: str, added: AddedBase | None, driver: Driver) -> tuple[str, ...]:
        if added is not None and added.driver != driver.name:
            raise elsewhere(added, driver.name)
        with self.locked():
            if driver.has_image(name):
                driver.remove_image(name)
            if added is not None:
                self.added.forget(added)
        return (name,)

    def need_image(self, driver: Driver, base: Base) -> None:
        """Raise BaseError where no image of the base can be had: it was added to another driver, or its VM is gone."""
        added = self.added.find(base.name)
        if added is not None and (added.driver != driver.name or not driver.has_image(added.image)):
            raise elsewhere(added, driver.name)

    def ensure_image(
        self, driver: Driver, base: Base, packages: tuple[str, ...], later: tuple[str, ...] = (),
        progress: Progress = no_progress, *, offered: tuple[str, ...] = (),
    ) -> str:  # fmt: skip
        """Return the name of a driver image of the base with these packages installed, making it when missing.

        `later` are packages that later stages will want: their delta (see package_delta) is prepared as well. Where
        packages cannot be installed natively, the base's own image is returned: guests then use apt. So it is for
        bases that were added.
        """
        added = self.added.find(base.name)
        if added is not None:
            self.need_image(driver, base)
            return added.image
        directory = self.directory / base.image
        recipe = self._recipe(base.name)
        packages, later = base.lacking(packages), base.lacking(later)
        offered = tuple(name for name in base.lacking(offered) if name not in packages)
        name = self.layers.image_name(base, packages, offered) if packages or offered else base.image
        present = driver.has_image(name)
        if not present:
            base.need_current()
        if not self.layers.complete(base, directory, packages, () if offered else later, offered):
            try:
                with self.locked(progress):
                    self.layers.ensure(recipe, base, directory, packages, later, progress, offered)
            except NoNamespaces as error:
                text = _("{problem}: the guests will install {packages}")
                progress(text.format(problem=error.brief, packages=" ".join((*packages, *offered))), None)
                name, packages, offered = base.image, (), ()
                present = driver.has_image(name)
        if not present:
            disk = self.layers.disk(base, directory, packages, offered)
            driver.import_image(name, disk, ours=True, progress=progress)
        return name

    def package_delta(
        self,
        base: Base,
        before: tuple[str, ...],
        after: tuple[str, ...],
        progress: Progress = no_progress,
    ) -> PackageDelta | None:
        """Return what brings a machine with the packages `before` (its image's) to those of `after` without apt.

        It is made when missing, in seconds. None where that is not possible: install with apt then.
        """
        if not base.prepared:
            return None
        recipe = self._recipe(base.name)
        directory = self.directory / base.image
        before, after = base.lacking(before), base.lacking(after)
        found = self.layers.find_delta(base, before, after)
        if found is not None or not set(after) - set(before):
            return found
        try:
            with self.locked(progress):
                self.layers.ensure(recipe, base, directory, before, tuple(set(after) - set(before)), progress)
        except NoNamespaces:
            return None
        return self.layers.find_delta(base, before, after)

    def packages_of(self, image: str) -> tuple[str, ...]:
        """Return the packages with which an image was made of a base. See Bases.packages_of."""
        return self.layers.packages_of(image) if self.layers.has(image) else ()

    def package_archives(
        self, base: Base, status: bytes, packages: tuple[str, ...], progress: Progress = no_progress
    ) -> PackageArchives | None:
        """Return the archives that bring packages to a guest. See Bases.package_archives."""
        if not base.prepared:
            return None
        try:
            with self.locked(progress):
                return self.layers.archives(
                    self._recipe(base.name), self.directory / base.image, status, packages, progress
                )
        except NoNamespaces:
            return None

    def locked(self, progress: Progress = no_progress) -> AbstractContextManager[None]:
        """Hold the lock of this home's bases; another process building is waited for, and said so.

        Threads of one store hold it together.
        """
        return self._lock.having(progress)

    @contextmanager
    def _locked(self, progress: Progress) -> Iterator[None]:
        from filelock import FileLock, Timeout

        claim_home(self.settings.home)
        make_private_folder(self.directory)
        lock = FileLock(self.directory / "bases.lock", mode=PRIVATE_FILE, thread_local=False)
        try:
            lock.acquire(timeout=0)
        except Timeout:
            progress(_("waiting for another vboxlab process that builds"), None)
            lock.acquire()
        try:
            self._clear_unfinished()
            yield
        finally:
            lock.release()

    def _clear_unfinished(self) -> None:
        """Remove what builds, adds and removals that were killed have left, passwords in it included."""
        for folder in (self.directory, self.layers.directory):
            for name in UNFINISHED:
                shutil.rmtree(folder / name, ignore_errors=True)

    def _recipe(self, name: str) -> Recipe:
        if name not in RECIPES:
            built = ", ".join(sorted({base.name for base in self.list()})) or C_("bases", "none")
            details = [
                _("bases that can be built: {names}").format(names=", ".join(RECIPES)),
                _("bases that are built: {names}").format(names=built),
            ]
            if added := [base.name for base in self.added.all()]:
                details.append(_("bases that were added: {names}").format(names=", ".join(added)))
            resolution = _("use one of these in the topology, then: vboxlab base build {name}").format(name=DEFAULT)
            raise BaseError(_("there is no base {name}").format(name=name), details=details, resolution=resolution)
        return RECIPES[name]

    def _base(self, recipe: Recipe, stored: StoredBase) -> Base:
        login = Login(recipe.user, key_file=key_file(self.settings.home))
        return Base(
            stored.name, login, stored.image, prepared=True, digest=stored.digest, size=stored.size,
            current=stored.current, packages=stored.packages,
        )  # fmt: skip

    def _build(
        self,
        recipe: Recipe,
        digest: str,
        layers: Sequence[Wanted],
        make_room: Callable[[], None],
        progress: Progress,
    ) -> None:
        from vboxlab.base import builder

        new = self.directory / NEW
        public_key = ensure_key(self.settings.home)[1]
        final = self.directory / image_name(recipe.name, digest)
        base = Base(
            recipe.name,
            Login(recipe.user),
            final.name,
            prepared=True,
            digest=digest,
            packages=frozenset(recipe.packages),
        )
        # A further set of later packages for the same layer is made once it is wanted.
        sets = {base.lacking(packages): base.lacking(later) for packages, later in reversed(layers)}
        beside, publish_layers = self.layers.beside(recipe, base, final, sets.items(), progress)
        shutil.rmtree(new, ignore_errors=True)
        make_private_folder(new)
        try:
            builder.build(recipe, find_mirror(self.settings), public_key, new, self.layers.cache, progress, beside)
            record = {"name": recipe.name, "digest": digest, "built": time.time(), "packages": recipe.packages}
            write_durably(new / _RECORD, json.dumps(record))
            flush_tree(new)  # takes its time, and may find the disk full: until then the old one stays
            make_room()
            publish(new, final)
            publish_layers()
        finally:
            for folder in (self.directory, self.layers.directory):
                shutil.rmtree(folder / NEW, ignore_errors=True)

    def _stored(self, directory: Path) -> StoredBase | None:
        file = directory / _RECORD
        try:
            record = read_json(file)
            name, digest, built = str(record["name"]), str(record["digest"]), float(record["built"])
            packages = frozenset(map(str, record.get("packages", ())))
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise self._damaged(file, error) from error
        size = sum(map(bytes_on_disk, directory.iterdir()))
        image = image_name(name, digest)
        current, layers = digest == self._wanted(name), self.layers.of(image)
        return StoredBase(name, digest, directory, built, current, size, layers, packages)

    def _damaged(self, file: Path, error: Exception) -> BaseError:
        """Return the error for a record that cannot be read: its folder has the disk that machines are clones of."""
        text = _("put it right from a backup; remove {folder} only when no machine is a clone of its disk")
        resolution = text.format(folder=file.parent)
        for name in RECIPES:
            digest = self._wanted(name)
            if digest and image_name(name, digest) == file.parent.name:
                record = json.dumps({"name": name, "digest": digest, "built": int(file.stat().st_mtime)})
                resolution = _("write into that file: {record}").format(record=record)
        details = [_("{subject}: {problem}").format(subject=type(error).__name__, problem=error)]
        brief = _("the record of a base cannot be read: {path}").format(path=file)
        return BaseError(brief, details=details, resolution=resolution)

    def _wanted(self, name: str) -> str | None:
        public = key_file(self.settings.home).with_suffix(".pub")
        if name not in RECIPES or not public.exists():
            return None
        return digest_of(name, public.read_text(encoding="ascii", errors="replace").strip())

    def _discard(self, directory: Path) -> None:
        """Remove a finished directory such that a killed process leaves no half one under its name."""
        gone = directory.with_name(GONE)
        shutil.rmtree(gone, ignore_errors=True)
        directory.rename(gone)
        shutil.rmtree(gone, ignore_errors=True)
