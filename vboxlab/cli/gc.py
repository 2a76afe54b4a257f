"""`vboxlab gc`."""

from __future__ import annotations

import click

from vboxlab.cli import options, output
from vboxlab.cli.questions import confirm
from vboxlab.errors import LabBusy


@click.command()
@options.driver
@options.yes
@click.option("--reports", is_flag=True, help="Remove the verification reports of labs that are gone as well.")
@click.option("--keep-layers", is_flag=True, help="Keep package layers that no machine uses; `up` need not make them.")
def gc(driver: str | None, *, yes: bool, reports: bool, keep_layers: bool) -> None:
    """Remove what is vboxlab's and belongs to no lab any more, after showing it.

    Folders of labs without machines (secrets, pinned host keys), package layers that no machine is a clone of, and
    what interrupted runs left in the hypervisor. Bases stay (`vboxlab base remove`).
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
        for folder in folders:
            kept = f", {folder.reports} reports{'' if reports else ' (kept)'}" if folder.reports else ""
            output.say(f"folder of lab {folder.lab}, which has no machines: {folder.path} ({_size(folder.size)}{kept})")
        for layer in layers:
            output.say(f"package layer {layer.name}, which no machine uses ({_size(layer.size)})")
        output.say("and what interrupted runs left in the hypervisor, if anything")
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
    for line in left:
        output.say(f"removed: {line}")
    output.say(f"{removed} folders, {len(layers)} package layers and {len(left)} leftovers removed")


def _size(count: int) -> str:
    return f"{count / (1 << 20):.1f} MiB" if count >= 1 << 20 else f"{count / 1024:.0f} KiB"
