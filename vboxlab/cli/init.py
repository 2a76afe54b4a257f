"""`vboxlab init`."""

from __future__ import annotations

import click

from vboxlab.cli import options
from vboxlab.language import N_, _


@click.command()
@click.argument("name", required=False)
@click.option("--yes", is_flag=True, help=N_("Ask nothing: take the default for every answer."))
@options.as_json
def init(name: str | None, *, yes: bool, as_json: bool) -> None:
    """Write a first topology, NAME.yaml, with comments, after a few questions.

    It goes into the folder `topologies` of the current folder, where `vboxlab list` finds it. No file is ever
    overwritten.
    """
    from vboxlab.cli import output
    from vboxlab.cli.terminal import Terminal
    from vboxlab.operations.init import InitRequest
    from vboxlab.operations.init import init as write

    written = write(InitRequest(name, yes), Terminal())
    if as_json:
        output.say_json({"name": written.name, "path": str(written.path)})
        return
    output.say(_("written: {path}").format(path=written.path))
    output.say(_("look at it, then: vboxlab up {name}").format(name=written.name))
