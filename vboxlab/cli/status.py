"""`vboxlab status`."""

from __future__ import annotations

import time
from contextlib import nullcontext, suppress
from typing import TYPE_CHECKING

import click

from vboxlab.cli import options, output
from vboxlab.language import C_, N_, _

if TYPE_CHECKING:
    from vboxlab.operations.request import Which
    from vboxlab.operations.status import LabsState, LabState


@click.command()
@click.argument("lab", required=False)
@options.copies
@options.driver
@options.as_json
@click.option("--watch", is_flag=False, flag_value="2", type=click.FloatRange(min=0.1), metavar=N_("[SECONDS]"),
              help=N_("Show it again every so many seconds (default: 2) until Ctrl-C."))  # fmt: skip
def status(lab: str | None, which: Which, driver: str | None, *, as_json: bool, watch: float | None) -> None:
    """Show the machines of LAB (a lab or topology name; default: the only one) as they are now.

    With --all or --copies one line a lab: its topology, the stage that all its machines have reached, how many run,
    how it differs from the topology, and when it was last verified.
    """
    from vboxlab.cli.terminal import Terminal
    from vboxlab.operations.status import LabsState, StatusRequest, watching

    request = StatusRequest(lab=lab, which=which, driver=driver)
    # Ctrl-C is how a watch is meant to end.
    ended = suppress(KeyboardInterrupt) if watch is not None else nullcontext()
    with watching(request, Terminal(quiet=as_json)) as look, ended:
        while True:
            if watch is not None and not as_json:
                output.clear()
            found = look()
            if isinstance(found, LabsState):
                _show_labs(found, as_json=as_json)
            else:
                _show_lab(found, as_json=as_json)
            if watch is None:
                return
            time.sleep(watch)


def _show_labs(found: LabsState, *, as_json: bool) -> None:
    if as_json:
        output.say_json(found.records())
        return
    if not found.labs and not found.absent:
        output.say(_("there is no lab on this computer yet"))
        return
    headers = (
        C_("column", "LAB"), C_("column", "TOPOLOGY"), C_("column", "STAGE"), C_("column", "RUNNING"),
        C_("column", "DRIFT"), C_("column", "VERIFIED (UTC)"),
    )  # fmt: skip
    cells = [
        (
            str(row.name),
            row.topology or "-",
            row.stage,
            _("{running} of {machines}").format(running=row.running, machines=row.machines),
            f"{row.drift[0]}{f' (+{len(row.drift) - 1})' if len(row.drift) > 1 else ''}" if row.drift else "-",
            _verified(row.verified.at, passed=row.verified.passed) if row.verified else C_("verified", "never"),
        )
        for row in found.labs
    ]
    cells += [(str(name), "-", "-", C_("lab", "absent"), "-", "-") for name in found.absent]
    output.table(headers, cells)


def _verified(at: str, *, passed: bool) -> str:
    text = _("{moment} passed") if passed else _("{moment} FAILED")
    return text.format(moment=at[:16].replace("T", " "))


def _show_lab(found: LabState, *, as_json: bool) -> None:
    if as_json:
        output.say_json(found.record())
        return
    text = _("lab {lab}, topology {topology}") if found.topology else _("lab {lab}, topology none or mixed")
    output.say(text.format(lab=found.lab, topology=found.topology))
    for line in (*found.pending_lines(), *found.fault_lines()):
        output.say(f"  {line}")
    if found.problem:
        output.say(_("its topology cannot be read: {problem}").format(problem=found.problem))
    headers = (
        C_("column", "MACHINE"), C_("column", "VM"), C_("column", "STATE"), C_("column", "STAGE"),
        C_("column", "SSH PORT"), C_("column", "ADAPTERS"),
    )  # fmt: skip
    cells = [
        (
            row.machine,
            row.vm,
            C_("machine", row.power),
            C_("machine", "left alone") if row.configured is False else row.stage,
            str(row.port or "-"),
            " ".join(row.adapters) or "-",
        )
        for row in found.machines
    ]
    output.table(headers, cells)
    for row in found.machines:
        if row.disks:
            text = _("disks of {machine} besides the first: {disks}")
            output.say(text.format(machine=row.machine, disks=", ".join(row.disks)))
    for row in found.machines:
        for line in row.drift:
            output.say(_("drift: {machine}: {difference}").format(machine=row.machine, difference=line))
