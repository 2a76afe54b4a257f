"""`vboxlab explain`."""

from __future__ import annotations

import click

from vboxlab.cli import options, output
from vboxlab.language import N_


@click.command()
@click.argument("topology")
@options.set_values
@click.option("--stage", metavar=N_("STAGE"), help=N_("Stop after this stage (default: the last)."))
@click.option("--machine", metavar=N_("MACHINE"), help=N_("Only this machine."))
def explain(topology: str, values: dict[str, str], stage: str | None, machine: str | None) -> None:
    """Print the answer key of TOPOLOGY as Markdown: every file and every command, as a student would type them."""
    from vboxlab.operations.explain import ExplainRequest
    from vboxlab.operations.explain import explain as answer_key

    output.say(answer_key(ExplainRequest(topology, values, stage, machine)).removesuffix("\n"))
