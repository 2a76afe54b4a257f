"""`gc`: what is vboxlab's and belongs to no lab any more."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from vboxlab.base.store import BaseStore
from vboxlab.base.unused import UnusedLayer, remove_layers, unused_layers
from vboxlab.errors import LabBusy, UsageError
from vboxlab.hypervisor.driver import Stray
from vboxlab.lab.leftovers import LabFolder, describe_stray, leftover_folders, remove_folder, spell_size
from vboxlab.language import C_, _, n_
from vboxlab.lazily import dataclass
from vboxlab.operations.door import Door
from vboxlab.operations.session import Session, opened


@dataclass(frozen=True)
class GcRequest:
    """What is removed besides folders of labs that are gone and what interrupted runs left.

    `reports` are those of labs that are gone, `strays` files of others by their paths; `keep_layers` keeps package
    layers that no machine uses. With `yes` nothing is asked.
    """

    driver: str | None = None
    reports: bool = False
    strays: tuple[str, ...] = ()
    keep_layers: bool = False
    yes: bool = False


@dataclass(frozen=True)
class Unowned:
    """What belongs to no lab. `chosen` are the strays to remove too, those that others depend on last."""

    folders: Sequence[LabFolder]
    layers: Sequence[UnusedLayer]
    garbage: Sequence[str]  # of interrupted runs, in words
    strays: Sequence[Stray]
    chosen: Sequence[Stray]
    with_reports: bool

    def to_remove(self) -> list[str]:
        """Say what would be removed, a line each."""
        lines = [self._folder(folder) for folder in self.folders]
        text = _("package layer {name}, which no machine uses ({size})")
        lines += [text.format(name=layer.name, size=spell_size(layer.size)) for layer in self.layers]
        lines += [_("left by an interrupted run: {what}").format(what=line) for line in self.garbage]
        named = [stray for stray in self.strays if stray in self.chosen]
        text = _("not vboxlab's: {file} ({size}), {why}")
        return lines + [text.format(file=stray.path, size=spell_size(stray.size), why=stray.why) for stray in named]

    def _folder(self, folder: LabFolder) -> str:
        if not folder.reports:
            text = _("folder of lab {lab}, which has no machines: {path} ({size})")
        elif self.with_reports:
            text = n_(
                "folder of lab {lab}, which has no machines: {path} ({size}, {count} report)",
                "folder of lab {lab}, which has no machines: {path} ({size}, {count} reports)",
                folder.reports,
            )
        else:
            text = n_(
                "folder of lab {lab}, which has no machines: {path} ({size}, {count} report (kept))",
                "folder of lab {lab}, which has no machines: {path} ({size}, {count} reports (kept))",
                folder.reports,
            )
        return text.format(lab=folder.lab, path=folder.path, size=spell_size(folder.size), count=folder.reports)

    def kept(self) -> list[str]:
        """Say which files of others are kept, a line each."""
        kept = [describe_stray(stray) for stray in self.strays if stray not in self.chosen]
        return [_("kept {what}").format(what=stray) for stray in kept]


@dataclass(frozen=True)
class Removed:
    """What was removed: how many folders, package layers and files of others; leftovers in words."""

    folders: int
    layers: int
    leftovers: tuple[str, ...]
    strays: int


def gc(request: GcRequest, door: Door, show: Callable[[Unowned], None]) -> Removed:
    """Find what belongs to no lab, let `show` show it, ask, and remove it. Folders in use are kept.

    Raises UsageError for a stray that there is not, BaseError when a layer has come into use meanwhile.
    """
    with opened(door, request.driver) as opening:
        session = opening.having(listing=None)  # each look is a new one: what it finds no lab for is removed
        context = session.context
        store = BaseStore(session.settings)
        found = _find(session, store, request)
        show(found)
        if not request.yes:
            door.confirm(_("remove all this?"))
        folders = sum(_remove_folder(session, folder, with_reports=request.reports) for folder in found.folders)
        remove_layers(store, context.driver, found.layers)
        left = context.driver.collect_garbage()
        for stray in found.chosen:
            context.driver.remove_stray(stray.path)
    return Removed(folders, len(found.layers), tuple(left), len(found.chosen))


def _find(session: Session, store: BaseStore, request: GcRequest) -> Unowned:
    context = session.context
    folders = leftover_folders(session.settings.home, context.machines(), with_reports=request.reports)
    layers = [] if request.keep_layers else unused_layers(store, context.driver)
    garbage = context.driver.garbage()
    strays = context.driver.strays()
    return Unowned(folders, layers, garbage, strays, _named(strays, request.strays), request.reports)


def _named(strays: Sequence[Stray], names: tuple[str, ...]) -> list[Stray]:
    """Return the strays that were named, those that depend on others first. Raises UsageError for what is none."""
    known = {str(stray.path) for stray in strays}
    wrong = [name for name in names if name not in known]
    if wrong:
        raise UsageError(
            _("--stray {file}: there is no such file to remove").format(file=wrong[0]),
            details=[
                _("files among vboxlab's machines that are not its own: {files}").format(
                    files=", ".join(sorted(known)) or C_("file", "none")
                )
            ],
        )
    return [stray for stray in strays if str(stray.path) in names]


def _remove_folder(session: Session, folder: LabFolder, *, with_reports: bool) -> bool:
    """Remove the folder of a lab that is gone, and tell whether it went; say why it is kept else."""
    context = session.context
    try:
        gone = remove_folder(
            folder, session.settings.home, context.machines, context.events, with_reports=with_reports
        )  # fmt: skip
    except LabBusy as busy:
        session.door.remark(_("kept {path}: {problem}").format(path=folder.path, problem=busy.brief))
        return False
    if not gone:
        session.door.remark(_("kept {path}: lab {lab} has machines now").format(path=folder.path, lab=folder.lab))
    return gone
