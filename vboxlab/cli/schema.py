"""`vboxlab schema`: the JSON Schema of topology files, for editors."""

from __future__ import annotations

import click


@click.command()
@click.argument("topology", required=False)
def schema(topology: str | None) -> None:
    """Print the JSON Schema of topology files, by which editors complete and check them while you type.

    With a TOPOLOGY also the roles and checks of the folders beside it, where you have agreed to run them.
    """
    from vboxlab.cli import output
    from vboxlab.cli.terminal import Terminal
    from vboxlab.operations.schema import SchemaRequest
    from vboxlab.operations.schema import schema as topology_schema

    output.say_json(topology_schema(SchemaRequest(topology), Terminal()))
