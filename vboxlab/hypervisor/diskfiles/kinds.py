"""Which kind of disk a file is, by its content alone, and whether it may be imported."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from vboxlab.errors import BaseError
from vboxlab.hypervisor.diskfiles import qcow2, raw, vdi, vhd, vhdx, vmdk
from vboxlab.hypervisor.diskfiles.reading import Unfit, Window
from vboxlab.language import _
from vboxlab.lazily import dataclass

Kind = Literal["qcow2", "raw", "vdi", "vmdk", "vhd", "vhdx"]
KINDS: tuple[Kind, ...] = ("qcow2", "raw", "vdi", "vmdk", "vhd", "vhdx")


@dataclass(frozen=True)
class DiskFile:
    """A disk as its files describe it. A VMDK that is split has extents, files beside it."""

    path: Path
    kind: Kind
    size: int  # bytes of the disk
    extents: tuple[vmdk.Extent, ...] = ()
    backing: str = ""  # what a qcow2 overlay lies over, as the file names it


def describe(path: Path, *, overlay: bool = False) -> DiskFile:
    """Return what a disk file is.

    Only with `overlay` may it lie over another file: for files of ours, whose names are trusted. Raises BaseError when
    it is no disk, not whole, or names files that do not belong to it: what it is, what was expected and what to do.
    """
    with opened(path) as file, refusing(path):
        found = read(path, file)
    for extent in found.extents:
        if extent.kind != "zero":
            _check_extent(path, extent)
    if found.backing and not overlay:
        raise BaseError(
            _("{path}: it lies over another file, {name!r}").format(path=path, name=found.backing),
            details=[
                _("expected: a disk that stands alone (a file from elsewhere could name any file of this computer)")
            ],
            resolution=_(qcow2.ALONE),
        )
    return found


def read(path: Path, file: Window) -> DiskFile:
    """Return what a file of that path holds, without a look at the files that it names. Raises Unfit."""
    start = file.start(vmdk.MAX_START)
    if start.startswith(qcow2.MAGIC):
        overlay = qcow2.read(file)
        return DiskFile(path, "qcow2", overlay.size, backing=overlay.backing)
    if start.startswith(vmdk.MAGIC):
        return DiskFile(path, "vmdk", vmdk.read_sparse(file))
    if vmdk.is_descriptor(start):
        extents = vmdk.read_descriptor(file)
        return DiskFile(path, "vmdk", sum(extent.sectors for extent in extents) * 512, extents)
    if start[vdi.MAGIC_AT :].startswith(vdi.MAGIC):
        return DiskFile(path, "vdi", vdi.read(file))
    if start.startswith(vhdx.MAGIC):
        return DiskFile(path, "vhdx", vhdx.read(file))
    if vhd.is_vhd(file):
        return DiskFile(path, "vhd", vhd.read(file))
    return DiskFile(path, "raw", raw.read(file))


def _check_extent(descriptor: Path, extent: vmdk.Extent) -> None:
    path = descriptor.parent / extent.name
    with opened(path, part_of=descriptor) as file, refusing(path):
        vmdk.check_extent(extent, file)


@contextmanager
def opened(path: Path, part_of: Path | None = None) -> Iterator[Window]:
    """Open a regular file. Raises BaseError; what another file names may be no link either."""
    try:
        if part_of is not None and stat.S_ISLNK(path.lstat().st_mode):
            raise BaseError(
                _("{path}: the file {name} that it names is a link").format(path=part_of, name=path.name),
                resolution=_(vmdk.BESIDE),
            )
        if not stat.S_ISREG(path.stat().st_mode):
            raise BaseError(
                _("{path}: it is no file").format(path=path), resolution=_("give the path of a disk file or appliance")
            )
        with path.open("rb") as stream:
            yield Window(stream, os.fstat(stream.fileno()).st_size)
    except OSError as error:
        brief = _("{path}: the file {name} that it names cannot be read") if part_of else _("{path}: it cannot be read")
        advice = _("have all files of the disk in one folder") if part_of else _("check its path and rights")
        brief = brief.format(path=part_of or path, name=path.name)
        raise BaseError(brief, details=[str(error)], resolution=advice) from error


@contextmanager
def refusing(path: Path) -> Iterator[None]:
    """Turn what readers find wrong into an error that names the file."""
    try:
        yield
    except Unfit as unfit:
        details = [_("expected: {expected}").format(expected=_(unfit.expected))] if unfit.expected else []
        brief = _("{path}: it {problem}").format(path=path, problem=unfit.what)
        raise BaseError(brief, details=details, resolution=_(unfit.resolution)) from unfit
