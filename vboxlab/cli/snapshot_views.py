"""`vboxlab snapshot list`, `tree` and `diff`: looking at snapshots, changing nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from vboxlab.cli import options, output

if TYPE_CHECKING:
    from vboxlab.cli.session import Target
    from vboxlab.lab.context import Context
    from vboxlab.planning.observed import ObservedLab

lab_option = click.option("--lab", metavar="LAB", help="Lab or topology name (default: the only lab there is).")
machine_option = click.option("--machine", "machines", multiple=True, help="Only this machine (may be repeated).")


def members(context: Context, target: Target, observed: ObservedLab, name: str, chosen: tuple[str, ...]) -> list[str]:
    """Return the machines that a snapshot name stands for: those chosen, its snapshot set's, or all of the lab.

    The id of a snapshot stands for the one machine that has it.
    """
    from vboxlab.errors import TopologyInvalid, UsageError
    from vboxlab.lab.observe import need_machine
    from vboxlab.topology.catalog import find_snapshot_set
    from vboxlab.topology.loader import load_snapshot_set

    if chosen:
        return [need_machine(observed, machine).machine for machine in chosen]
    try:
        declared = load_snapshot_set(find_snapshot_set(name, context.settings, near=None))
    except (UsageError, TopologyInvalid):
        declared = None
    if declared is not None and declared.lab == target.lab.lab:
        return list(declared.machines)
    having = [machine.machine for machine in observed.machines.values() if machine.find_snapshots(name)]
    return having or sorted(observed.machines)


@click.command("list")
@lab_option
@options.copies
@options.driver
@options.as_json
def list_(lab: str | None, which: options.Which, driver: str | None, *, as_json: bool) -> None:
    """List the snapshots of a lab: which machines have each, and which stand on it."""
    from dataclasses import asdict

    from vboxlab.cli import session, several
    from vboxlab.lab.observe import observed_lab
    from vboxlab.lab.snapshot_sets import snapshot_rows

    with session.opened(driver, quiet=True) as opened:
        context = several.many(opened)
        chosen = several.choose_or_only(context, lab, which)
        everything = context.machines()
        found = {entry.lab: snapshot_rows(observed_lab(context.driver, everything, entry.lab)) for entry in chosen}
    if as_json:
        rows = [{"lab": name.lab, "copy": name.copy, **asdict(row)} for name, rows in found.items() for row in rows]
        output.say_json(rows)
        return
    if not any(found.values()):
        output.say(f"{'lab ' + str(chosen[0].lab) if len(chosen) == 1 else f'{len(chosen)} labs'} has no snapshots")
        return
    headers = ("LAB", "SNAPSHOT", "TAKEN (UTC)", "KIND", "MACHINES", "CURRENT ON")
    cells = [
        (str(name), row.name + (f" [{row.short_id}]" if row.short_id else ""), row.taken_at,
         "live" if row.live else "off", ", ".join(row.machines), ", ".join(row.current) or "-")
        for name, rows in found.items() for row in rows
    ]  # fmt: skip
    output.table(headers, cells)


@click.command()
@lab_option
@options.copies
@options.driver
def tree(lab: str | None, which: options.Which, driver: str | None) -> None:
    """Show the snapshots of a lab as trees, with the place where each machine is now."""
    from vboxlab.cli import session, several
    from vboxlab.lab.observe import observed_lab
    from vboxlab.lab.snapshot_views import tree_lines

    with session.opened(driver, quiet=True) as opened:
        context = several.many(opened)
        chosen = several.choose_or_only(context, lab, which)
        everything = context.machines()
        found = {entry.lab: tree_lines(observed_lab(context.driver, everything, entry.lab)) for entry in chosen}
    for name, lines in found.items():
        output.say(f"lab {name}")
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
    from vboxlab.cli import session
    from vboxlab.lab.snapshot_sets import check_has
    from vboxlab.lab.snapshot_views import restore_diff, split_clusters
    from vboxlab.lab.up import make_plan

    with session.opened(driver, quiet=True) as context:
        target = session.only_lab(context, lab, copy)
        _, desired, observed = make_plan(context, target.needed, target.lab)
        names = members(context, target, observed, name, machines)
        check_has(observed, names, name)
        found = restore_diff(desired, observed, names, name)
        warnings = split_clusters(desired.topology, observed, names)
    topology = desired.topology.name
    sections = (
        (f"restoring {name} changes", found.changes),
        (f"then `vboxlab up {topology}` does", found.then),
        ("and does no longer", found.no_longer),
        ("known only after the restore", found.unknown),
        ("beware", warnings),
    )
    for heading, lines in sections:
        if lines:
            output.say(f"{heading}:")
            for line in lines:
                output.say(f"  {line}")
