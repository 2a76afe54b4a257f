"""`vboxlab handout`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from vboxlab.cli import options, output
from vboxlab.language import N_, _

if TYPE_CHECKING:
    from vboxlab.operations.handout import Format
    from vboxlab.operations.request import Which


@click.command()
@click.argument("topology")
@options.set_values
@options.copies
@options.driver
@click.option("--format", "kind", type=click.Choice(["md", "html"]), default="md", show_default=True)
@click.option("--output", "-o", "target", type=click.Path(dir_okay=False, path_type=Path), metavar=N_("FILE"),
              help=N_("Write to this file; of several copies, to one each with the copy's name in it."))  # fmt: skip
def handout(
    topology: str,
    values: dict[str, str],
    which: Which,
    driver: str | None,
    kind: Format,
    target: Path | None,
) -> None:
    """Write the sheet of TOPOLOGY's exercise for students: what it is about, the network, and the questions.

    No answer and no secret is in it; `explain` is the teacher's key. HTML prints on A4.
    """
    from vboxlab.cli.terminal import Terminal
    from vboxlab.operations.handout import HandoutRequest
    from vboxlab.operations.handout import handout as write

    request = HandoutRequest(
        topology=topology, values=values, which=which, driver=driver, format=kind, target=target
    )  # fmt: skip
    written = write(request, Terminal(quiet=True))
    if isinstance(written, str):
        output.say(written.removesuffix("\n"))
        return
    for path in written:
        output.say(_("written: {file}").format(file=path))
