"""`vboxlab list`: the topologies that can be named."""

from __future__ import annotations

import click

from vboxlab.language import C_, N_, NC_, _

_ORIGINS = {
    "project": NC_("topology from", "project"),
    "user": NC_("topology from", "user"),
    "packaged": NC_("topology from", "packaged"),
}


@click.command("list")
@click.option("--json", "as_json", is_flag=True, help=N_("Print the list as JSON."))
def list_(as_json: bool) -> None:
    """List the topologies that can be brought up: the project's, yours, and those that come with vboxlab."""
    from vboxlab.cli import output
    from vboxlab.operations.topologies import list_topologies

    entries = list_topologies()
    if as_json:
        output.say_json([{**entry.__dict__, "path": str(entry.path)} for entry in entries])
        return
    rows = [
        (
            e.name, e.lab or "?", e.title if e.problem is None else _("(has problems)"),
            C_("topology from", _ORIGINS[e.origin]), str(e.path),
        )
        for e in entries
    ]  # fmt: skip
    headers = (
        C_("column", "TOPOLOGY"), C_("column", "LAB"), C_("column", "TITLE"), C_("column", "FROM"),
        C_("column", "FILE"),
    )  # fmt: skip
    output.table(headers, rows)
    for entry in entries:
        if entry.problem is not None:
            output.remark(entry.problem)
