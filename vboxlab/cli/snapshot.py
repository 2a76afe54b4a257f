"""`vboxlab snapshot`."""

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


@click.group()
def snapshot() -> None:
    """Take, list, restore and delete snapshots of a whole lab, all or nothing."""


def _members(context: Context, target: Target, observed: ObservedLab, name: str, chosen: tuple[str, ...]) -> list[str]:
    """Return the machines that a snapshot name stands for: those chosen, its snapshot set's, or all of the lab."""
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
    having = [machine.machine for machine in observed.machines.values() if machine.has_snapshot(name)]
    return having or sorted(observed.machines)


@snapshot.command("list")
@lab_option
@options.copy
@options.driver
@options.as_json
def list_(lab: str | None, copy: str | None, driver: str | None, *, as_json: bool) -> None:
    """List the snapshots of a lab: which machines have each, and which stand on it."""
    from dataclasses import asdict

    from vboxlab.cli import session
    from vboxlab.lab.observe import observe
    from vboxlab.lab.snapshot_sets import snapshot_rows

    with session.opened(driver, quiet=True) as context:
        target = session.only_lab(context, lab, copy)
        observed = observe(context.driver, target.lab)
    rows = snapshot_rows(observed)
    if as_json:
        output.say_json([asdict(row) for row in rows])
        return
    if not rows:
        output.say(f"lab {target.lab} has no snapshots")
        return
    headers = ("SNAPSHOT", "TAKEN (UTC)", "KIND", "MACHINES", "CURRENT ON")
    cells = [
        (row.name, row.taken_at, "live" if row.live else "off", ", ".join(row.machines), ", ".join(row.current) or "-")
        for row in rows
    ]
    output.table(headers, cells)


@snapshot.command()
@click.argument("name")
@lab_option
@machine_option
@options.copy
@options.driver
@options.patience
@click.option("--live", is_flag=True, help="Keep the machines running and save their memory too.")
def take(
    name: str, lab: str | None, machines: tuple[str, ...], copy: str | None, driver: str | None, patience: float,
    *, live: bool,
) -> None:  # fmt: skip
    """Take snapshot NAME of all machines of the lab, switched off for it unless --live."""
    from vboxlab.cli import session
    from vboxlab.lab import snapshot_sets
    from vboxlab.lab.observe import settle

    with output.progress() as events, session.opened(driver, events) as context:
        target = session.only_lab(context, lab, copy)
        with context.directory(target.lab).locked(events, patience=patience):
            observed = settle(context, target.lab)
            names = _members(context, target, observed, name, machines)
            snapshot_sets.take(context, observed, names, name, live=live)
    output.say(f"snapshot {name} taken of {', '.join(names)}")


@snapshot.command()
@click.argument("name")
@lab_option
@machine_option
@options.copy
@options.driver
@options.patience
@click.option("--no-start", is_flag=True, help="Leave the machines off.")
def restore(
    name: str, lab: str | None, machines: tuple[str, ...], copy: str | None, driver: str | None, patience: float,
    *, no_start: bool,
) -> None:  # fmt: skip
    """Bring machines back to snapshot NAME, all or nothing; those that ran are started again."""
    from vboxlab.cli import session
    from vboxlab.lab import snapshot_sets
    from vboxlab.lab.observe import settle

    with output.progress() as events, session.opened(driver, events) as context:
        target = session.only_lab(context, lab, copy)
        with context.directory(target.lab).locked(events, patience=patience):
            observed = settle(context, target.lab)
            names = _members(context, target, observed, name, machines)
            snapshot_sets.restore(context, observed, names, name, start=not no_start)
    output.say(f"snapshot {name} restored on {', '.join(names)}")


@snapshot.command()
@click.argument("name")
@lab_option
@machine_option
@options.copy
@options.driver
@options.patience
def delete(
    name: str, lab: str | None, machines: tuple[str, ...], copy: str | None, driver: str | None, patience: float
) -> None:
    """Delete snapshot NAME from machines that are off; what they are now stays."""
    from vboxlab.cli import session
    from vboxlab.lab import snapshot_sets
    from vboxlab.lab.observe import settle

    with output.progress() as events, session.opened(driver, events) as context:
        target = session.only_lab(context, lab, copy)
        with context.directory(target.lab).locked(events, patience=patience):
            observed = settle(context, target.lab)
            names = _members(context, target, observed, name, machines)
            snapshot_sets.delete(context, observed, names, name)
    output.say(f"snapshot {name} deleted from {', '.join(names)}")
