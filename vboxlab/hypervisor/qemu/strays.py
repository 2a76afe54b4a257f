"""What somebody put beside our machines' disks: reported, and removed only by name."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from vboxlab.errors import MachineConflict
from vboxlab.hypervisor.driver import Stray
from vboxlab.hypervisor.qemu.definition import Definition
from vboxlab.hypervisor.qemu.layout import foreign_entries
from vboxlab.hypervisor.qemu.workspace import Workspace
from vboxlab.language import _
from vboxlab.topology.addressing import LabName


def find_strays(work: Workspace, lab: LabName | None) -> list[Stray]:
    """Return the files beside machines' disks, and those kept when their machines were removed. See Driver.strays."""
    found: list[Stray] = []
    for machine_id, definition in work.definitions.all():
        owner = definition.lab if isinstance(definition, Definition) else None
        name = definition.name if isinstance(definition, Definition) else machine_id
        if lab in (None, owner):
            folder = work.layout.machine(machine_id)
            if isinstance(definition, Definition):
                disks = definition.disk_files
            else:  # nobody knows which disks are its own
                disks = frozenset(path.name for path in folder.glob("*.qcow2"))
            foreign = foreign_entries(folder, disks)
            found += _strays(_files(foreign), _("beside the disk of {machine}").format(machine=name))
    found += _strays(_unused_shared(work, lab), _("a shared disk that no machine has"))
    for folder in sorted(work.layout.kept.glob("*/*")):
        if lab is None or folder.parent.name == lab.slug:
            found += _strays(_files([folder]), _("beside the disk of a machine that is gone"))
    return found


def remove_stray(work: Workspace, path: Path) -> None:
    """Remove one of these files, with its folder if that is kept only for it. See Driver.remove_stray."""
    if path not in [stray.path for stray in find_strays(work, None)]:
        raise MachineConflict(
            _("{path} is gone, or no such file").format(path=path), resolution=_("look again with `vboxlab gc`")
        )
    path.unlink(missing_ok=True)
    if work.layout.kept in path.parents:
        for folder in path.parents[: path.parents.index(work.layout.kept)]:
            with suppress(OSError):
                folder.rmdir()


def _unused_shared(work: Workspace, lab: LabName | None) -> Iterator[Path]:
    """Yield the shared disks of labs that have machines, but none with the disk, now or in a snapshot."""
    used: dict[str, set[str]] = {}
    for _machine_id, definition in work.definitions.all():
        if not isinstance(definition, Definition):
            return
        if definition.lab is not None:
            used.setdefault(definition.lab.slug, set()).update(definition.shared_disks)
    for slug, names in used.items():
        if lab is None or slug == lab.slug:
            for path in sorted((work.layout.shared / slug).glob("*")):
                if path.stem not in names:
                    yield path


def _files(entries: list[Path]) -> Iterator[Path]:
    for entry in entries:
        if entry.is_dir() and not entry.is_symlink():
            yield from (path for path in sorted(entry.rglob("*")) if path.is_symlink() or not path.is_dir())
        else:
            yield entry


def _strays(paths: Iterator[Path], why: str) -> Iterator[Stray]:
    for path in paths:
        with suppress(FileNotFoundError):  # moved away with its machine since it was seen
            yield Stray(path, path.lstat().st_size, why)
