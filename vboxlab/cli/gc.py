"""`vboxlab gc`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from vboxlab.cli import options, output
from vboxlab.cli.questions import confirm
from vboxlab.errors import LabBusy, UsageError

if TYPE_CHECKING:
    from vboxlab.base.unused import UnusedLayer
    from vboxlab.hypervisor.driver import Stray
    from vboxlab.lab.leftovers import LabFolder


@click.command()
@options.driver
@options.yes
@click.option("--reports", is_flag=True, help="Remove the verification reports of labs that are gone as well.")
@click.option("--stray", "named", multiple=True, metavar="PATH", help="Remove this file too, which is not vboxlab's.")
@click.option("--keep-layers", is_flag=True, help="Keep package layers that no machine uses; `up` need not make them.")
def gc(driver: str | None, *, yes: bool, reports: bool, named: tuple[str, ...], keep_layers: bool) -> None:
    """Remove what is vboxlab's and belongs to no lab any more, after showing it.

    Folders of labs without machines (secrets, pinned host keys), package layers that no machine is a clone of, and
    what interrupted runs left in the hypervisor. Bases stay (`vboxlab base remove`). Files of others among our
    machines, such as a detached disk, are shown, and removed only when they are named with --stray.
    """
    from vboxlab.base.store import BaseStore
    from vboxlab.base.unused import remove_layers, unused_layers
    from vboxlab.cli import session
    from vboxlab.lab.leftovers import leftover_folders, remove_folder

    with session.opened(driver, output.progress()) as context:
        home = context.settings.home
        store = BaseStore(context.settings)
        folders = leftover_folders(home, context.machines(), with_reports=reports)
        layers = [] if keep_layers else unused_layers(store, context.driver)
        garbage = context.driver.garbage()
        strays = context.driver.strays()
        chosen = _named(strays, named)
        _show(folders, layers, garbage, reports=reports)
        _show_strays(strays, chosen)
        if not yes:
            confirm("remove all this?")
        removed = 0
        for folder in folders:
            try:
                if remove_folder(folder, home, context.machines, context.events, with_reports=reports):
                    removed += 1
                else:
                    output.remark(f"kept {folder.path}: lab {folder.lab} has machines now")
            except LabBusy as busy:
                output.remark(f"kept {folder.path}: {busy.brief}")
        remove_layers(store, context.driver, layers)
        left = context.driver.collect_garbage()
        for stray in chosen:
            context.driver.remove_stray(stray.path)
    for line in left:
        output.say(f"removed: {line}")
    output.say(f"{removed} folders, {len(layers)} package layers and {len(left)} leftovers removed")
    if chosen:
        output.say(f"{len(chosen)} files of others removed")


def _show(
    folders: Sequence[LabFolder], layers: Sequence[UnusedLayer], garbage: Sequence[str], *, reports: bool
) -> None:
    from vboxlab.lab.leftovers import spell_size

    for folder in folders:
        kept = f", {folder.reports} reports{'' if reports else ' (kept)'}" if folder.reports else ""
        size = spell_size(folder.size)
        output.say(f"folder of lab {folder.lab}, which has no machines: {folder.path} ({size}{kept})")
    for layer in layers:
        output.say(f"package layer {layer.name}, which no machine uses ({spell_size(layer.size)})")
    for line in garbage:
        output.say(f"left by an interrupted run: {line}")


def _show_strays(strays: Sequence[Stray], chosen: Sequence[Stray]) -> None:
    from vboxlab.lab.leftovers import describe_stray, spell_size

    for stray in strays:
        if stray in chosen:
            output.say(f"not vboxlab's: {stray.path} ({spell_size(stray.size)}), {stray.why}")
        else:
            output.remark(f"kept {describe_stray(stray)}")


def _named(strays: Sequence[Stray], names: tuple[str, ...]) -> list[Stray]:
    """Return the strays that were named, those that depend on others first. Raises UsageError for what is none."""
    known = {str(stray.path) for stray in strays}
    wrong = [name for name in names if name not in known]
    if wrong:
        raise UsageError(
            f"--stray {wrong[0]}: there is no such file to remove",
            details=[f"files among vboxlab's machines that are not its own: {', '.join(sorted(known)) or 'none'}"],
        )
    return [stray for stray in strays if str(stray.path) in names]
