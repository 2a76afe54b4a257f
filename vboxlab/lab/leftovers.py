"""What belongs to no lab any more: folders of labs that are gone, and what others left among our machines."""

from __future__ import annotations

import shlex
import shutil
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from pathlib import Path

from vboxlab.events import EventSink, Note
from vboxlab.hypervisor.driver import Stray
from vboxlab.lab.context import Context
from vboxlab.lab.directory import HOLDER, LOCK, LabDirectory
from vboxlab.language import _
from vboxlab.lazily import dataclass
from vboxlab.planning.observed import ObservedMachine
from vboxlab.topology.addressing import LabName


@dataclass(frozen=True)
class LabFolder:
    """The folder of a lab that has no machines. `reports` counts its verification reports."""

    lab: LabName
    path: Path
    reports: int
    size: int  # bytes


def report_strays(context: Context, lab: LabName) -> None:
    """Say of every file of somebody else's among a lab's machines that it is left, and what can be done with it."""
    for stray in context.driver.strays(lab):
        context.events(Note(_("left: {stray}").format(stray=describe_stray(stray))))


def describe_stray(stray: Stray) -> str:
    """Return what is to be said of a file that vboxlab removes only by name."""
    text = _("{file} ({size}), {why}: it is not vboxlab's; move it away, or: vboxlab gc --stray {word}")
    word = shlex.quote(str(stray.path))
    return text.format(file=stray.path, size=spell_size(stray.size), why=stray.why, word=word)


def spell_size(count: int) -> str:
    """Return a number of bytes for people."""
    if count >= 1 << 20:
        return _("{size:.1f} MiB").format(size=count / (1 << 20))
    return _("{size:.0f} KiB").format(size=count / 1024)


def leftover_folders(
    home: Path, everything: Iterable[ObservedMachine], *, with_reports: bool = False
) -> list[LabFolder]:
    """Return the folders of labs without machines in which there is something to remove.

    Reports are kept unless they are asked for: they may be a class's marks.
    """
    alive = {machine.lab.slug for machine in everything if machine.lab is not None}
    found = []
    for path in sorted((home / "labs").glob("*")):
        if path.is_dir() and path.name not in alive:
            folder = _folder(path)
            if any(_removable(path, with_reports=with_reports)) or not folder.reports:
                found.append(folder)
    return found


def remove_folder(
    folder: LabFolder,
    home: Path,
    look: Callable[[], Iterable[ObservedMachine]],
    events: EventSink,
    *,
    with_reports: bool = False,
) -> bool:
    """Remove a lab's folder; leave it and return False when the lab, looked at anew, has machines after all.

    Raises LabBusy when another vboxlab works on the lab.
    """
    directory = LabDirectory(home, folder.lab)
    with directory.locked(events, patience=0):
        if any(machine.lab == folder.lab for machine in look()):
            return False
        for path in list(_removable(directory.path, with_reports=with_reports)):
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)
        if not directory.reports.exists():
            directory.remove_lock()
    with suppress(OSError):  # another vboxlab has begun with the lab since
        directory.path.rmdir()
    return True


def _folder(path: Path) -> LabFolder:
    lab, separator, copy = path.name.partition("--")
    files = [file for file in path.rglob("*") if file.is_file()]
    reports = sum(file.parent.name == "reports" and file.suffix == ".json" for file in files)
    size = sum(file.stat().st_size for file in files)
    return LabFolder(LabName(lab, copy if separator else None), path, reports, size)


def _removable(path: Path, *, with_reports: bool) -> Iterator[Path]:
    kept = {LOCK, HOLDER} | (set() if with_reports else {"reports"})
    return (entry for entry in path.iterdir() if entry.name not in kept)
