"""`vboxlab graph`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from vboxlab.cli import options, output
from vboxlab.language import N_, _

if TYPE_CHECKING:
    from vboxlab.operations.graph import Format


@click.command()
@click.argument("topology", metavar=N_("[LAB|TOPOLOGY]"), required=False)
@options.set_values
@options.copy
@options.driver
@click.option("--format", "kind", type=click.Choice(["mermaid", "dot", "svg"]), default="mermaid", show_default=True)
@click.option("--output", "-o", "target", type=click.Path(dir_okay=False, path_type=Path), metavar=N_("FILE"),
              help=N_("Write to this file."))  # fmt: skip
def graph(
    topology: str | None,
    values: dict[str, str],
    copy: str | None,
    driver: str | None,
    kind: Format,
    target: Path | None,
) -> None:
    """Draw LAB or TOPOLOGY (default: the only lab): networks, machines, adapters; coloured by state where it exists.

    Green runs, grey does not, orange is not wired as the topology says, dashed does not exist.
    """
    from vboxlab.cli.terminal import Terminal
    from vboxlab.errors import UsageError, said_by_system
    from vboxlab.operations.graph import GraphRequest
    from vboxlab.operations.graph import graph as draw

    text = draw(GraphRequest(topology, kind, values, copy, driver), Terminal(quiet=True))
    if target is None:
        output.say(text.removesuffix("\n"))
        return
    try:
        target.write_text(text, encoding="utf-8")
    except OSError as error:
        brief = _("{file} cannot be written").format(file=target)
        raise UsageError(brief, details=[said_by_system(error)]) from error
