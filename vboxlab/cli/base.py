"""`vboxlab base`: the Debian images that machines are clones of."""

from __future__ import annotations

import time

import click

from vboxlab.cli import options
from vboxlab.cli.base_add import add
from vboxlab.language import C_, N_, _


@click.group()
def base() -> None:
    """Build, add, list and remove the bases that machines are clones of."""


base.add_command(add)


@base.command("build")
@click.argument("name", default="debian12")
@click.option("--again", is_flag=True, help=N_("Build it even when it is there; not while machines are clones of it."))
@click.option("--json", "as_json", is_flag=True, help=N_("Print the outcome as JSON."))
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
        text = _("base {name} is ready ({size}, {seconds:.0f} s)")
        output.say(text.format(name=made.name, size=_size(made.size), seconds=made.seconds))


@base.command("list")
@options.driver
@click.option("--json", "as_json", is_flag=True, help=N_("Print them as JSON."))
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
        output.say(_("no bases yet: `vboxlab base build` makes one, `vboxlab base add` takes a VM of yours"))
        return
    cells = [
        (
            each.name if each.current else _("{name} (out of date)").format(name=each.name),
            each.image,
            "-" if each.size is None else _size(each.size),
            _age(time.time() - each.built),
            shortened(each.machines) or "-",
            each.origin_told,
        )
        for each in bases
    ]
    headers = (
        C_("column", "BASE"), C_("column", "IMAGE"), C_("column", "SIZE"), C_("column", "AGE"),
        C_("column", "MACHINES"), C_("column", "ORIGIN"),
    )  # fmt: skip
    output.table(headers, cells)


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
        output.say(_("removed {name}").format(name=name))


def _size(size: float) -> str:
    if size < 10 * 1024**3:
        return _("{size:.0f} MiB").format(size=size / 1024**2)
    return _("{size:.0f} GiB").format(size=size / 1024**3)


def _age(seconds: float) -> str:
    for text, length in ((_("{age:.0f} d"), 86400), (_("{age:.0f} h"), 3600), (_("{age:.0f} min"), 60)):
        if seconds >= length:
            return text.format(age=seconds / length)
    return C_("age", "now")
