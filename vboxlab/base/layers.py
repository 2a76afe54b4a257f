"""Package layers: images of a base with packages installed, made once per base and set, natively on this host.

A layer directory has the disk, the boot files and what the layer is made of: the delta from the base. A delta directory
(name ending in .delta) has what brings machines of one layer to a bigger set of packages.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from vboxlab.base import disk
from vboxlab.base.delta import Manifest, PackageDelta
from vboxlab.base.jobs import NoNamespaces, run_job, scratch_directory
from vboxlab.base.mirror import find_mirror
from vboxlab.base.model import GONE, NEW, Base
from vboxlab.base.native import Job, Step
from vboxlab.base.recipe import Recipe
from vboxlab.errors import BaseError
from vboxlab.files import make_private_folder, publish, read_json, write_durably
from vboxlab.hypervisor.driver import Progress
from vboxlab.language import _
from vboxlab.lazily import dataclass
from vboxlab.settings import Settings

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


class Layers:
    """The layers and deltas below one home. Callers hold the lock of the home's bases."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.directory = settings.home / "layers"

    def image_name(self, base: Base, packages: Sequence[str]) -> str:
        """Return the name of the image of a base with these packages."""
        return f"{base.image}-{_set_digest(packages)}"

    def of(self, image: str) -> tuple[str, ...]:
        """Return the names of the layers made from a base's image."""
        found = (path.parent.name for path in self.directory.glob(f"{image}-*/{_RECORD}"))
        return tuple(sorted(name for name in found if not name.endswith(_DELTA)))

    def packages_of(self, layer: str) -> tuple[str, ...]:
        """Return the packages of a layer."""
        with _reading(self.directory / layer / _RECORD) as record:
            return tuple(map(str, record["packages"]))

    def has_delta(self, base: Base, before: Sequence[str], later: Sequence[str]) -> bool:
        """Tell whether the delta from one set of packages to that set with later ones has been made."""
        return not set(later) - set(before) or (self._delta_directory(base, before, later) / _RECORD).exists()

    def disk(self, base: Base, base_directory: Path, packages: Sequence[str]) -> Path:
        """Return where the disk with these packages is: the layer's, or the base's without packages."""
        return (self.directory / self.image_name(base, packages) if packages else base_directory) / "disk.qcow2"

    def complete(self, base: Base, base_directory: Path, packages: Sequence[str], later: Sequence[str]) -> bool:
        """Tell whether the layer and the delta to the later packages are there."""
        return self.disk(base, base_directory, packages).exists() and self.has_delta(base, packages, later)

    def ensure(
        self, recipe: Recipe, base: Base, base_directory: Path, packages: tuple[str, ...], later: tuple[str, ...],
        progress: Progress,
    ) -> None:  # fmt: skip
        """Make the layer, and the delta to the later packages, unless they are there.

        Without packages the layer is the base itself. Raises BaseError.
        """
        layer = self.disk(base, base_directory, packages).parent
        make_layer = not (layer / "disk.qcow2").exists()
        make_delta = not self.has_delta(base, packages, later)
        if make_layer or make_delta:
            wanted = _Wanted(
                packages=tuple(sorted(set(packages))),
                layer=layer if make_layer else None,
                later=tuple(sorted(set(later) - set(packages))) if make_delta else (),
                delta=self._delta_directory(base, packages, later) if make_delta else None,
            )
            self._make(recipe, base_directory, wanted, progress)

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
            for path in (self.directory / layer, *self.directory.glob(f"{layer}+*")):
                shutil.rmtree(gone, ignore_errors=True)
                path.rename(gone)
                shutil.rmtree(gone)

    def _delta_directory(self, base: Base, before: Sequence[str], later: Sequence[str]) -> Path:
        start = self.image_name(base, before) if before else base.image
        return self.directory / f"{start}+{_set_digest(set(later) - set(before))}{_DELTA}"

    def _make(self, recipe: Recipe, base_directory: Path, wanted: _Wanted, progress: Progress) -> None:
        if sys.platform != "linux":
            raise NoNamespaces(_("packages can be installed natively on Linux only"))
        disk.require(disk.disk_tools())
        new = self.directory / NEW
        shutil.rmtree(new, ignore_errors=True)
        make_private_folder(new)
        try:
            with scratch_directory(self.directory) as scratch:
                raw = scratch / "disk.raw"
                run_job(self._job(recipe, base_directory, wanted, scratch, new), progress)
                if wanted.layer:
                    progress(_("writing the disk"), None)
                    disk.to_qcow2(raw, new / "layer" / "disk.qcow2")
            if wanted.delta:
                _finish(new / "delta", wanted.later, wanted.delta)
            if wanted.layer:
                for name in _BOOT_FILES:
                    write_durably(new / "layer" / name, (base_directory / name).read_bytes())
                _finish(new / "layer", wanted.packages, wanted.layer)
        finally:
            shutil.rmtree(new, ignore_errors=True)

    def _job(self, recipe: Recipe, base_directory: Path, wanted: _Wanted, scratch: Path, new: Path) -> Job:
        """Return the worker's job: from the base, or from the layer when that exists, step by step."""
        tree = next(base_directory.glob("root.tar*"), None)
        if tree is None:
            text = _("the base {name} is not whole: {folder} has no root.tar")
            resolution = _("put it back from a backup, or `vboxlab base build {name} --again`")
            raise BaseError(
                text.format(name=recipe.name, folder=base_directory), resolution=resolution.format(name=recipe.name)
            )
        trees = [str(tree), str(base_directory / "boot.tar")]
        removed: tuple[str, ...] = ()
        steps = []
        if wanted.layer:
            make_private_folder(new / "layer")
            steps.append(_step(wanted.packages, new / "layer", disk=str(scratch / "disk.raw"), whole=True))
        elif wanted.packages:
            start = self.directory / f"{base_directory.name}-{_set_digest(wanted.packages)}"
            trees.append(str(start / _ARCHIVE))
            with _reading(start / _CHANGES) as changes:
                removed = tuple(map(str, changes["removed"]))
        if wanted.delta:
            make_private_folder(new / "delta")
            steps.append(_step(wanted.later, new / "delta"))
        mirror = find_mirror(self.settings)
        options = [option.replace(' "', "=").rstrip('";') for option in mirror.options]
        return Job(
            trees=tuple(trees), removed=removed, scratch=str(scratch), cache=str(self.settings.home / "cache" / "apt"),
            steps=tuple(steps), disk_mib=recipe.disk_mib, label=recipe.label, apt_options=tuple(options),
            environment=tuple(mirror.environment.items()), logins=mirror.netrc,
        )  # fmt: skip


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


def _finish(directory: Path, packages: tuple[str, ...], final: Path) -> None:
    """Write the record that makes the directory complete and give it its name."""
    write_durably(directory / _RECORD, json.dumps({"packages": packages}))
    shutil.rmtree(final, ignore_errors=True)
    publish(directory, final)


def _set_digest(packages: Iterable[str]) -> str:
    return hashlib.sha256("\n".join(sorted(set(packages))).encode()).hexdigest()[:8]
