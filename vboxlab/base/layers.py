"""Package layers: images of a base with packages installed, made once per base and set, natively on this host.

A layer directory has the disk, the boot files and what the layer is made of: the delta from the base. A delta directory
(name ending in .delta) has what brings machines of one layer to a bigger set of packages.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import sys
import tempfile
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vboxlab.base import disk
from vboxlab.base.archives import PackageArchives, along
from vboxlab.base.delta import Manifest, PackageDelta
from vboxlab.base.jobs import NoNamespaces, remove_tree, run_job, scratch_directory, trees_at_once
from vboxlab.base.mirror import find_mirror
from vboxlab.base.model import GONE, NEW, Base, Wanted
from vboxlab.base.native import Job, Step
from vboxlab.base.recipe import Recipe
from vboxlab.base.sharing import Shared
from vboxlab.errors import BaseError
from vboxlab.files import make_private_folder, publish, read_json, write_durably
from vboxlab.hypervisor.driver import Progress
from vboxlab.language import _
from vboxlab.lazily import dataclass
from vboxlab.settings import Settings

if TYPE_CHECKING:
    from vboxlab.base import builder


_RECORD = "layer.json"
_ARCHIVE = "delta.tar.zst"
_CHANGES = "changes.json"
_DELTA = ".delta"
_BOOT_FILES = ("vmlinuz", "initrd.img", "cmdline")


@dataclass(frozen=True)
class _Wanted:
    """What one job of the worker is to make."""

    packages: tuple[str, ...]
    layer: Path | None  # None: the layer is there, its delta is where the job starts from
    later: tuple[str, ...]
    delta: Path | None
    offered: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """Return the name of what is made, and of the draft that it is made in."""
        return "+".join(path.name for path in (self.layer, self.delta) if path)


@dataclass(frozen=True)
class _Source:
    """What layers are made from."""

    tree: Path  # root.tar
    files: Path  # the directory with the boot files, named as the base's image


class Layers:
    """The layers and deltas below one home. Callers hold the lock of the home's bases."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.directory = settings.home / "layers"
        self.cache = settings.home / "cache" / "apt"
        self._begun = time.time()
        self._room = threading.BoundedSemaphore(trees_at_once())
        self._making: defaultdict[str, threading.Lock] = defaultdict(threading.Lock)
        self._scratch = Shared(lambda: scratch_directory(self.directory))

    def image_name(self, base: Base, packages: Sequence[str], offered: Sequence[str] = ()) -> str:
        """Return the name of the image of a base with these packages, and those that are offered in it."""
        return f"{base.image}-{_set_digest((*packages, *(f'{name} offered' for name in offered)))}"

    def of(self, image: str) -> tuple[str, ...]:
        """Return the names of the layers made from a base's image."""
        found = (path.parent.name for path in self.directory.glob(f"{image}-*/{_RECORD}"))
        return tuple(sorted(name for name in found if not name.endswith(_DELTA)))

    def has(self, layer: str) -> bool:
        """Tell whether there is a layer of that name."""
        return bool(layer) and (self.directory / layer / _RECORD).is_file()

    def packages_of(self, layer: str) -> tuple[str, ...]:
        """Return the packages of a layer."""
        with _reading(self.directory / layer / _RECORD) as record:
            return tuple(map(str, record["packages"]))

    def offered_in(self, layer: str) -> tuple[str, ...]:
        """Return the packages that a layer offers without having them installed."""
        with _reading(self.directory / layer / _RECORD) as record:
            return tuple(map(str, record.get("offered", ())))

    def has_delta(self, base: Base, before: Sequence[str], later: Sequence[str]) -> bool:
        """Tell whether the delta from one set of packages to that set with later ones has been made."""
        return not set(later) - set(before) or (self._delta_directory(base, before, later) / _RECORD).exists()

    def disk(self, base: Base, base_directory: Path, packages: Sequence[str], offered: Sequence[str] = ()) -> Path:
        """Return where the disk with these packages is: the layer's, or the base's without any."""
        plain = not packages and not offered
        return (base_directory if plain else self.directory / self.image_name(base, packages, offered)) / "disk.qcow2"

    def complete(
        self, base: Base, base_directory: Path, packages: Sequence[str], later: Sequence[str],
        offered: Sequence[str] = (),
    ) -> bool:  # fmt: skip
        """Tell whether the layer and the delta to the later packages are there."""
        return self.disk(base, base_directory, packages, offered).exists() and self.has_delta(base, packages, later)

    def ensure(
        self, recipe: Recipe, base: Base, base_directory: Path, packages: tuple[str, ...], later: tuple[str, ...],
        progress: Progress, offered: tuple[str, ...] = (),
    ) -> None:  # fmt: skip
        """Make the layer, and the delta to the later packages, unless they are there.

        Without packages the layer is the base itself. One with offered packages has no deltas: those of the layer
        without them fit its machines. Threads make different layers at the same time, and wait for one
        that another is making. Raises BaseError.
        """
        with self._making[self.disk(base, base_directory, packages, offered).parent.name]:
            wanted = self._missing(base, base_directory, packages, later, offered)
            if wanted is None:
                return
            if sys.platform != "linux":
                raise NoNamespaces(_("packages can be installed natively on Linux only"))
            disk.require(disk.disk_tools())
            source = _source(recipe, base_directory)
            with self._room, self._scratch.having() as scratch:
                place = scratch / wanted.name
                make_private_folder(place)
                try:
                    self._draft(recipe, source, wanted, place, progress)
                    self._finish(wanted)
                finally:
                    remove_tree(place)
                    self._forget(wanted)

    def beside(
        self, recipe: Recipe, base: Base, base_directory: Path, sets: Iterable[Wanted], progress: Progress
    ) -> tuple[tuple[builder.Beside, ...], Callable[[], None]]:
        """Return the making of the layers of a base that is just being built, and what publishes them.

        One that fails is left out: whoever needs it makes it again then, and fails as for a base that is there.
        """
        found = (self._missing(base, base_directory, packages, later, (), new=True) for packages, later in sets)
        wanted = [each for each in found if each]

        def draft(what: _Wanted, tree: Path, files: Path, place: Path) -> None:
            try:
                self._draft(recipe, _Source(tree, files), what, place, progress)
            except BaseError as error:
                progress(error.brief, None)
                self._forget(what)

        def publish_all() -> None:
            for each in wanted:
                if self._drafted(each).is_dir():
                    self._finish(each)
                    self._forget(each)

        return tuple(partial(draft, each) for each in wanted), publish_all

    def _missing(
        self, base: Base, base_directory: Path, packages: tuple[str, ...], later: tuple[str, ...],
        offered: tuple[str, ...], *, new: bool = False,
    ) -> _Wanted | None:  # fmt: skip
        """Return what is to be made, all of it for a new base; None when everything is there."""
        layer = self.disk(base, base_directory, packages, offered).parent
        make_layer = bool(packages) if new else not (layer / "disk.qcow2").exists()
        more = () if offered else tuple(sorted(set(later) - set(packages)))
        make_delta = bool(more) if new else not self.has_delta(base, packages, more)
        if not make_layer and not make_delta:
            return None
        return _Wanted(
            packages=tuple(sorted(set(packages))),
            layer=layer if make_layer else None,
            later=more if make_delta else (),
            delta=self._delta_directory(base, packages, later) if make_delta else None,
            offered=tuple(sorted(set(offered))),
        )

    def find_delta(self, base: Base, before: Sequence[str], after: Sequence[str]) -> PackageDelta | None:
        """Return the delta from one set of packages to another; None when it is not made or cannot be."""
        later = tuple(sorted(set(after) - set(before)))
        directory = self._delta_directory(base, before, later)
        if not later or not (directory / _RECORD).exists():
            return None
        with _reading(directory / _CHANGES) as changes:
            manifest = changes["manifest"]
            return PackageDelta(directory / _ARCHIVE, Manifest.from_data(manifest), later) if manifest else None

    def discard(self, layers: Sequence[str]) -> None:
        """Remove layers with the deltas that start from them; a killed process leaves no half one under its name."""
        gone = self.directory / GONE
        for layer in layers:
            found = [self.directory / layer] if (self.directory / layer).exists() else []
            for path in (*found, *self.directory.glob(f"{layer}+*")):
                shutil.rmtree(gone, ignore_errors=True)
                path.rename(gone)
                shutil.rmtree(gone)

    def _delta_directory(self, base: Base, before: Sequence[str], later: Sequence[str]) -> Path:
        start = self.image_name(base, before) if before else base.image
        return self.directory / f"{start}+{_set_digest(set(later) - set(before))}{_DELTA}"

    def _drafted(self, wanted: _Wanted) -> Path:
        return self.directory / NEW / wanted.name

    def _forget(self, wanted: _Wanted) -> None:
        shutil.rmtree(self._drafted(wanted), ignore_errors=True)
        with suppress(OSError):  # others are being made
            self._drafted(wanted).parent.rmdir()

    def _draft(self, recipe: Recipe, source: _Source, wanted: _Wanted, place: Path, progress: Progress) -> None:
        """Make everything that is wanted, but for its name. Raises BaseError."""
        new = self._drafted(wanted)
        shutil.rmtree(new, ignore_errors=True)
        make_private_folder(new)
        run_job(self._job(recipe, source, wanted, place, new), progress)
        if wanted.layer:
            progress(_("writing the disk"), None)
            disk.to_qcow2(place / "disk.raw", new / "layer" / "disk.qcow2")
            for name in _BOOT_FILES:
                write_durably(new / "layer" / name, (source.files / name).read_bytes())

    def _finish(self, wanted: _Wanted) -> None:
        new = self._drafted(wanted)
        if wanted.delta:
            _finish(new / "delta", wanted.later, wanted.delta)
        if wanted.layer:
            _finish(new / "layer", wanted.packages, wanted.layer, wanted.offered)

    def _job(self, recipe: Recipe, source: _Source, wanted: _Wanted, scratch: Path, new: Path) -> Job:
        """Return the worker's job: from the base, or from the layer when that exists, step by step."""
        trees = [str(source.tree), str(source.files / "boot.tar")]
        removed: tuple[str, ...] = ()
        steps = []
        if wanted.layer:
            make_private_folder(new / "layer")
            raw = str(scratch / "disk.raw")
            whole = _step(wanted.packages, new / "layer", disk=raw, whole=True)
            offering = Step(wanted.packages, raw, whole=True, offered=wanted.offered)
            steps.append(offering if wanted.offered else whole)
        elif wanted.packages:
            start = self.directory / f"{source.files.name}-{_set_digest(wanted.packages)}"
            trees.append(str(start / _ARCHIVE))
            with _reading(start / _CHANGES) as changes:
                removed = tuple(map(str, changes["removed"]))
        if wanted.delta:
            make_private_folder(new / "delta")
            steps.append(_step(wanted.later, new / "delta"))
        return self._asked(recipe, trees, removed, scratch, steps)

    def archives(
        self, recipe: Recipe, base_directory: Path, status: bytes, packages: tuple[str, ...], progress: Progress
    ) -> PackageArchives:
        """Fetch the archives that bring the packages to a guest with this package database. Raises BaseError."""
        if sys.platform != "linux":
            raise NoNamespaces(_("packages can be fetched for guests on Linux only"))
        source = _source(recipe, base_directory)
        with self._room, self._scratch.having() as scratch, tempfile.TemporaryDirectory(dir=scratch) as folder:
            place = Path(folder)
            write_durably(place / "status", status)
            step = Step(packages, archives=str(place / "archives.tar"))
            try:
                run_job(
                    self._asked(recipe, [str(source.tree)], (), place, [step], status=str(place / "status")), progress
                )
                files = (place / "archives.tar.list").read_text(encoding="ascii").split()
                found = along(files, packages, status.decode(errors="replace"))
                return PackageArchives(packages, found, (place / "archives.tar").read_bytes())
            finally:
                remove_tree(place / "tree")

    def _asked(
        self, recipe: Recipe, trees: Sequence[str], removed: tuple[str, ...], scratch: Path, steps: Sequence[Step],
        status: str = "",
    ) -> Job:  # fmt: skip
        """Return the job with what every job needs."""
        mirror = find_mirror(self.settings)
        options = [option.replace(' "', "=").rstrip('";') for option in mirror.options]
        return Job(
            trees=tuple(trees), removed=removed, scratch=str(scratch), cache=str(self.cache), since=self._begun,
            steps=tuple(steps), disk_mib=recipe.disk_mib, label=recipe.label, status=status, apt_options=tuple(options),
            environment=tuple(mirror.environment.items()), logins=mirror.netrc,
        )  # fmt: skip


