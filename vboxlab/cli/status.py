"""`vboxlab status`."""

from __future__ import annotations

import click

from vboxlab.cli import options, output


@click.command()
@click.argument("lab", required=False)
@options.copy
@options.driver
@options.as_json
def status(lab: str | None, copy: str | None, driver: str | None, *, as_json: bool) -> None:
    """Show the machines of LAB (a lab or topology name; default: the only one) as they are now."""
    from dataclasses import asdict

    from vboxlab.cli import session
    from vboxlab.lab.observe import observe
    from vboxlab.lab.status import machine_statuses
    from vboxlab.lab.up import make_plan

    with session.opened(driver, quiet=as_json) as context:
        target = session.only_lab(context, lab, copy)
        if target.blueprint is not None:
            _, desired, observed = make_plan(context, target.blueprint, target.lab)
        else:
            desired, observed = None, observe(context.driver, target.lab)
        rows = machine_statuses(observed, desired)
    if as_json:
        output.say_json({"lab": target.lab.lab, "copy": target.lab.copy, "topology": observed.topology,
                         "machines": [asdict(row) for row in rows]})  # fmt: skip
        return
    output.say(f"lab {target.lab}, topology {observed.topology or 'none or mixed'}")
    if target.problem is not None:
        output.say(f"its topology cannot be read: {target.problem.brief}")
    headers = ("MACHINE", "VM", "STATE", "STAGE", "SSH PORT", "ADAPTERS")
    cells = [
        (row.machine, row.vm, row.power, row.stage, str(row.port or "-"), " ".join(row.adapters) or "-") for row in rows
    ]
    output.table(headers, cells)
    for row in rows:
        for line in row.drift:
            output.say(f"drift: {row.machine}: {line}")
