"""`vboxlab schema`: the JSON Schema of topology files, for editors."""

from __future__ import annotations

import click


@click.command()
def schema() -> None:
    """Print the JSON Schema of topology files, by which editors complete and check them while you type."""
    from vboxlab.cli import output
    from vboxlab.operations.schema import schema as topology_schema

    output.say_json(topology_schema())