def _source(recipe: Recipe, base_directory: Path) -> _Source:
    tree = next(base_directory.glob("root.tar*"), None)
    if tree is None:
        text = _("the base {name} is not whole: {folder} has no root.tar")
        resolution = _("put it back from a backup, or `vboxlab base build {name} --again`")
        raise BaseError(
            text.format(name=recipe.name, folder=base_directory), resolution=resolution.format(name=recipe.name)
        )
    return _Source(tree, base_directory)


@contextmanager
def _reading(file: Path) -> Iterator[Any]:
    """Give what a file of a layer holds. Raises BaseError when that is not what is looked for in it."""
    try:
        yield read_json(file)
    except (OSError, ValueError, KeyError, TypeError) as error:
        resolution = _(
            "put the file right from a backup; where no machine is a clone of it (`vboxlab base list`), remove the "
            "folder {folder} and `vboxlab up` makes it again"
        )
        raise BaseError(
            _("a package layer is damaged: {path}").format(path=file),
            details=[_("{subject}: {problem}").format(subject=type(error).__name__, problem=error)],
            resolution=resolution.format(folder=file.parent),
        ) from error


def _step(packages: tuple[str, ...], directory: Path, *, disk: str = "", whole: bool = False) -> Step:
    return Step(packages, disk, archive=str(directory / _ARCHIVE), changes=str(directory / _CHANGES), whole=whole)


def _finish(directory: Path, packages: tuple[str, ...], final: Path, offered: tuple[str, ...] = ()) -> None:
    """Write the record that makes the directory complete and give it its name."""
    record = {"packages": packages, **({"offered": offered} if offered else {})}
    write_durably(directory / _RECORD, json.dumps(record))
    shutil.rmtree(final, ignore_errors=True)
    publish(directory, final)


def _set_digest(packages: Iterable[str]) -> str:
    return hashlib.sha256("\n".join(sorted(set(packages))).encode()).hexdigest()[:8]
