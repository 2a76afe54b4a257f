"""`vboxlab status`."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextlib import nullcontext, suppress
from typing import TYPE_CHECKING, Any

import click

from vboxlab.cli import options, output

if TYPE_CHECKING:
    from vboxlab.lab.context import Context
    from vboxlab.topology.model import Topology


@click.command()
@click.argument("lab", required=False)
@options.copies
@options.driver
@options.as_json
@click.option("--watch", is_flag=False, flag_value="2", type=click.FloatRange(min=0.1), metavar="[SECONDS]",
              help="Show it again every so many seconds (default: 2) until Ctrl-C.")  # fmt: skip
def status(lab: str | None, which: options.Which, driver: str | None, *, as_json: bool, watch: float | None) -> None:
    """Show the machines of LAB (a lab or topology name; default: the only one) as they are now.

    With --all or --copies one line a lab: its topology, the stage that all its machines have reached, how many run,
    how it differs from the topology, and when it was last verified.
    """
    from vboxlab.cli import session

    with session.opened(driver, quiet=as_json) as context:
        show: Callable[[], None]
        if which.several:
            topologies: dict[str, Topology | None] = {}

            def show() -> None:
                _class(context, lab, which, topologies, as_json=as_json)
        else:

            def show() -> None:
                _one(context, lab, which.copy, as_json=as_json)

        # Ctrl-C is how a watch is meant to end.
        with suppress(KeyboardInterrupt) if watch is not None else nullcontext():
            while True:
                if watch is not None and not as_json:
                    output.clear()
                show()
                if watch is None:
                    return
                time.sleep(watch)


def _class(
    context: Context,
    lab: str | None,
    which: options.Which,
    topologies: dict[str, Topology | None],
    *,
    as_json: bool,
) -> None:
    from dataclasses import asdict

    from vboxlab.cli import several
    from vboxlab.lab.overview import overview

    now = several.many(context)
    wanted = {entry.lab for entry in several.choose(now, lab, which)} if lab or which.roll else None
    rows = overview(context.settings.home, now.machines(), _loader(context, topologies))
    if wanted is not None:
        rows = [row for row in rows if row.name in wanted]
        absent = wanted - {row.name for row in rows}
    else:
        absent = set()
    if as_json:
        output.say_json([asdict(row) for row in rows])
        return
    if not rows and not absent:
        output.say("there is no lab on this computer yet")
        return
    headers = ("LAB", "TOPOLOGY", "STAGE", "RUNNING", "DRIFT", "VERIFIED (UTC)")
    cells = [
        (
            str(row.name),
            row.topology or "-",
            row.stage,
            f"{row.running} of {row.machines}",
            f"{row.drift[0]}{f' (+{len(row.drift) - 1})' if len(row.drift) > 1 else ''}" if row.drift else "-",
            f"{row.verified.at[:16].replace('T', ' ')} {'passed' if row.verified.passed else 'FAILED'}"
            if row.verified
            else "never",
        )
        for row in rows
    ]
    cells += [(str(name), "-", "-", "absent", "-", "-") for name in sorted(absent, key=str)]
    output.table(headers, cells)


def _loader(context: Context, known: dict[str, Topology | None]) -> Callable[[str], Topology | None]:
    """Return what loads topologies by name, each once."""
    from vboxlab.errors import TopologyInvalid, UsageError
    from vboxlab.topology.catalog import find_topology
    from vboxlab.topology.loader import load_topology

    def load(name: str) -> Topology | None:
        if name not in known:
            try:
                known[name] = load_topology(find_topology(name, context.settings))
            except (TopologyInvalid, UsageError):
                known[name] = None
        return known[name]

    return load


def _one(context: Context, lab: str | None, copy: str | None, *, as_json: bool) -> None:
    from dataclasses import asdict

    from vboxlab.cli import session
    from vboxlab.lab.observe import settle
    from vboxlab.lab.status import machine_statuses
    from vboxlab.lab.up import make_plan
    from vboxlab.planning.pending import FINISH_OR_DROP, describe_pending

    target = session.only_lab(context, lab, copy)
    if target.blueprint is not None:
        _, desired, observed = make_plan(context, target.blueprint, target.lab)
    else:
        desired, observed = None, settle(context, target.lab)
    rows = machine_statuses(observed, desired)
    if as_json:
        record: Mapping[str, Any] = {"lab": target.lab.lab, "copy": target.lab.copy, "topology": observed.topology}
        pending = asdict(observed.pending) if observed.pending else None
        output.say_json({**record, "pending_restore": pending, "machines": [asdict(row) for row in rows]})
        return
    output.say(f"lab {target.lab}, topology {observed.topology or 'none or mixed'}")
    if observed.pending:
        for line in (*describe_pending(observed.pending), FINISH_OR_DROP):
            output.say(f"  {line}")
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
