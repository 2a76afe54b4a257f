"""`vboxlab snapshot list`, `tree` and `diff`: looking at snapshots, changing nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from vboxlab.cli import options, output
from vboxlab.language import C_, N_, _, n_

if TYPE_CHECKING:
    from vboxlab.operations.request import Which

lab_option = click.option("--lab", metavar=N_("LAB"), help=N_("Lab or topology name (default: the only lab there is)."))
machine_option = click.option("--machine", "machines", multiple=True, help=N_("Only this machine (may be repeated)."))


@click.command("list")
@lab_option
@options.copies
@options.driver
@options.as_json
def list_(lab: str | None, which: Which, driver: str | None, *, as_json: bool) -> None:
    """List the snapshots of a lab: which machines have each, and which stand on it."""
    from dataclasses import asdict

    from vboxlab.cli.terminal import Terminal
    from vboxlab.operations.snapshot.members import SnapshotRequest
    from vboxlab.operations.snapshot.views import list_snapshots

    found = list_snapshots(SnapshotRequest(lab=lab, which=which, driver=driver), Terminal(quiet=True))
    if as_json:
        rows = [{"lab": name.lab, "copy": name.copy, **asdict(row)} for name, rows in found.items() for row in rows]
        output.say_json(rows)
        return
    if not any(found.values()):
        text = n_("lab {lab} has no snapshots", "{count} labs have no snapshots", len(found))
        output.say(text.format(lab=next(iter(found)), count=len(found)))
        return
    headers = (
        C_("column", "LAB"), C_("column", "SNAPSHOT"), C_("column", "TAKEN (UTC)"), C_("column", "KIND"),
        C_("column", "MACHINES"), C_("column", "CURRENT ON"),
    )  # fmt: skip
    cells = [
        (str(name), row.name + (f" [{row.short_id}]" if row.short_id else ""), row.taken_at,
         C_("snapshot", "live") if row.live else C_("snapshot", "off"), ", ".join(row.machines),
         ", ".join(row.current) or "-")
        for name, rows in found.items() for row in rows
    ]  # fmt: skip
    output.table(headers, cells)


@click.command()
@lab_option
@options.copies
@options.driver
def tree(lab: str | None, which: Which, driver: str | None) -> None:
    """Show the snapshots of a lab as trees, with the place where each machine is now."""
    from vboxlab.cli.terminal import Terminal
    from vboxlab.operations.snapshot.members import SnapshotRequest
    from vboxlab.operations.snapshot.views import snapshot_trees

    found = snapshot_trees(SnapshotRequest(lab=lab, which=which, driver=driver), Terminal(quiet=True))
    for name, lines in found.items():
        output.say(_("lab {lab}").format(lab=name))
        for line in lines:
            output.say(line)


@click.command()
@click.argument("name")
@lab_option
@machine_option
@options.copy
@options.driver
def diff(name: str, lab: str | None, machines: tuple[str, ...], copy: str | None, driver: str | None) -> None:
    """Show what restoring snapshot NAME would change, and what `up` would have to do then."""
    from vboxlab.cli.terminal import Terminal
    from vboxlab.operations.request import Which
    from vboxlab.operations.snapshot.members import MembersRequest
    from vboxlab.operations.snapshot.views import diff_snapshot

    request = MembersRequest(name=name, lab=lab, machines=machines, which=Which(copy), driver=driver)
    diff = diff_snapshot(request, Terminal(quiet=True))
    found = diff.found
    sections = (
        (_("restoring {snapshot} changes:").format(snapshot=name), found.changes),
        (_("then `vboxlab up {topology}` does:").format(topology=diff.topology), found.then),
        (_("and does no longer:"), found.no_longer),
        (_("known only after the restore:"), found.unknown),
        (_("beware:"), diff.warnings),
    )
    for heading, lines in sections:
        if lines:
            output.say(heading)
            for line in lines:
                output.say(f"  {line}")
