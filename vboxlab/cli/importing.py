"""`vboxlab import`: topologies from what exists."""

from __future__ import annotations

import click

from vboxlab.cli import options
from vboxlab.language import N_, _


@click.group("import")
def import_() -> None:
    """Write a topology from what exists: VMs of this VirtualBox."""


@import_.command("vm")
@click.argument("vms", metavar=N_("VM..."), nargs=-1, required=True)
@click.option("--as", "name", metavar=N_("NAME"), help=N_("Name of the topology (default: made of the VM's)."))
@click.option(
    "--clone", is_flag=True, help=N_("Let the machines be linked clones of the VMs, which are never started.")
)
@options.driver
@options.as_json
def import_vm(vms: tuple[str, ...], name: str | None, *, clone: bool, driver: str | None, as_json: bool) -> None:
    """Write a topology of VMs that exist in VirtualBox, by name or UUID; they are only read.

    The lab adopts them: they are started and checked, and never edited nor removed. With --clone its machines are
    clones of them. What cannot be known from outside stands in the file as a comment.
    """
    from vboxlab.cli import output
    from vboxlab.cli.terminal import Terminal
    from vboxlab.operations.import_vm import ImportRequest
    from vboxlab.operations.import_vm import import_vm as write

    done = write(ImportRequest(vms, name, clone, driver), Terminal(quiet=as_json))
    if as_json:
        output.say_json({"name": done.name, "path": str(done.path), "commands": done.commands, "remarks": done.remarks})
        return
    for remark in done.remarks:
        output.remark(_("note: {note}").format(note=remark))
    output.say(_("written: {path}").format(path=done.path))
    if done.commands:
        output.say(_("type first, once:"))
        for command in done.commands:
            output.say(f"  {command}")
    output.say(_("look at it, then: vboxlab up {name}").format(name=done.name))
