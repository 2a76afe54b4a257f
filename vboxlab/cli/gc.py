"""`vboxlab gc`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from vboxlab.cli import options, output
from vboxlab.language import N_, _, n_

if TYPE_CHECKING:
    from vboxlab.operations.gc import Unowned


@click.command()
@options.driver
@options.yes
@click.option("--reports", is_flag=True, help=N_("Remove the verification reports of labs that are gone as well."))
@click.option("--stray", "named", multiple=True, metavar=N_("PATH"),
              help=N_("Remove this file too, which is not vboxlab's."))  # fmt: skip
@click.option("--keep-layers", is_flag=True,
              help=N_("Keep package layers that no machine uses; `up` need not make them."))  # fmt: skip
def gc(driver: str | None, *, yes: bool, reports: bool, named: tuple[str, ...], keep_layers: bool) -> None:
    """Remove what is vboxlab's and belongs to no lab any more, after showing it.

    Folders of labs without machines (secrets, pinned host keys), package layers that no machine is a clone of, and
    what interrupted runs left in the hypervisor. Bases stay (`vboxlab base remove`). Files of others among our
    machines, such as a detached disk, are shown, and removed only when they are named with --stray.
    """
    from vboxlab.cli.terminal import Terminal
    from vboxlab.operations.gc import GcRequest
    from vboxlab.operations.gc import gc as remove_unowned

    request = GcRequest(driver, reports=reports, strays=named, keep_layers=keep_layers, yes=yes)
    removed = remove_unowned(request, Terminal(output.progress()), _show)
    for line in removed.leftovers:
        output.say(_("removed: {what}").format(what=line))
    left = len(removed.leftovers)
    output.say(
        _("{folders}, {layers} and {leftovers} removed").format(
            folders=n_("{count} folders", "{count} folders", removed.folders).format(count=removed.folders),
            layers=n_("{count} package layers", "{count} package layers", removed.layers).format(count=removed.layers),
            leftovers=n_("{count} leftovers", "{count} leftovers", left).format(count=left),
        )
    )
    if removed.strays:
        text = n_("{count} files of others removed", "{count} files of others removed", removed.strays)
        output.say(text.format(count=removed.strays))


def _show(found: Unowned) -> None:
    for line in found.to_remove():
        output.say(line)
    for line in found.kept():
        output.remark(line)
