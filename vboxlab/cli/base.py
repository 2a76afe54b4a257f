"""`vboxlab base`: the Debian images that machines are clones of."""

from __future__ import annotations

import time

import click

from vboxlab.cli import options
from vboxlab.cli.base_add import add


@click.group()
def base() -> None:
    """Build, add, list and remove the bases that machines are clones of."""


base.add_command(add)


@base.command("build")
@click.argument("name", default="debian12")
@click.option("--again", is_flag=True, help="Build it even when it is there; not while machines are clones of it.")
@click.option("--json", "as_json", is_flag=True, help="Print the outcome as JSON.")
def build(name: str, *, again: bool, as_json: bool) -> None:
    """Build the base NAME (debian12) unless it is there already."""
    from vboxlab.cli import output
    from vboxlab.cli.terminal import Terminal
    from vboxlab.operations import base as operations

    terminal = Terminal(output.timed_progress(time.monotonic()))
    made = operations.build(operations.BuildRequest(name, again), terminal)
    if as_json:
        output.say_json(
            {"name": made.name, "image": made.image, "digest": made.digest, "seconds": round(made.seconds, 1)}
        )
    else:
        output.say(f"base {made.name} is ready ({_size(made.size)}, {made.seconds:.0f} s)")


@base.command("list")
@options.driver
@click.option("--json", "as_json", is_flag=True, help="Print them as JSON.")
def list_bases(*, driver: str | None, as_json: bool) -> None:
    """List the bases with the package layers made from them and the machines that depend on them."""
    from vboxlab.cli import output
    from vboxlab.operations import base as operations
    from vboxlab.operations.questions import shortened

    bases = operations.list_bases(operations.ListRequest(driver))
    if as_json:
        output.say_json([each.record() for each in bases])
        return
    if not bases:
        output.say("no bases yet: `vboxlab base build` makes one, `vboxlab base add` takes a VM of yours")
        return
    cells = [
        (
            each.name + ("" if each.current else " (out of date)"),
            each.image,
            "-" if each.size is None else _size(each.size),
            _age(time.time() - each.built),
            shortened(each.machines) or "-",
            each.origin,
        )
        for each in bases
    ]
    output.table(("BASE", "IMAGE", "SIZE", "AGE", "MACHINES", "ORIGIN"), cells)


@base.command("remove")
@click.argument("which")
@options.driver
def remove(which: str, *, driver: str | None) -> None:
    """Remove the base WHICH (a name, or one image) with its layers, unless machines depend on it.

    Of a base that is a VM of yours, only what vboxlab knows of it goes.
    """
    from vboxlab.cli import output
    from vboxlab.operations import base as operations

    for name in operations.remove(operations.RemoveRequest(which, driver)):
        output.say(f"removed {name}")


def _size(size: float) -> str:
    return f"{size / 1024**2:.0f} MiB" if size < 10 * 1024**3 else f"{size / 1024**3:.0f} GiB"


def _age(seconds: float) -> str:
    for unit, length in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= length:
            return f"{seconds / length:.0f} {unit}"
    return "now"
