"""`vboxlab list`: the topologies that can be named."""

from __future__ import annotations

import click


@click.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print the list as JSON.")
def list_(as_json: bool) -> None:
    """List the topologies that can be brought up: the project's, yours, and those that come with vboxlab."""
    from vboxlab.cli import output
    from vboxlab.operations.topologies import list_topologies

    entries = list_topologies()
    if as_json:
        output.say_json([{**entry.__dict__, "path": str(entry.path)} for entry in entries])
        return
    rows = [
        (e.name, e.lab or "?", e.title if e.problem is None else "(has problems)", e.origin, str(e.path))
        for e in entries
    ]
    output.table(("TOPOLOGY", "LAB", "TITLE", "FROM", "FILE"), rows)
    for entry in entries:
        if entry.problem is not None:
            output.remark(entry.problem)
