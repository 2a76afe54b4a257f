"""`vboxlab explain`."""

from __future__ import annotations

import click

from vboxlab.cli import options, output


@click.command()
@click.argument("topology")
@options.set_values
@click.option("--stage", metavar="STAGE", help="Stop after this stage (default: the last).")
@click.option("--machine", metavar="MACHINE", help="Only this machine.")
@options.lang
def explain(topology: str, values: dict[str, str], stage: str | None, machine: str | None, lang: str | None) -> None:
    """Print the answer key of TOPOLOGY as Markdown: every file and every command, as a student would type them."""
    from vboxlab.cli.language import language
    from vboxlab.operations.explain import ExplainRequest
    from vboxlab.operations.explain import explain as answer_key
    from vboxlab.settings import load_settings

    request = ExplainRequest(topology, language(lang, load_settings()), values, stage, machine)
    output.say(answer_key(request).removesuffix("\n"))
